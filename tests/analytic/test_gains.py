"""Splitting a gain changes its rounding and nothing else: share·C + rest is the gain, and the rest is never longer."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Coupling, Interpolant, Schedule
from analytic.oracle import JointMixture, Oracle, Path

EPS = float(np.finfo(np.float64).eps)


def _laws(condition: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Two components in four dimensions, C00 and C11 of the given condition number with axes of their own."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((2, 2, 4, 4)))[0]
    values = np.geomspace(1.0 / condition, 1.0, 4)
    blocks = (axes * values) @ np.swapaxes(axes, -1, -2)
    blocks = 0.5 * (blocks + np.swapaxes(blocks, -1, -2))
    return np.array([0.25, 0.75]), *rng.standard_normal((2, 2, 4)), blocks[0], blocks[1]


def _components(t: float, latent: str, correlation: float):  # type: ignore[no-untyped-def]
    w, m0, m1, c00, c11 = _laws(10.0)
    c01 = correlation * np.linalg.cholesky(c00) @ np.swapaxes(np.linalg.cholesky(c11), -1, -2)
    interpolant = Interpolant(Coupling.correlated(w, m0, m1, c00, c11, c01), Schedule.linear(latent))
    return interpolant._at(np.array([t]), m0).components(slice(0, 1), slice(None))


@pytest.mark.parametrize("correlation", [0.0, 0.7])
@pytest.mark.parametrize("latent", ["brownian", "none"])
@pytest.mark.parametrize("t", [0.0, 1e-6, 0.3, 0.9, 1.0 - 1e-9, 1.0])
@pytest.mark.parametrize("name", ["base", "target", "cross", "endpoint"])
def test_share_times_c_plus_rest_is_the_gain(name: str, t: float, latent: str, correlation: float) -> None:
    c = _components(t, latent, correlation)
    whole = {"base": "base_gain", "target": "target_gain", "cross": "cross", "endpoint": "endpoint_cross"}[name]
    direct, gain = getattr(c, whole), getattr(c, f"{name}_split")
    assert gain.share is not None
    rebuilt = gain.share[..., None, None] * c.covariance + gain.rest
    # A handful of products and sums, each rounded once.
    size = np.abs(gain.share)[..., None, None] * np.abs(c.covariance) + np.abs(gain.rest) + np.abs(direct)
    assert np.all(np.abs(rebuilt - direct) <= 16 * EPS * np.max(size, axis=(-2, -1), keepdims=True))
    length = [np.sqrt(np.sum(m * m, axis=(-2, -1))) for m in (gain.rest, direct)]
    assert np.all(length[0] <= length[1] * (1 + 16 * EPS))


@pytest.mark.parametrize(("field", "t"), [("target_denoiser", 1.0 - 2.0**-36), ("base_denoiser", 2.0**-36)])
def test_a_denoiser_at_its_own_end_does_not_feel_the_condition_of_the_covariance(field: str, t: float) -> None:
    """There E[x1 | x] is x up to 1 − t: of condition about 1, although C is of condition 1e10."""
    w, m0, m1, c00, c11 = _laws(1e10)
    zero = np.zeros_like(c00)
    interpolant = Interpolant(Coupling.correlated(w, m0, m1, c00, c11, zero), Schedule.linear("none"))
    exact = Oracle(JointMixture(w, m0, m1, c00, c11, zero, "full"), Path("linear"))
    x = (m1 if field == "target_denoiser" else m0)[0] + 0.5
    error = np.linalg.norm(getattr(interpolant, field)(t, x[None])[0] - exact.field(field, t, list(x)))
    # Four coordinates, a quotient and a sum each; without the split the error is of the order 1e10·eps.
    assert error <= 16 * EPS * np.linalg.norm(x)
