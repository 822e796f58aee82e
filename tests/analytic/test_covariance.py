"""Covariance factors: solves backward stable at condition 1e10, every storage alike, singular ones refused."""

from __future__ import annotations

import numpy as np
import pytest

from analytic.covariance import KINDS, apply, cholesky, factorise, promote, symmetric_root, transpose, widest
from analytic.errors import FieldUndefinedError
from analytic.triangular import PANEL, forward_substitution
from tests.analytic.builders import EPS, covariances


@pytest.mark.parametrize("kind", KINDS)
def test_each_storage_does_what_dense_matrices_do(kind: str) -> None:
    rng = np.random.default_rng(0)
    c, m, delta = covariances(rng, kind, 2, 4)[None], covariances(rng, kind, 2, 4)[None], rng.normal(size=(1, 2, 5, 4))
    dense, other = (promote(a[0], "full", 4) for a in (c, m))
    factor = factorise(c, kind, 4, "C")
    square, solved = factor.solve(delta)
    band = {"rtol": 0, "atol": 64 * 4 * 10 * EPS * 10}  # D, condition 10, values below 10
    for k in range(2):
        inverse = np.linalg.inv(dense[k])
        np.testing.assert_allclose(solved[0, k], delta[0, k] @ inverse, **band)
        np.testing.assert_allclose(square[0, k], np.sum(delta[0, k] @ inverse * delta[0, k], axis=-1), **band)
        np.testing.assert_allclose(factor.logdet[0, k], np.linalg.slogdet(dense[k])[1], **band)
        np.testing.assert_allclose(promote(factor.ratio(m)[0], "full", 4)[k], other[k] @ inverse, **band)
        np.testing.assert_allclose(factor.trace(factor.ratio(m))[0, k], np.trace(other[k] @ inverse), **band)
        np.testing.assert_allclose(apply(m, delta, kind)[0, k], delta[0, k] @ other[k].T, **band)


@pytest.mark.parametrize("dim", [1, PANEL - 1, PANEL, PANEL + 1, 3 * PANEL, 64])
def test_forward_substitution_solves_its_system(dim: int) -> None:
    """Componentwise backward error: |L y - row| <= 4 D eps |L| |y|, whatever the condition of L."""
    rng = np.random.default_rng(dim)
    lower = np.tril(rng.normal(size=(1, 2, dim, dim))) + 0.1 * np.eye(dim)
    rows = rng.normal(size=(1, 2, 3, dim))
    solved = forward_substitution(lower, rows)
    left = np.einsum("bkij,bkpj->bkpi", lower, solved)
    sizes = np.einsum("bkij,bkpj->bkpi", np.abs(lower), np.abs(solved))
    assert np.all(np.abs(left - rows) <= 4 * dim * EPS * sizes)


@pytest.mark.parametrize("dim", [2, 16, 64])
@pytest.mark.parametrize("log_condition", [0, 5, 10])
def test_solve_is_within_a_hundred_eps_cond(dim: int, log_condition: int) -> None:
    """C = H diag(2^j) H with H = I - 2 v v^T, v of equal powers of two: C and C^-1 are known in closed form.

    dim a power of four makes every entry of v, so of H, a dyadic number.
    """
    if dim == 2:
        axes = np.eye(2)[::-1]
    else:
        vector = np.full(dim, 1 / np.sqrt(dim))
        axes = np.eye(dim) - 2 * np.outer(vector, vector)
    powers = np.round(np.linspace(0, log_condition * np.log2(10), dim))
    c, inverse = (axes @ np.diag(2.0**p) @ axes for p in (powers, -powers))
    delta = np.random.default_rng(0).integers(-9, 10, size=(1, 1, 4, dim)).astype(float)
    square, solved = factorise(c[None, None], "full", dim, "C").solve(delta)
    wanted = np.asarray(delta[0, 0].astype(np.longdouble) @ inverse.astype(np.longdouble))
    cond = 2.0 ** (powers[-1] - powers[0])
    error = np.linalg.norm((solved[0, 0] - wanted).astype(float), axis=-1) / np.linalg.norm(
        wanted.astype(float), axis=-1
    )
    assert np.max(error) <= 100 * EPS * cond
    assert np.all(np.abs(square[0, 0] / np.sum(wanted * delta[0, 0], axis=-1) - 1) <= 100 * EPS * cond)


def test_singular_covariances_are_refused_and_badly_scaled_ones_are_not() -> None:
    scales = np.array([1e-150, 1.0, 1e150])
    cholesky(np.diag(scales**2)[None, None], "C")
    tilted = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]])
    cholesky((tilted * np.outer(scales, scales))[None, None], "C")
    for bad in (np.ones((2, 2)), np.zeros((2, 2)), np.diag([1.0, 0.0]), np.diag([1.0, -1.0]), np.full((2, 2), np.nan)):
        with pytest.raises(FieldUndefinedError, match="C is singular to float64 rounding"):
            factorise(np.stack([np.eye(2), bad])[None], "full", 2, "C")
    for kind, shape in (("isotropic", (1, 2)), ("diagonal", (1, 2, 3))):
        variances = np.ones(shape)
        variances.flat[-1] = 0.0
        with pytest.raises(FieldUndefinedError, match=r"C is singular \(a variance is zero\): .*point mass"):
            factorise(variances, kind, 3, "C")


def test_promotion_and_transposition() -> None:
    assert widest("isotropic", "diagonal") == "diagonal"
    np.testing.assert_array_equal(promote(np.array([2.0]), "full", 2), [[[2.0, 0.0], [0.0, 2.0]]])
    np.testing.assert_array_equal(promote(np.array([[2.0, 3.0]]), "full", 2), [[[2.0, 0.0], [0.0, 3.0]]])
    np.testing.assert_array_equal(transpose(np.array([[[1.0, 2.0], [3.0, 4.0]]]), "full"), [[[1.0, 3.0], [2.0, 4.0]]])
    with pytest.raises(ValueError, match="cannot store a full covariance as diagonal"):
        promote(np.eye(2)[None], "diagonal", 2)
    root = symmetric_root(np.ones((1, 2, 2)))[0]
    np.testing.assert_allclose(root @ root.T, np.ones((2, 2)), rtol=0, atol=16 * EPS)
