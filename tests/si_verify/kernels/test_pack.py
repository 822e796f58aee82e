"""The packed law gives the yardstick's fields by the formulas of its docstring, and loses nothing on the way."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Coupling, GaussianMixture, Interpolant, Schedule, problems
from si_verify.kernels.pack import Packed, pack, pack_path


def fields(p: Packed, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """log-density, score, velocity and divergence, as the docstring has them."""
    delta = x[:, None, :] - p.mean
    if p.kind == "full":
        y = np.einsum("kij,nkj->nki", p.whiten, delta)
        square, slope = (y**2).sum(-1), -np.einsum("kji,nkj->nki", p.whiten, y)
        own = p.offset + np.einsum("kij,nkj->nki", p.slope, y)
    else:
        precision, ratio = (a if a.ndim == 2 else a[:, None] for a in (p.precision, p.slope))
        square, slope, own = (precision * delta**2).sum(-1), -precision * delta, p.offset + ratio * delta
    logits = p.log_weight - 0.5 * square
    top = logits.max(1, keepdims=True)
    weights = np.exp(logits - top)
    shares = (weights / weights.sum(1, keepdims=True))[..., None]
    s, b = (shares * slope).sum(1), (shares * own).sum(1)
    spread = ((own - b[:, None]) * (slope - s[:, None])).sum(-1)
    divergence = (shares[..., 0] * (p.divergence + spread)).sum(1)
    return top[:, 0] + np.log(weights.sum(1)), s, b, divergence


NAMES = ("1d-bimodal", "correlated-mixture-2d", "one-sided-vp", "gaussian-8d", "two-modes-64d", "mirror-2d")


@pytest.mark.parametrize("name", NAMES)
def test_the_packed_law_is_the_yardsticks(name):
    interpolant = problems.get(name).interpolant
    for t in (0.2, 0.7):
        x = np.asarray(interpolant.sample(t, 20, 5))
        quantities = ("log_density", "score", "velocity", "divergence")
        for quantity, ours in zip(quantities, fields(pack(interpolant, t), x), strict=True):
            exact = getattr(interpolant, quantity)(t, x)
            # Rounding: conditions of these problems stay below 1e5.
            np.testing.assert_allclose(ours, exact, rtol=1e-10, atol=1e-10 * np.abs(exact).max())


def test_components_without_weight_are_left_out():
    base = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones(1))
    target = GaussianMixture(np.array([0.5, 0.0, 0.5]), np.array([[-1.0], [0.0], [1.0]]), np.ones(3))
    interpolant = Interpolant(Coupling.independent(base, target), Schedule.one_sided_linear())
    p = pack(interpolant, 0.5)
    assert p.n_components == 2
    assert np.isfinite(p.log_weight).all()


def test_a_point_mass_at_its_own_end_is_refused():
    with pytest.raises(ValueError, match="variance is 0"):
        pack(problems.get("dataset-spiral-2d").interpolant, 1.0)


def test_isotropic_spreads_to_diagonal_and_full_does_not():
    p = pack(problems.get("1d-bimodal").interpolant, 0.5)
    assert p.kind == "isotropic"
    spread = p.as_diagonal()
    assert spread.precision.shape == spread.mean.shape == spread.slope.shape
    with pytest.raises(TypeError, match="full"):
        pack(problems.get("gaussian-8d").interpolant, 0.5).as_diagonal()


def test_a_path_stacks_its_times():
    interpolant = problems.get("correlated-mixture-2d").interpolant
    path = pack_path(interpolant, (0.1, 0.6))
    for i, t in enumerate((0.1, 0.6)):
        one = pack(interpolant, t)
        np.testing.assert_array_equal(path.map(lambda a, i=i: a[i]).slope, one.slope)
    assert (path.n_components, path.dim) == (one.n_components, one.dim)
    with pytest.raises(ValueError, match="at least one"):
        pack_path(interpolant, ())
