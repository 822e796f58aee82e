"""The oracle agrees with integrals, with identities that it does not use, and with itself at other precision."""

from __future__ import annotations

import importlib.util

import mpmath
import numpy as np
import pytest

from analytic.oracle import (
    FIELDS,
    GmpyArithmetic,
    JointMixture,
    MpmathArithmetic,
    Oracle,
    Path,
    conditional_means,
    fastest,
)

LINE = JointMixture([0.3, 0.7], [[0.5], [-1.0]], [[1.0], [2.0]], [0.5, 1.0], [0.7, 0.3], [0.2, -0.3], "isotropic")
DIAGONAL = JointMixture(
    [0.75, 0.25],
    [[0.0, 1.0], [2.0, -1.0]],
    [[1.0, 0.5], [0.0, -2.0]],
    [[0.5, 1.0], [1.0, 0.25]],
    [[1.0, 0.5], [0.25, 0.5]],
    [[0.25, -0.5], [0.0, 0.125]],
    "diagonal",
)
FULL = JointMixture(
    [0.75, 0.25],
    [[0.5, -1.0], [-2.0, 0.25]],
    [[1.0, 2.0], [0.0, -1.5]],
    [[[1.0, 0.25], [0.25, 0.75]], [[0.5, -0.125], [-0.125, 1.5]]],
    [[[1.5, -0.5], [-0.5, 1.0]], [[0.75, 0.25], [0.25, 0.5]]],
    [[[0.5, 0.375], [-0.25, 0.125]], [[-0.125, 0.25], [0.5, 0.0]]],
    "full",
)
CASES = {
    "line": (LINE, Path("linear", "brownian", 2.0), [0.7]),
    "diagonal": (DIAGONAL, Path("trigonometric", "quadratic"), [0.3, -0.4]),
    "full": (FULL, Path("linear", "sine_squared", 0.5), [0.5, -1.5]),
    "encoding": (FULL, Path("encoding_decoding"), [0.5, -1.5]),
}


@pytest.mark.skipif(importlib.util.find_spec("gmpy2") is None, reason="gmpy2 is not installed")
@pytest.mark.parametrize("name", CASES)
def test_the_fast_numbers_give_the_digits_of_mpmath(name: str) -> None:
    mixture, path, x = CASES[name]
    slow, fast = (Oracle(mixture, path, kind(140)) for kind in (MpmathArithmetic, GmpyArithmetic))
    for field in FIELDS:
        assert slow.text(field, 0.3, x, 50) == fast.text(field, 0.3, x, 50)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("t", [1e-12, 0.3, 1.0 - 2.0**-40])
def test_more_digits_change_nothing(name: str, t: float) -> None:
    mixture, path, x = CASES[name]
    for field in FIELDS:
        texts = [Oracle(mixture, path, fastest(digits)).text(field, t, x, 33) for digits in (140, 240)]
        for less, more in zip(*texts, strict=True):
            assert abs(mpmath.mpf(less) - mpmath.mpf(more)) <= mpmath.mpf(10) ** -30 * abs(mpmath.mpf(more)), field


@pytest.mark.parametrize("name", ["line", "diagonal"])
def test_the_tilt_is_the_conditional_mean_by_quadrature(name: str) -> None:
    mixture, path, x = CASES[name]
    a = fastest(40)
    with a.session():
        means, density = conditional_means(a, mixture, path, 0.3, x)
        log_density = a.log(density)
    oracle = Oracle(mixture, path, a)
    b, point = oracle.at(0.3, x)
    with b.session():
        # The grid reaches 11 standard deviations, e^{-60}, with trapezoidal error below that.
        assert abs(point.log_density() - log_density) < 1e-20
        for field, values in means.items():
            for i, value in enumerate(values):
                assert abs(point.component(field, point.unit(i)) - value) < 1e-18, field


def test_the_tilt_is_the_conditional_mean_where_c01_is_not_symmetric() -> None:
    """Four-dimensional trapezoidal rule in float64 over (x0, x1): accurate to rounding, κ(joint) < 100."""
    mixture, path, x, t = FULL, Path("linear", "brownian", 2.0), np.array([0.5, -1.5]), 0.4
    gamma2, gamma = 2 * t * (1 - t), np.sqrt(2 * t * (1 - t))
    gamma_dot = (1 - 2 * t) / gamma
    sums, total = np.zeros(2), 0.0
    for k in range(2):
        joint = np.block([[mixture.cov00[k], mixture.cov01[k]], [mixture.cov01[k].T, mixture.cov11[k]]])
        # Integrate around the peak of the integrand, in units of its own Gaussian: x = peak + L u, u on a grid.
        a = np.hstack([(1 - t) * np.eye(2), t * np.eye(2)])
        mean = np.concatenate([mixture.mean0[k], mixture.mean1[k]])
        low = np.linalg.cholesky(np.linalg.inv(np.linalg.inv(joint) + a.T @ a / gamma2))
        peak = mean + low @ low.T @ a.T @ (x - a @ mean) / gamma2
        axis = np.arange(-8.0, 8.01, 0.5)
        u = np.stack(np.meshgrid(*[axis] * 4, indexing="ij"), -1).reshape(-1, 4)
        y = peak + u @ low.T
        rest, z = y - mean, (x - y @ a.T) / gamma
        value = np.exp(-0.5 * ((rest @ np.linalg.inv(joint)) * rest).sum(1) - 0.5 * (z * z).sum(1))
        value *= mixture.weights[k] / np.sqrt(np.linalg.det(joint)) * np.linalg.det(low)
        speed = y[:, 2:] - y[:, :2] + gamma_dot * z
        sums, total = sums + value @ speed, total + value.sum()
    exact = np.array(Oracle(mixture, path).field("velocity", t, x))
    # e^{-32} outside the grid, e^{-2π²·4} of the rule, rounding of 1e6 terms of one sign: 1e-13 in all.
    assert np.max(np.abs(sums / total - exact)) < 1e-12


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("t", [0.0, 1e-12, 0.3, 1.0])
def test_mass_is_transported(name: str, t: float) -> None:
    mixture, path, x = CASES[name]
    a, point = Oracle(mixture, path).at(t, x)
    with a.session():
        units = [point.unit(i) for i in range(mixture.dim)]
        along = sum(point.component("velocity", u) * point.component("score", u) for u in units)
        assert abs(point.dt_log_density() + point.divergence() + along) < 1e-50


def test_a_law_that_stands_still() -> None:
    """N(0, 1) to N(0, 1) with γ² = 2t(1−t): C = 1 for all t, so s = −x and b = 0, at the ends too."""
    still = JointMixture([1.0], [[0.0]], [[0.0]], [1.0], [1.0], [0.0], "isotropic")
    oracle = Oracle(still, Path("linear", "brownian", 2.0))
    for t in (0.0, 1e-12, 0.3, 1.0):
        assert oracle.field("score", t, [1.5]) == pytest.approx([-1.5], rel=1e-15)
        assert oracle.field("laplacian_log_density", t, [1.5]) == pytest.approx([-1.0], rel=1e-15)
        assert abs(oracle.field("velocity", t, [1.5])[0]) < 1e-40
        assert abs(oracle.field("dt_log_density", t, [1.5])[0]) < 1e-40


def test_what_does_not_exist_is_named() -> None:
    points = JointMixture([0.5, 0.5], [[0.0], [0.0]], [[1.0], [-1.0]], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0], "isotropic")
    data = Oracle(points, Path("variance_preserving"))
    assert "no density" in str(data.undefined("score", 1.0, [0.3]))
    assert data.undefined("score", 1.0 - 2.0**-40, [0.3]) is None
    assert data.undefined("denoiser", 0.5, [0.3]) == "gamma(t) = 0"
    # α̇ is infinite at t = 1: with a mean of x0 other than zero, or with C01, the velocity grows without bound.
    for mean0, cov01 in ((0.5, 0.0), (0.0, 0.25)):
        mixture = JointMixture([1.0], [[mean0]], [[1.0]], [1.0], [1.0], [cov01], "isotropic")
        oracle = Oracle(mixture, Path("variance_preserving"))
        assert oracle.undefined("velocity", 1.0, [0.3]) == "no limit from inside"
        assert oracle.undefined("score", 1.0, [0.3]) is None
    mixture = JointMixture([1.0], [[0.0]], [[1.0]], [1.0], [1.0], [0.0], "isotropic")
    centred = Oracle(mixture, Path("variance_preserving"))
    assert all(centred.undefined(f, 1.0, [0.3]) is None for f in FIELDS if f != "denoiser")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: Oracle(LINE, Path("linear")).field("score", 1.5, [0.0]), "t"),
        (lambda: Oracle(LINE, Path("linear")).field("score", 0.5, [0.0, 1.0]), "x"),
        (lambda: Oracle(LINE, Path("linear")).field("speed", 0.5, [0.0]), "name"),
        (lambda: Path("straight"), "name"),
        (lambda: Oracle(LINE, Path("linear", "pink")).field("score", 0.5, [0.0]), "latent"),
        (lambda: JointMixture([1.0], [[0.0]], [[0.0]], [1.0], [1.0], [0.0], "dense"), "kind"),
        (lambda: conditional_means(MpmathArithmetic(20), FULL, Path("linear"), 0.5, [0.0, 0.0]), "mixture"),
        (lambda: conditional_means(MpmathArithmetic(20), LINE, Path("linear"), 0.5, [0.0]), "t"),
    ],
)
def test_bad_input_is_named(call: object, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}:"):
        call()  # type: ignore[operator]
