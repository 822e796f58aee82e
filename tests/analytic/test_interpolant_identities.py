"""Identities that every coupling and schedule obeys (MATH: fields), as properties."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from analytic.covariance import promote
from tests.analytic.builders import EPS, Case, cases

few = settings(max_examples=60, deadline=None)


def close(one: Case, got: np.ndarray, wanted: np.ndarray, *terms: np.ndarray) -> None:
    """Equal to the rounding of the terms that the identity adds up."""
    np.testing.assert_allclose(got, wanted, rtol=0, atol=one.band(got, wanted, *terms), err_msg=one.label)


@few
@given(cases())
def test_point_is_the_sum_of_its_expected_parts(one: Case) -> None:
    """x = alpha eta_0 + beta eta_1 + gamma eta_z."""
    i, c = one.interpolant, one.interpolant.schedule.at(one.t)
    parts = [c.alpha * i.base_denoiser(one.t, one.x), c.beta * i.target_denoiser(one.t, one.x)]
    if c.gamma > 0:
        parts.append(c.gamma * i.denoiser(one.t, one.x))
    close(one, sum(parts), one.x, *parts)


@few
@given(cases())
def test_velocity_is_the_sum_of_its_expected_parts(one: Case) -> None:
    """b = alpha_dot eta_0 + beta_dot eta_1 + gamma_dot eta_z, where gamma_dot = gg' / gamma exists."""
    i, c = one.interpolant, one.interpolant.schedule.at(one.t)
    parts = [c.alpha_dot * i.base_denoiser(one.t, one.x), c.beta_dot * i.target_denoiser(one.t, one.x)]
    close(one, sum(parts), i.interpolant_velocity(one.t, one.x), *parts)
    if c.gamma > 0:
        parts.append(c.gamma_gamma_dot / c.gamma * i.denoiser(one.t, one.x))
    close(one, sum(parts), i.velocity(one.t, one.x), *parts)


@few
@given(cases())
def test_tweedie(one: Case) -> None:
    """One-sided: x + alpha^2 s = beta eta_1; in general, with gamma > 0: eta_z = -gamma s."""
    i, c = one.interpolant, one.interpolant.schedule.at(one.t)
    score = i.score(one.t, one.x)
    if i.schedule.one_sided:
        close(one, one.x + c.alpha**2 * score, c.beta * i.target_denoiser(one.t, one.x), c.alpha**2 * score)
        close(one, -c.alpha * score, i.base_denoiser(one.t, one.x))
    elif c.gamma > 0:
        close(one, -c.gamma * score, i.denoiser(one.t, one.x))


@few
@given(cases())
def test_transport_equation(one: Case) -> None:
    """d_t log rho + div b + b.s = 0."""
    i = one.interpolant
    b, s = i.velocity(one.t, one.x), i.score(one.t, one.x)
    along, rate = np.sum(b * s, axis=1), i.dt_log_density(one.t, one.x)
    divergence = i.divergence(one.t, one.x)
    close(one, rate + divergence + along, 0 * along, along, rate, divergence, b, s)


@few
@given(cases())
def test_derivatives_agree_with_each_other(one: Case) -> None:
    """Hessian of log rho symmetric with trace Lap log rho; trace of the velocity's Jacobian is div b."""
    i = one.interpolant
    hessian, jacobian = i.score_jacobian(one.t, one.x), i.velocity_jacobian(one.t, one.x)
    close(one, hessian, np.swapaxes(hessian, 1, 2))
    close(one, np.trace(hessian, axis1=1, axis2=2), i.laplacian_log_density(one.t, one.x), hessian)
    close(one, np.trace(jacobian, axis1=1, axis2=2), i.divergence(one.t, one.x), jacobian)


@few
@given(cases())
def test_moments_belong_together(one: Case) -> None:
    """A + A^T = C_dot, and mean_dot and cov_dot are the time derivatives of mean and cov."""
    i, h = one.interpolant, min(one.t, 1 - one.t) / 8
    kind, now = i.coupling.kind, i.moments(one.t)
    full = [promote(a, "full", i.dim) for a in (now.cov, now.cov_dot, now.cross)]
    np.testing.assert_array_equal(full[2] + np.swapaxes(full[2], 1, 2), full[1])
    assert now.kind == kind
    if np.abs(one.t - 0.5) < 5 * h and "encoding" in i.schedule.name:
        return  # its second derivatives jump at t = 1/2, where a difference quotient has no order
    weights = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
    for value, rate in (("mean", now.mean_dot), ("cov", now.cov_dot)):
        quotient = {}
        for step in (h, h / 2):
            sides = [
                (getattr(i.moments(one.t + j * step), value), getattr(i.moments(one.t - j * step), value))
                for j in range(1, 5)
            ]
            quotient[step] = sum(w * (up - down) for w, (up, down) in zip(weights, sides, strict=True)) / step
        # Truncation from the two steps (observed, order 8), rounding eps |value| / step.
        band = np.abs(quotient[h] - quotient[h / 2]) + 64 * EPS * np.max(np.abs(getattr(now, value)), initial=1.0) / h
        assert np.all(np.abs(quotient[h / 2] - rate) <= band), (one.label, value)


@few
@given(cases())
def test_marginal_law_has_the_same_density_and_score(one: Case) -> None:
    """Interpolant and `marginal(t)` take different roads to x - m; responsibilities sum to one."""
    i, law = one.interpolant, one.interpolant.marginal(one.t)
    close(one, i.log_density(one.t, one.x), law.log_density(one.x))
    close(one, i.score(one.t, one.x), law.score(one.x))
    shares = i.responsibilities(one.t, one.x)
    close(one, shares, law.responsibilities(one.x))
    assert np.all(np.abs(shares.sum(axis=1) - 1) <= 4 * EPS * shares.shape[1])


@few
@given(cases())
def test_drifts_sit_symmetrically_about_the_velocity(one: Case) -> None:
    """b_F = b + eps s, b_B = b - eps s, for a number, an array and a callable."""
    i = one.interpolant
    b, s = i.velocity(one.t, one.x), i.score(one.t, one.x)
    amounts = np.linspace(0.0, 2.0, one.x.shape[0])
    close(one, i.drift(one.t, one.x, amounts), b + amounts[:, None] * s, s)
    close(one, i.drift(one.t, one.x, 0.7, "backward"), b - 0.7 * s, s)
    close(one, i.drift(one.t, one.x, lambda t: 1 + t), b + (1 + one.t) * s, s)
