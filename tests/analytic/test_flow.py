"""Flow maps: against 40-digit solutions of the equation itself, in both tails, and as a group of maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule, flow_numeric, problems
from analytic.flow import (
    GaussianFlow,
    MonotoneFlow,
    NumericalFlow,
    ProductFlow,
    ReferenceFlow,
    amplification,
    reference_flow,
)
from analytic.flow_numeric import dop853, extrapolated_midpoint
from analytic.product_law import common_basis, product_lines

EPS = np.finfo(np.float64).eps
EXACT = [p.name for p in problems.select("exact-flow")]


def mp_solve(rhs: Callable, y: mp.matrix, s: float, t: float, steps: int) -> mp.matrix:
    """Gragg's extrapolated midpoint rule in mpmath, 10 columns: order 20, so `steps` and its double agree to digits."""
    h, u = (mp.mpf(t) - mp.mpf(s)) / steps, mp.mpf(s)
    for _ in range(steps):
        rows: list[mp.matrix] = []
        for j in range(1, 11):
            n, d = 2 * j, h / (2 * j)
            before, now = y, y + d * rhs(u, y)
            for i in range(1, n):
                before, now = now, before + 2 * d * rhs(u + i * d, now)
            fresh = [(before + now + d * rhs(u + h, now)) / 2]
            for k in range(1, j):
                fresh.append(fresh[-1] + (fresh[-1] - rows[k - 1]) / ((mp.mpf(j) / (j - k)) ** 2 - 1))
            rows = fresh
        y, u = rows[-1], u + h
    return y


def mp_mixture_velocity(t: mp.mpf, x: mp.matrix) -> mp.matrix:
    """b of "1d-bimodal-to-trimodal" from its definition, at the working precision of mpmath."""
    top = bottom = mp.mpf(0)
    for m0 in (-3, 3):
        for m1, v1 in ((-6, mp.mpf(0.5)), (0, mp.mpf(0.33)), (6, mp.mpf(0.5))):
            mean, slope = (1 - t) * m0 + t * m1, m1 - m0
            var = (1 - t) ** 2 / 4 + t**2 * v1 + t * (1 - t)
            half_dot = -(1 - t) / 4 + t * v1 + (1 - 2 * t) / 2
            weight = mp.exp(-((x[0] - mean) ** 2) / (2 * var)) / mp.sqrt(var)
            top += weight * (slope + half_dot / var * (x[0] - mean))
            bottom += weight
    return mp.matrix([top / bottom])


def test_the_mixture_flow_solves_its_equation_to_the_stated_error() -> None:
    flow = reference_flow(problems.get("1d-bimodal-to-trimodal").interpolant)
    assert isinstance(flow.flow, ProductFlow)
    for x in (-3.4, 4.5):
        with mp.workdps(34):
            coarse = mp_solve(mp_mixture_velocity, mp.matrix([mp.mpf(x)]), 0.0, 0.9, 20)[0]
            exact = mp_solve(mp_mixture_velocity, mp.matrix([mp.mpf(x)]), 0.0, 0.9, 28)[0]
        assert abs(coarse - exact) < 1e-16 * max(1, abs(exact))
        start = np.array([[x]])
        error = abs(float(mp.mpf(flow(start, 0.0, 0.9)[0, 0]) - exact))
        assert error <= flow.error(start, 0.0, 0.9)[0] <= 1e-12 * max(1.0, abs(float(exact)))


@pytest.mark.parametrize("name", ["gaussian-2d-crossed", "correlated-2d", "gaussian-2d-commuting"])
def test_the_gaussian_flow_solves_its_equation_to_the_stated_error(name: str) -> None:
    interpolant = problems.get(name).interpolant
    flow = reference_flow(interpolant)
    assert isinstance(flow.flow, GaussianFlow)
    assert (flow.flow.basis is None) == (name != "gaussian-2d-commuting")
    c = interpolant.coupling
    stored = (c.cov00[0], c.cov11[0], c.cov01[0])
    blocks = [block if c.kind == "full" else block * np.eye(2) for block in stored]
    trig = interpolant.schedule.name == "trigonometric"

    with mp.workdps(34):
        m0, m1 = mp.matrix(c.mean0[0].tolist()), mp.matrix(c.mean1[0].tolist())
        c00, c11, c01 = (mp.matrix(b.tolist()) for b in blocks)

        def rhs(t: mp.mpf, x: mp.matrix) -> mp.matrix:
            if trig:  # with the quadratic latent
                a, b = mp.cos(mp.pi * t / 2), mp.sin(mp.pi * t / 2)
                da, db = -mp.pi / 2 * b, mp.pi / 2 * a
                g2, gg = (t * (1 - t)) ** 2, t * (1 - t) * (1 - 2 * t)
            else:  # linear with the Brownian one
                a, b, da, db, g2, gg = 1 - t, t, mp.mpf(-1), mp.mpf(1), t * (1 - t), (1 - 2 * t) / 2
            cov = a * a * c00 + b * b * c11 + a * b * (c01 + c01.T) + g2 * mp.eye(2)
            cross = a * da * c00 + b * db * c11 + da * b * c01 + db * a * c01.T + gg * mp.eye(2)
            return da * m0 + db * m1 + cross * mp.lu_solve(cov, x - a * m0 - b * m1)

        start = np.array([[0.7, -1.9]])
        solutions = [mp_solve(rhs, mp.matrix(start[0].tolist()), 0.0, 1.0, n) for n in (7, 9)]
        assert mp.norm(solutions[0] - solutions[1]) < 1e-17
        exact = np.array([float(v) for v in solutions[1]])
    error = np.linalg.norm(flow(start, 0.0, 1.0)[0] - exact)
    assert error <= flow.error(start, 0.0, 1.0)[0] <= 1e-12


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("distance", [0.0, 3.0, 12.0, 25.0, 38.0, 60.0])
def test_the_monotone_flow_keeps_tail_probability_far_into_both_tails(side: float, distance: float) -> None:
    """F_t(X_t) = F_s(x) in 60 digits: an F formed by 1 − sf, or a cdf that underflows, fails from 9 σ on."""
    interpolant = problems.get("1d-bimodal-to-trimodal").interpolant
    flow = reference_flow(interpolant)
    s, t = 0.15, 0.8
    source, target = interpolant.marginal(s), interpolant.marginal(t)
    edge = source.means[:, 0].max()
    x = side * (edge + distance * np.sqrt(source.covariances.max()))
    y = flow(np.array([[x]]), s, t)[0, 0]

    def tail(law: GaussianMixture, point: mp.mpf) -> mp.mpf:
        rows = zip(law.weights, law.means[:, 0], np.ravel(law.covariances), strict=True)
        # erfc of the upper tail: relative digits however small it is. The law is symmetric in x.
        return (
            sum(mp.mpf(w) * mp.erfc((side * point - side * mp.mpf(m)) / mp.sqrt(2 * mp.mpf(c))) for w, m, c in rows) / 2
        )

    with mp.workdps(60):
        goal = mp.log(tail(source, mp.mpf(x)))
        exact = mp.findroot(lambda p: mp.log(tail(target, p)) - goal, mp.mpf(y))
        error = abs(float(exact - mp.mpf(y)))
    # Parameters of the marginals carry their own few ulp, which the bound covers as rounding of positions.
    assert error <= flow.error(np.array([[x]]), s, t)[0]
    assert error <= 64 * EPS * abs(y)


@pytest.mark.parametrize("name", EXACT)
def test_exact_flows_form_a_group_and_carry_the_law(name: str) -> None:
    problem = problems.get(name)
    interpolant, (s, t) = problem.interpolant, problem.t_span
    u = 0.4 * s + 0.6 * t
    flow = reference_flow(interpolant)
    assert flow.exact
    x = interpolant.sample(s, 100, 5)
    y = flow(x, s, t)
    middle = flow(x, s, u)
    slack = np.linalg.norm(flow.jacobian(middle, u, t), 2, axis=(1, 2)) * flow.error(x, s, u)
    slack += flow.error(x, s, t) + flow.error(middle, u, t)
    assert np.all(np.linalg.norm(flow(middle, u, t) - y, axis=1) <= slack)
    slack = np.linalg.norm(flow.jacobian(y, t, s), 2, axis=(1, 2)) * flow.error(x, s, t)
    assert np.all(np.linalg.norm(flow(y, t, s) - x, axis=1) <= slack + flow.error(y, t, s))
    np.testing.assert_array_equal(flow(x, u, u), x)
    # Change of variables: log rho_t(X_t) + log det J = log rho_s(x).
    gap = interpolant.log_density(t, y) + flow.log_det(x, s, t) - interpolant.log_density(s, x)
    slope = np.linalg.norm(interpolant.score(t, y), axis=1) * flow.error(x, s, t)
    assert np.max(np.abs(gap) - slope) < 1e4 * EPS * max(1.0, np.max(np.abs(interpolant.log_density(t, y))))
    signs, logs = np.linalg.slogdet(flow.jacobian(x, s, t))
    assert np.all(signs > 0)
    np.testing.assert_allclose(logs, flow.log_det(x, s, t), atol=1e4 * EPS * max(1.0, np.abs(logs).max()))


@pytest.mark.parametrize("name", ["product-2d-rotated", "gaussian-8d", "one-sided-vp-1d"])
def test_exact_and_integrated_flows_agree(name: str) -> None:
    """The closed forms against two integrators that know nothing but the velocity."""
    interpolant = problems.get(name).interpolant
    exact = reference_flow(interpolant)
    numeric = ReferenceFlow(NumericalFlow(interpolant, error_bound=1e-7, tolerance=1e-11), interpolant.dim)
    x = interpolant.sample(0.0, 2, 2)
    gap = np.linalg.norm(exact(x, 0.0, 1.0) - numeric(x, 0.0, 1.0), axis=1)
    stated = numeric.error(x, 0.0, 1.0)
    assert np.all(gap <= exact.error(x, 0.0, 1.0) + stated)
    assert np.all(stated < 1e-8)
    np.testing.assert_allclose(exact.log_det(x, 0.8, 0.4), numeric.log_det(x, 0.8, 0.4), atol=numeric.error_bound)
    np.testing.assert_allclose(exact.jacobian(x, 0.8, 0.4), numeric.jacobian(x, 0.8, 0.4), atol=numeric.error_bound)


@pytest.mark.parametrize("name", ["correlated-mixture-2d", "encoding-decoding-2d"])
def test_integrated_references_are_groups_within_their_stated_error(name: str) -> None:
    interpolant = problems.get(name).interpolant
    flow = reference_flow(interpolant)
    assert not flow.exact
    flow = ReferenceFlow(replace(flow.flow, tolerance=1e-12), flow.dim)  # the default costs seconds
    s, t = 0.4, 0.6  # across the kink of encoding-decoding
    x = interpolant.sample(s, 2, 2)
    back = flow(flow(x, s, t), t, s)
    assert np.max(np.abs(back - x)) < flow.error_bound
    gap = interpolant.log_density(t, flow(x, s, t)) + flow.log_det(x, s, t) - interpolant.log_density(s, x)
    assert np.max(np.abs(gap)) < flow.error_bound


def test_integrators_that_disagree_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = NumericalFlow(problems.get("gaussian-1d").interpolant)
    x = np.array([[0.5], [1.0]])
    honest = flow_numeric.dop853
    monkeypatch.setattr(flow_numeric, "dop853", lambda *args: honest(*args) + np.array([[0.0], [2e-10]]))
    assert flow.error(x, 0.0, 0.5)[1] >= 4e-10 > 10.0 * flow.error(x, 0.0, 0.5)[0]
    monkeypatch.setattr(flow_numeric, "dop853", lambda *args: honest(*args) + np.array([[0.0], [1e-8]]))
    with pytest.raises(ArithmeticError, match="differ"):
        flow(x, 0.0, 0.5)
    with pytest.raises(ArithmeticError, match="allowed 1e-15"):  # no claim finer than the tolerance
        NumericalFlow(flow.interpolant, error_bound=1e-15)(x, 0.0, 0.5)


def test_both_integrators_solve_a_stiffish_linear_equation() -> None:
    y0 = np.array([[1.0], [2.0]])
    for solve in (dop853, extrapolated_midpoint):
        y = solve(lambda t, y: -20.0 * y + 20.0 * np.cos(t) - np.sin(t), y0, 0.0, 1.0, 1e-13)
        np.testing.assert_allclose(y, np.cos(1.0) + (y0 - 1.0) * np.exp(-20.0), atol=1e-12)


def test_the_extrapolated_midpoint_rule_has_order_sixteen() -> None:
    """Its tolerance control would hide a wrong extrapolation behind many small steps."""
    errors = []
    for h in (2.4, 1.2):
        y = flow_numeric._extrapolate(lambda t, y: np.cos(t) * y, 0.3, np.ones((1, 1)), h)[0][0, 0]
        errors.append(abs(y - np.exp(np.sin(0.3 + h) - np.sin(0.3))))
    assert np.log2(errors[0] / errors[1]) > 15.0  # local order 17, before its asymptotic range


def test_products_are_recognised_and_nothing_else_is() -> None:
    for name in ("product-2d", "product-2d-rotated", "two-modes-64d", "product-3d"):
        assert product_lines(problems.get(name).interpolant) is not None
    for name in ("2d-checkerboard", "2d-ring", "mirror-2d"):
        assert product_lines(problems.get(name).interpolant) is None
    # Right means and variances, wrong weights: correlated modes are no product.
    means = [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    base = GaussianMixture([1.0], [[0.0, 0.0]], [1.0])
    for weights, yes in (([0.25] * 4, True), ([0.3, 0.2, 0.2, 0.3], False), ([0.06, 0.14, 0.24, 0.56], True)):
        target = GaussianMixture(weights, means, [0.1] * 4)
        found = product_lines(Interpolant(Coupling.independent(base, target), Schedule.linear()))
        assert (found is not None) is yes


def test_common_bases_are_found_only_for_commuting_symmetric_blocks() -> None:
    rng = np.random.default_rng(6)
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    blocks = np.array([(turn * rng.uniform(0.1, 2.0, 4)) @ turn.T for _ in range(3)])
    blocks = 0.5 * (blocks + blocks.swapaxes(1, 2))
    basis = common_basis(blocks)
    assert basis is not None
    rotated = basis.T @ blocks @ basis
    assert np.max(np.abs(rotated * (1 - np.eye(4)))) < 64 * 4 * EPS * 2.0
    assert common_basis(blocks + np.triu(np.full((4, 4), 1e-6), 1)) is None
    other = np.diag([1.0, 2.0, 3.0, 4.0])[None]
    assert common_basis(np.concatenate([blocks, other])) is None


def test_points_of_torch_come_back_as_torch() -> None:
    flow = reference_flow(problems.get("product-2d").interpolant)
    x = torch.randn(7, 2, dtype=torch.float32, generator=torch.Generator().manual_seed(0))
    y = flow(x, 0.0, 1.0)
    assert y.dtype == torch.float32
    np.testing.assert_allclose(y.numpy(), flow(x.double().numpy(), 0.0, 1.0), rtol=np.finfo(np.float32).eps)
    with pytest.raises(ValueError, match="x"):
        flow(x[:, :1], 0.0, 1.0)


def test_amplification_bounds_what_a_perturbation_on_the_way_becomes() -> None:
    interpolant = problems.get("encoding-decoding-1d").interpolant
    flow = reference_flow(interpolant)
    x = interpolant.sample(0.0, 20, 1)
    worst = amplification(flow, x, 0.0, 1.0)
    # Errors made on the way can grow more than those made at the start.
    assert np.any(worst > 1.2 * np.maximum(1.0, np.abs(flow.jacobian(x, 0.0, 1.0)[:, 0, 0])))
    seen = []
    for u in np.linspace(0.0, 1.0, 33):
        at_u = flow(x, 0.0, float(u))
        change = flow(at_u + 1e-6, float(u), 1.0) - flow(at_u - 1e-6, float(u), 1.0)
        seen.append(np.abs(change[:, 0]) / 2e-6)
    # Central differences: truncation 1e-12 times a third derivative below 1e6, rounding 1e-13 / 1e-6.
    np.testing.assert_allclose(np.max(seen, axis=0), worst, rtol=1e-6)


def test_a_law_with_a_point_mass_has_no_flow_there() -> None:
    flow = reference_flow(problems.get("1d-point-start").interpolant)
    with pytest.raises(ValueError, match="point mass"):
        flow(np.zeros((1, 1)), 0.0, 1.0)
    with pytest.raises(ValueError, match="finite"):
        flow(np.full((1, 1), np.nan), 0.1, 1.0)


def test_between_far_modes_the_error_bound_knows_the_conditioning() -> None:
    """Between modes 80 σ apart the flow stretches without limit, and the stated error says so."""
    interpolant = problems.get("1d-far-modes").interpolant
    flow = reference_flow(interpolant)
    x = np.array([[1e-3], [1.0], [1e-13]])
    error = flow.error(x, 0.0, 1.0)
    assert error[0] < 1e-10
    assert error[1] < 1e-12
    assert error[2] > 1e-4
    line = product_lines(interpolant)[1][0]  # type: ignore[index]
    assert isinstance(flow.flow.factors[0], MonotoneFlow)
    assert np.all(np.diff(MonotoneFlow(line)(np.linspace(-8, 8, 4001), 0.0, 1.0)) > 0)
