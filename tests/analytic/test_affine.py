"""Propagators, moments and strong solutions of affine SDEs are exact to rounding."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from analytic import problems
from analytic.affine import AffineField, AffineSDE, GaussianPath, isotropic_noise, kl_along, laws, step_laws
from analytic.gaussian import Gaussian, kl
from analytic.propagator import propagators
from analytic.strong import StrongSolution

EPS = np.finfo(np.float64).eps
GAUSSIANS = [p.name for p in problems.select("gaussian") if not p.has("stiff") and not p.has("singular-ends")]
ROUNDING = 1e4 * EPS  # a few hundred panels, each a handful of rounded products of small matrices


@cache
def path_of(name: str) -> GaussianPath:
    return GaussianPath.of(problems.get(name).interpolant)


def ornstein_uhlenbeck() -> AffineSDE:
    """Constant coefficients with a non-normal matrix and correlated, rectangular noise."""
    matrix = np.array([[-1.0, 2.0], [0.0, -0.5]])
    noise = np.array([[0.5, 0.1, 0.0], [0.2, 0.0, 0.7]])
    field = AffineField(lambda t: np.tile(matrix, (t.size, 1, 1)), lambda t: np.tile([0.3, -0.2], (t.size, 1)))
    return AffineSDE(field, lambda t: np.tile(noise, (t.size, 1, 1)))


def test_the_propagator_of_constant_coefficients_is_the_exponential() -> None:
    k = np.array([[0.0, 1.0, 0.0], [-4.0, -0.3, 1.0], [0.0, 0.2, -2.0]])
    steps, error = propagators(lambda t: np.tile(k, (t.size, 1, 1)), np.array([0.0, 0.4, 2.0]))
    np.testing.assert_allclose(steps[1], expm(1.6 * k), atol=ROUNDING)
    assert np.max(np.abs(steps[1] @ steps[0] - expm(2.0 * k))) < max(error, ROUNDING) < 1e-11


def test_the_propagator_says_so_where_coefficients_are_singular() -> None:
    with pytest.raises(ArithmeticError, match=r"panels|finite"):
        propagators(lambda t: (1.0 / (t - 0.3) ** 2)[:, None, None], np.array([0.0, 1.0]))


@pytest.mark.parametrize("name", GAUSSIANS)
def test_path_moments_are_those_of_the_interpolant(name: str) -> None:
    path, interpolant = path_of(name), problems.get(name).interpolant
    times = np.array([0.1, 0.37, 0.9])
    for i, t in enumerate(times):
        x = path.law(float(t)).sample(5, 1)
        for field, exact in (
            (path.velocity(), interpolant.velocity(t, x)),
            (path.score(), interpolant.score(t, x)),
            (path.drift(0.7, "backward"), interpolant.drift(t, x, 0.7, "backward")),
        ):
            np.testing.assert_allclose(field(t, x), exact, rtol=ROUNDING, atol=ROUNDING)
        # A + Aᵀ = C', against a central difference with error O(h²).
        h = 1e-5
        slope = (path.cov(times[i : i + 1] + h) - path.cov(times[i : i + 1] - h))[0] / (2.0 * h)
        a = path.cross(times[i : i + 1])[0]
        np.testing.assert_allclose(a + a.T, slope, atol=1e3 * h**2 + EPS / h * 10)


@pytest.mark.parametrize("name", GAUSSIANS)
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_every_sde_keeps_the_law_of_the_path(name: str, direction: str) -> None:
    path = path_of(name)
    times = np.linspace(0.0, 1.0, 4)[:: 1 if direction == "forward" else -1]
    for epsilon in (0.0, 0.8, lambda t: 0.2 + t**2):
        sde = AffineSDE.of(path, epsilon, direction)
        for t, law in zip(times, laws(sde, path.law(float(times[0])), times), strict=True):
            np.testing.assert_allclose(law.mean, path.law(float(t)).mean, atol=ROUNDING)
            np.testing.assert_allclose(law.cov, path.law(float(t)).cov, atol=ROUNDING)


def test_moments_of_an_off_law_start_match_an_independent_integration() -> None:
    path = path_of("gaussian-2d-crossed")
    sde = AffineSDE.of(path, 0.6)
    start = Gaussian([2.0, -1.0], [[0.5, 0.2], [0.2, 1.5]])

    def rhs(t: float, y: np.ndarray) -> np.ndarray:
        now = np.array([t])
        a, g = sde.drift.matrix(now)[0], sde.noise(now)[0]
        m, c = y[:2], y[2:].reshape(2, 2)
        return np.concatenate([a @ m + sde.drift.offset(now)[0], (a @ c + c @ a.T + g @ g.T).reshape(-1)])

    y0 = np.concatenate([start.mean, start.cov.reshape(-1)])
    y = solve_ivp(rhs, (0.0, 1.0), y0, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    law = laws(sde, start, np.array([0.0, 1.0]))[-1]
    np.testing.assert_allclose(law.mean, y[:2], atol=1e-11)  # DOP853 at 1e-12
    np.testing.assert_allclose(law.cov, y[2:].reshape(2, 2), atol=1e-11)


def test_kl_along_time_starts_at_zero_and_falls_back_to_zero_for_equal_drifts() -> None:
    path = path_of("gaussian-2d-crossed")
    p, q = AffineSDE.of(path, 0.5), AffineSDE.of(path, 0.5)
    shifted = AffineSDE(
        q.drift + AffineField(lambda t: np.zeros((t.size, 2, 2)), lambda t: np.full((t.size, 2), 0.1)),
        isotropic_noise(0.5, 2),
    )
    times = np.linspace(0.0, 1.0, 5)
    assert np.max(kl_along(p, q, path.law(0.0), times)) <= ROUNDING**2
    values = kl_along(p, shifted, path.law(0.0), times)
    assert values[0] == 0.0
    assert np.all(values[1:] > 1e-6)


def test_negative_epsilon_is_refused() -> None:
    with pytest.raises(ValueError, match="epsilon"):
        laws(AffineSDE.of(path_of("gaussian-1d"), -0.1), path_of("gaussian-1d").law(0.0), np.array([0.0, 1.0]))


@pytest.mark.parametrize("case", ["ou", "gaussian-2d-crossed", "backward"])
def test_the_joint_law_of_noise_and_increments_matches_dense_ito_sums(case: str) -> None:
    """Cov(xi, ΔW), Cov(xi, Z) and Cov(xi) per step against Riemann sums of Phi(t, u) G(u) on a fine grid."""
    grid = np.array([0.2, 0.5, 0.6, 1.0])
    if case == "ou":
        sde = ornstein_uhlenbeck()
    else:
        direction = "backward" if case == "backward" else "forward"
        sde = AffineSDE.of(path_of("gaussian-2d-crossed"), lambda t: 0.3 + t, direction)
        grid = grid[::-1].copy() if case == "backward" else grid
    solution = StrongSolution.on(sde, grid)
    for i, (a, b) in enumerate(pairwise(grid)):
        fine = np.linspace(a, b, 401)
        middle, du = 0.5 * (fine[1:] + fine[:-1]), np.abs(np.diff(fine))
        small = propagators(sde.drift.matrix, np.sort(np.append(middle, b)) if b > a else np.append(middle, b))[0]
        tail = np.empty_like(small)
        running = np.eye(2)
        for j in range(len(small) - 1, -1, -1):
            running = running @ small[j]
            tail[j] = running
        kernel = tail @ sde.noise(middle)
        h, left = abs(b - a), np.abs(b - middle)
        with_w = np.einsum("q,qdm->dm", du, kernel)
        with_z = np.einsum("q,qdm->dm", du * left, kernel)
        own = np.einsum("q,qdm,qem->de", du, kernel, kernel)
        # Midpoint sums err by h³ f''/(24 · 400²): below 1e-5 of the step for these coefficients.
        np.testing.assert_allclose(solution.gain0[i] * np.sqrt(h), with_w, atol=1e-5 * h)
        got_z = 0.5 * h * with_w - h**1.5 / (2 * np.sqrt(3)) * solution.gain1[i]
        np.testing.assert_allclose(got_z, with_z, atol=1e-5 * h)
        np.testing.assert_allclose(solution.laws.cov[i], own, atol=1e-5 * h)
        k0, k1, r0, r01 = (getattr(solution, n)[i] for n in ("gain0", "gain1", "rest0", "rest01"))
        total = solution.laws.cov[i]
        np.testing.assert_allclose(k0 @ k0.T + r0 @ r0.T, total, atol=ROUNDING * h)
        np.testing.assert_allclose(k0 @ k0.T + k1 @ k1.T + r01 @ r01.T, total, atol=ROUNDING * h)


def test_samples_follow_the_exact_joint_law() -> None:
    sde, grid, n = ornstein_uhlenbeck(), np.array([0.0, 0.7, 1.0]), 40_000
    start = Gaussian([1.0, -1.0], [[0.5, 0.2], [0.2, 1.0]])
    paths = StrongSolution.on(sde, grid).sample(start, n, 11)
    exact = laws(sde, start, grid)[-1]
    white = np.linalg.solve(np.linalg.cholesky(exact.cov), (paths.states[:, -1] - exact.mean).T)
    assert np.max(np.abs(white.mean(axis=1))) < 6.0 / np.sqrt(n)
    assert np.max(np.abs(np.cov(white) - np.eye(2))) < 6.0 * np.sqrt(2.0 / n)
    # Var(Z) = h³/3 and Cov(Z, ΔW) = h²/2 for the space-time area.
    h = 0.7
    joint = np.cov(paths.increments[:, 0, 0], paths.areas[:, 0, 0])
    expected = np.array([[h, h**2 / 2], [h**2 / 2, h**3 / 3]])
    assert np.max(np.abs(joint / expected - 1.0)) < 6.0 * np.sqrt(2.0 / n) * 2.0


def test_euler_converges_strongly_to_the_coupled_solution_at_order_one() -> None:
    """Additive noise: Euler-Maruyama has strong order 1; any wrong coupling leaves an error that does not fall."""
    path = path_of("gaussian-2d-crossed")
    sde = AffineSDE.of(path, 0.7)
    paths = StrongSolution.on(sde, np.linspace(0.0, 1.0, 129)).sample(path.law(0.0), 500, 3)
    errors = []
    for every in (1, 2, 4):
        coarse = paths.coarse(every)
        x = coarse.states[:, 0]
        for i, t in enumerate(coarse.times[:-1]):
            h = coarse.times[i + 1] - t
            x = x + h * sde.drift(t, x) + coarse.increments[:, i] @ sde.noise(np.array([t]))[0].T
        errors.append(np.sqrt(np.mean((x - coarse.states[:, -1]) ** 2)))
    orders = np.diff(np.log2(errors))
    assert np.all(np.abs(orders - 1.0) < 0.05)  # first-order remainder at h = 1/32 is a few per cent


def test_areas_carry_the_information_that_increments_lack() -> None:
    """Coarsening keeps the area's definition, and conditioning on it shrinks what is left from h³ to h⁵."""
    sde, fine = ornstein_uhlenbeck(), np.linspace(0.0, 1.0, 65)
    paths = StrongSolution.on(sde, fine).sample(Gaussian([0.0, 0.0], 1.0), 2000, 5)
    for every in (4, 8):
        coarse = paths.coarse(every)
        solution = StrongSolution.on(sde, coarse.times)
        for areas, given in ((None, False), (coarse.areas, True)):
            gap = coarse.states[:, -1] - solution.mean_given(coarse.states[:, 0], coarse.increments, areas)[:, -1]
            exact = solution.covariance_given(given)[-1]
            measured = gap.T @ gap / len(gap)
            spread = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
            assert np.max(np.abs(measured - exact) / spread) < 6.0 * np.sqrt(2.0 / len(gap))
    spans = [StrongSolution.on(sde, np.array([0.0, h])) for h in (0.02, 0.01)]
    for field, order in (("rest0", 3), ("rest01", 5)):
        big, small = (np.sum(getattr(s, field) ** 2) for s in spans)
        assert np.log2(big / small) == pytest.approx(order, abs=0.05)  # next term is O(h) = 0.02


def test_given_redraws_only_what_the_path_leaves_open() -> None:
    sde, grid = ornstein_uhlenbeck(), np.linspace(0.0, 1.0, 9)
    solution = StrongSolution.on(sde, grid)
    paths = solution.sample(Gaussian([0.0, 0.0], 1.0), 4000, 9)
    again = solution.given(paths.states[:, 0], paths.increments, paths.areas, seed=10)
    gap = again[:, -1] - paths.states[:, -1]
    exact = 2.0 * solution.covariance_given(True)[-1]
    assert np.max(np.abs(gap.T @ gap / 4000 / exact - 1.0)) < 12.0 * np.sqrt(2.0 / 4000)


def test_shapes_are_checked() -> None:
    solution = StrongSolution.on(ornstein_uhlenbeck(), np.linspace(0.0, 1.0, 5))
    with pytest.raises(ValueError, match="increments"):
        solution.mean_given(np.zeros((3, 2)), np.zeros((3, 5, 3)))
    with pytest.raises(ValueError, match="grid"):
        step_laws(ornstein_uhlenbeck(), np.array([0.0, 0.5, 0.5]))
    with pytest.raises(ValueError, match="every"):
        solution.sample(np.zeros((2, 2)), 2, 0).coarse(3)


def test_kl_of_shifted_means_is_half_the_squared_shift() -> None:
    assert kl(Gaussian(0.0, 1.0), Gaussian(1e-9, 1.0)) == pytest.approx(0.5e-18, abs=0.0, rel=16 * EPS)
