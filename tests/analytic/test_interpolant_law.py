"""What the fields mean: conditional expectations under the joint law, and where they do not exist."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analytic import Coupling, FieldUndefinedError, GaussianMixture, Interpolant, Schedule
from analytic.covariance import promote
from tests.analytic.builders import EPS, KINDS, case, correlated, mixture, standard


def test_velocity_is_the_conditional_mean_of_the_rate_and_half_c_dot_is_not() -> None:
    """E[(x_dot - b(x_t)) . f(x_t)] = 0 for test functions f, by sampling; the gauge A -> C_dot / 2 fails it.

    Sampling tolerance: 5 standard errors of each of the four means (false alarm below 3e-6 in all), fixed
    seed. The half-C_dot field has the same densities: only a test of this kind tells it.
    """
    rng = np.random.default_rng(5)
    i, t, n = Interpolant(correlated(rng, "full", 2, 2), Schedule.trigonometric("quadratic")), 0.4, 100_000
    draw, c = i.sample_joint(t, n, 17), i.schedule.at(0.4)
    rate = c.alpha_dot * draw.x0 + c.beta_dot * draw.x1 + c.gamma_gamma_dot / c.gamma * draw.z
    x, moments, shares = draw.x_t, i.moments(t), i.responsibilities(t, draw.x_t)
    wrong = np.zeros_like(x)
    for k in range(2):
        slope = -np.linalg.solve(moments.cov[k], (x - moments.mean[k]).T).T
        wrong += shares[:, k : k + 1] * (moments.mean_dot[k] - slope @ moments.cov_dot[k].T / 2)
    turned = np.stack([-x[:, 1], x[:, 0]], axis=1)

    def deviations(field: np.ndarray) -> list[float]:
        products = [np.sum((rate - field) * f, axis=1) for f in (turned, x, np.tanh(turned), np.tanh(x))]
        return [abs(p.mean()) / (p.std() / np.sqrt(n)) for p in products]

    assert max(deviations(i.velocity(t, x))) < 5
    assert max(deviations(wrong)) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_one_gaussian_is_the_linear_regression_of_its_joint_law(kind: str) -> None:
    """K = 1: E[y | x] is affine with slope Cov(y, x) C^-1, from the (x0, x1, z) covariance as one matrix."""
    one = case("correlated", "trigonometric-brownian", kind, n=1, dim=3, t=0.23, seed=9)
    i, c, d = one.interpolant, one.interpolant.schedule.at(one.t), one.interpolant.coupling
    c00, c11, c01 = (promote(a, "full", 3)[0] for a in (d.cov00, d.cov11, d.cov01))
    eye, none = np.eye(3), np.zeros((3, 3))
    joint = np.block([[c00, c01, none], [c01.T, c11, none], [none, none, eye]])
    mean = np.concatenate([d.mean0[0], d.mean1[0], np.zeros(3)])
    gamma_dot = c.gamma_gamma_dot / c.gamma
    x_row = np.hstack([c.alpha * eye, c.beta * eye, c.gamma * eye])
    rows = {
        "velocity": np.hstack([c.alpha_dot * eye, c.beta_dot * eye, gamma_dot * eye]),
        "interpolant_velocity": np.hstack([c.alpha_dot * eye, c.beta_dot * eye, none]),
        "base_denoiser": np.hstack([eye, none, none]),
        "target_denoiser": np.hstack([none, eye, none]),
        "denoiser": np.hstack([none, none, eye]),
    }
    precision = np.linalg.inv(x_row @ joint @ x_row.T)
    for field, row in rows.items():
        slope = row @ joint @ x_row.T @ precision
        wanted = row @ mean + (one.x - x_row @ mean) @ slope.T
        got = getattr(i, field)(one.t, one.x)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=one.band(wanted, one.x), err_msg=field)


def test_samples_have_the_moments_of_the_marginal_law() -> None:
    """Mean and covariance of x_t, each entry within 5 standard errors (fixed seed)."""
    for name, schedule in (("correlated", "linear"), ("mirror", "mirror"), ("dataset", "variance_preserving")):
        for kind in KINDS:
            one = case(name, schedule, kind, n=3, dim=2, t=0.6, seed=2)
            law, n = one.interpolant.marginal(0.6), 20_000
            x = one.interpolant.sample(0.6, n, 3)
            centred = x - law.mean()
            products = centred[:, :, None] * centred[:, None, :]
            assert np.all(np.abs(centred.mean(0)) < 5 * centred.std(0) / np.sqrt(n))
            assert np.all(np.abs(products.mean(0) - law.covariance()) < 5 * products.std(0) / np.sqrt(n))


def test_joint_sample_obeys_the_definition() -> None:
    one = case("correlated", "linear", "full", n=2, dim=2, t=0.3, seed=0)
    times = np.linspace(0, 1, 50)
    draw, c = one.interpolant.sample_joint(times, 50, 1), one.interpolant.schedule.at(times)
    wanted = c.alpha[:, None] * draw.x0 + c.beta[:, None] * draw.x1 + c.gamma[:, None] * draw.z
    np.testing.assert_allclose(draw.x_t, wanted, rtol=0, atol=8 * EPS * np.abs(wanted).max())
    np.testing.assert_array_equal(draw.x_t, one.interpolant.sample(times, 50, 1))
    mirror = case("mirror", "mirror", "full", n=2, dim=2, t=0.3, seed=0).interpolant.sample_joint(0.3, 9, 1)
    np.testing.assert_array_equal(mirror.x0, mirror.x1)


@pytest.mark.parametrize("t", [1e-12, 2.0**-41, 1 - 2.0**-41, 1 - 1e-12])
def test_point_masses_keep_their_digits_next_to_their_end(t: float) -> None:
    """Two samples, x at 1.5 sigma of one of them: s = -z / alpha and b = (x1 - x) / (1 - t), to 100 eps."""
    atoms = np.array([[3.0, -7.0], [5.0, 11.0]])
    i = Interpolant(Coupling.dataset(standard(2), atoms), Schedule.one_sided_linear())
    gap = 1.0 - t
    if t < 0.5:
        x = np.array([[0.9, -1.2]])
        # Both responsibilities are 1/2 up to t |x.(a1 - a0)| / 2 < 20 t; then E[x1] = mean of the atoms.
        wanted = atoms.mean(0) - x
        np.testing.assert_allclose(i.velocity(t, x), wanted, rtol=0, atol=100 * EPS * 11 + 400 * t)
        return
    # x1 - x is exact in float64: neighbours. One minus beta = alpha = gap, also exact.
    x = atoms[:1] + gap * np.array([[0.9, -1.2]])
    exact = (x - atoms[:1]) + gap * atoms[:1]
    np.testing.assert_allclose(i.score(t, x), -exact / gap**2, rtol=100 * EPS)
    np.testing.assert_allclose(i.target_denoiser(t, x), atoms[:1], rtol=100 * EPS)
    # b = (E[x1] - x) / (1 - t): the difference is exact, so no digit is lost although it is of order 1e-12.
    np.testing.assert_allclose(i.velocity(t, x), (atoms[:1] - x) / gap, rtol=100 * EPS)


@pytest.mark.parametrize("gap", [1e-12, 1e-7])
def test_anchor_and_remainder_keep_the_digits_that_one_minus_a_coefficient_loses(gap: float) -> None:
    """Encoding-decoding, point masses at both ends: at x = m the distance x - alpha m = sin^2(pi t) m is of the
    order of gamma = sin^2(pi t) = 1e-23, so s = -m / sin^2(pi t) has no digit left if 1 - alpha is subtracted.
    """
    atom = np.array([[3.0, -7.0]])
    joint = Coupling.correlated([1.0], atom, -atom, [0.0], [0.0], [0.0])
    i, late = Interpolant(joint, Schedule.encoding_decoding()), 1.0 - gap
    for t, near, x in ((gap, gap, atom), (late, 1.0 - late, -atom)):
        np.testing.assert_allclose(i.score(t, x), -x / np.sin(np.pi * near) ** 2, rtol=32 * EPS)


def test_divergence_keeps_its_digits_where_components_coincide() -> None:
    """VP at t -> 0: div b = t (Var[x1] - 1) + O(t^2), though g_k - s ~ t beside |x| ~ 40."""
    means, variances = np.array([[1.0], [-2.0], [4.0]]), np.array([0.5, 2.0, 1.0])
    law = GaussianMixture([0.2, 0.5, 0.3], means, variances)
    i, x = Interpolant((standard(1), law), Schedule.variance_preserving()), np.array([[40.0]])
    for t in (1e-12, 1e-9):
        # b = E[x1] + t x (Var[x1] - 1) + ... as E[x1 | x] = E[x1] + t x Var[x1]: Taylor's remainder is (40 t)^2.
        wanted = t * (law.covariance()[0, 0] - 1)
        np.testing.assert_allclose(i.divergence(t, x), wanted, rtol=100 * EPS + 400 * t)


def test_variance_preserving_velocity_exists_at_the_end_although_alpha_dot_does_not() -> None:
    """At t = 1: A = alpha alpha_dot I + C11, so b = m1 - (C11 - I) g for one Gaussian."""
    law = GaussianMixture([1.0], [[1.0, -2.0]], [0.25])
    i, x = Interpolant((standard(2), law), Schedule.variance_preserving()), np.array([[0.3, 0.4]])
    slope = -(x - law.means) / 0.25
    np.testing.assert_allclose(i.velocity(1.0, x), law.means - (0.25 - 1.0) * slope, rtol=8 * EPS)


def raises(match: str, call: object, *args: object, error: type[Exception] = FieldUndefinedError) -> None:
    with pytest.raises(error, match=match):
        call(*args)


def test_a_field_that_does_not_exist_says_so() -> None:
    x = np.zeros((3, 2))
    data = Interpolant(Coupling.dataset(standard(2), [[1.0, 2.0]]), Schedule.one_sided_linear())
    for field in ("score", "log_density", "velocity", "divergence", "target_denoiser"):
        raises(r"t = 1\.0 is singular.*point mass", getattr(data, field), 1.0, x)
        raises("one of the times t is singular", getattr(data, field), np.array([0.5, 0.9, 1.0]), x)
    raises("one-sided.*base_denoiser", data.denoiser, 0.5, x)
    assert np.all(np.isfinite(data.score(0.0, x)))
    two = Interpolant((standard(2), standard(2)), Schedule.linear())
    for t in (0.0, 1.0, np.array([0.5, 0.5, 1.0])):
        raises(r"gamma\(t\) = 0", two.denoiser, t, x)
    for t in (-1e-9, 1.0 + 1e-9, float("nan"), np.array([0.1, 0.2, 2.0])):
        raises("t: the interpolant exists for 0 <= t <= 1", two.score, t, x)
    flat = GaussianMixture([1.0], np.zeros((1, 2)), [[[1.0, 1.0], [1.0, 1.0]]])
    raises("singular to float64 rounding.*subspace", Interpolant((standard(2), flat), Schedule.linear()).score, 1.0, x)
    raises("singular", flat.score, x)
    steep = Schedule.custom(
        alpha=lambda t: np.sqrt(1 - t),
        alpha_dot=lambda t: -0.5 / np.sqrt(1 - t),
        beta=lambda t: t,
        beta_dot=np.ones_like,
        gamma2=np.zeros_like,
        gamma2_dot=np.zeros_like,
        alpha_alpha_dot=lambda t: -0.5 * np.ones_like(t),
    )
    shifted = Interpolant((GaussianMixture([1.0], [[1.0, 0.0]], [1.0]), standard(2)), steep)
    raises("alpha_dot is not finite", shifted.velocity, 1.0, x)
    assert np.all(np.isfinite(shifted.score(1.0, x)))  # the score needs no alpha_dot


def test_bad_input_is_named() -> None:
    good, x = Interpolant((standard(2), standard(2)), Schedule.linear()), np.zeros((3, 2))
    bad = ValueError
    raises(r"x: expected shape \(N, 2\), got \(3, 1\)", good.score, 0.5, x[:, :1], error=bad)
    raises(r"x: expected shape \(N, 2\), got \(2,\)", good.score, 0.5, x[0], error=bad)
    raises(r"x: expected a real floating dtype, got int64", good.score, 0.5, x.astype(np.int64), error=TypeError)
    raises("x: expected an array .* got list", good.score, 0.5, [[0.0, 0.0]], error=TypeError)
    raises(r"t: expected a float or shape \(3,\)", good.score, np.zeros(2), x, error=bad)
    raises("t: expected an array", good.score, "half", x, error=TypeError)
    raises("direction: expected 'forward' or 'backward', got 'up'", good.drift, 0.5, x, 1.0, "up", error=bad)
    raises("epsilon: expected no negative", good.drift, 0.5, x, -1.0, error=bad)
    raises("epsilon: expected no negative .or NaN", good.drift, 0.5, x, float("nan"), error=bad)
    raises(r"epsilon: expected a number or shape \(3,\)", good.drift, 0.5, x, np.ones(2), error=bad)
    raises("coupling: expected a Coupling", Interpolant, standard(2), Schedule.linear(), error=TypeError)
    raises("schedule: expected a Schedule", Interpolant, good.coupling, "linear", error=TypeError)
    raises("coupling: a mirror schedule needs x0 = x1", Interpolant, good.coupling, Schedule.mirror(), error=bad)
    shifted = (GaussianMixture([1.0], [[1.0, 0.0]], [2.0]), standard(2))
    raises("one-sided.*mean0 != 0, cov00 != I", Interpolant, shifted, Schedule.one_sided_linear(), error=bad)
    joint = Coupling.correlated([1.0], [[0.0]], [[0.0]], [1.0], [1.0], [0.5])
    raises("cov01 != 0", Interpolant, joint, Schedule.variance_preserving(), error=bad)
    raises("n: expected a non-negative integer, got -1", good.sample, 0.5, -1, 0, error=bad)


def test_a_zero_weight_component_counts_for_nothing() -> None:
    rng = np.random.default_rng(0)
    law = mixture(rng, "full", 2, 2)
    none, far, unit = np.zeros(1), np.full((1, 2), 9.0), np.eye(2)[None]
    more = GaussianMixture(  # first, so that a block of one starts with nothing but log 0; and last
        np.concatenate([none, law.weights, none]),
        np.concatenate([far, law.means, far]),
        np.concatenate([unit, law.covariances, unit]),
    )
    x = np.array([[0.1, 0.2], [9.0, 9.0]])
    for block in (250_000, 1):
        with_it, without = (Interpolant((standard(2), m), Schedule.linear(), block_elements=block) for m in (more, law))
        for field in ("log_density", "score", "divergence"):
            got, wanted = (getattr(i, field)(0.7, x) for i in (with_it, without))
            np.testing.assert_allclose(got, wanted, rtol=64 * EPS)


def test_far_from_every_mode_nothing_overflows() -> None:
    """1e5 standard deviations out, where every density is exp(-5e9): finite, and the nearest mode rules."""
    law = GaussianMixture([1e-12, 1 - 1e-12], [[0.0], [1.0]], [1.0, 1.0])
    x = np.array([[1e5], [-1e5]])
    np.testing.assert_allclose(law.score(x)[:, 0], [1.0 - 1e5, 1e5], rtol=8 * EPS)
    assert np.all(np.isfinite(law.log_density(x)))
    assert torch.all(torch.isfinite(law.score(torch.asarray(x, dtype=torch.float32))))
