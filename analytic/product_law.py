"""Recognise interpolants whose law is a product of independent one-dimensional mixtures, in some orthonormal basis.

The probability flow of such a law moves each coordinate by itself, so its exact one-dimensional flow is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.arrays import to_numpy
from analytic.gaussian import dense

Array = NDArray[np.floating[Any]]
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Line:
    """A one-dimensional mixture moving in time: component k has N(m_k(t), c_k(t)); every array is (K,).

    m = alpha m0 + beta m1, c = alpha² c00 + beta² c11 + 2 alpha beta c01 + gamma².
    """

    schedule: Any
    weights: Array
    mean0: Array
    mean1: Array
    cov00: Array
    cov11: Array
    cov01: Array

    def at(self, t: float) -> tuple[Array, Array]:
        """Means and standard deviations at t, (K,) each; ValueError where the law has a point mass."""
        c = self.schedule.at(float(t))
        mean = c.alpha * self.mean0 + c.beta * self.mean1
        spread = c.alpha**2 * self.cov00 + c.beta**2 * self.cov11 + 2.0 * c.alpha * c.beta * self.cov01
        variance = spread + c.gamma2
        if np.any(variance <= 0.0):
            raise ValueError(f"t: the law has a point mass at t = {t:.17g}; its flow does not exist there")
        return mean, np.sqrt(variance)


def common_basis(blocks: Array) -> Array | None:
    """Columns that diagonalise every matrix of (J, D, D) at once, or None where there are none to rounding.

    The identity is preferred, so that laws given on the axes keep their exact numbers.
    """
    dim = blocks.shape[-1]
    if np.any(np.abs(blocks - blocks.swapaxes(-1, -2)) > 64.0 * _EPS * _size(blocks)):
        return None
    if _off_diagonal(blocks) == 0.0:
        return np.eye(dim)
    # A fixed generic combination: its eigenvectors are common ones unless two eigenvalues come close by accident,
    # which the test below would see (and then a product law goes unrecognised, never a wrong one accepted).
    norms = np.max(np.abs(blocks), axis=(1, 2))
    coefficients = np.random.default_rng(0).standard_normal(len(blocks)) / np.where(norms > 0, norms, 1.0)
    vectors: Array = np.linalg.eigh(np.einsum("j,jab->ab", coefficients, blocks))[1]
    rotated = vectors.T @ blocks @ vectors
    return vectors if _off_diagonal(rotated) <= 64.0 * dim * _EPS else None


def product_lines(interpolant: Any) -> tuple[Array, list[Line]] | None:
    """(basis (D, D), one `Line` per column) where the coupling is a product over coordinates, else None.

    The test is on the components: in the basis every covariance block is diagonal, the parameters of the
    coordinates fill a full grid of combinations, and the weights are the outer product of their marginals.
    """
    coupling = interpolant.coupling
    weights = to_numpy(coupling.weights)
    mean0, mean1 = (to_numpy(m) for m in (coupling.mean0, coupling.mean1))
    stored = [to_numpy(c) for c in (coupling.cov00, coupling.cov11, coupling.cov01)]
    dim = mean0.shape[1]
    for basis in _candidates(stored, mean0, mean1):
        variances = [_diagonals(c, basis, dim) for c in stored]
        table = np.stack([mean0 @ basis, mean1 @ basis, *variances], axis=-1)  # (K, D, 5)
        lines = _split(interpolant.schedule, weights, table)
        if lines is not None:
            return basis, lines
    return None


def _candidates(stored: list[Array], mean0: Array, mean1: Array) -> list[Array]:
    dim = mean0.shape[1]
    out: list[Array] = []
    if stored[0].ndim < 3:
        out.append(np.eye(dim))
        if stored[0].ndim == 1 and dim > 1:
            # Isotropic components look the same in every basis: take the one their means lie along.
            centred = np.concatenate([mean0 - mean0[:1], mean1 - mean1[:1]])
            # The triangle first: a full SVD of K rows would build a K x K factor.
            triangle = np.linalg.qr(centred, mode="r")
            out.append(np.linalg.svd(triangle, full_matrices=True)[2].T)
        return out
    basis = common_basis(np.concatenate(stored))
    return [] if basis is None else [basis]


def _diagonals(block: Array, basis: Array, dim: int) -> Array:
    if block.ndim == 1:
        return np.repeat(block[:, None], dim, axis=1)
    if block.ndim == 2:
        return block if np.array_equal(basis, np.eye(dim)) else np.einsum("ia,ki,ia->ka", basis, block, basis)
    return np.einsum("ia,kij,ja->ka", basis, np.stack([dense(b, dim) for b in block]), basis)


def _split(schedule: Any, weights: Array, table: Array) -> list[Line] | None:
    count, dim, _ = table.shape
    labels = np.empty((count, dim), dtype=np.intp)
    shape, values = [], []
    sizes = np.max(np.abs(table), axis=(0, 1))
    for d in range(dim):
        codes = np.stack([_cluster(table[:, d, j], sizes[j]) for j in range(table.shape[2])], axis=1)
        _, first, inverse = np.unique(codes, axis=0, return_index=True, return_inverse=True)
        labels[:, d] = inverse.reshape(-1)
        shape.append(first.size)
        values.append(table[first, d])
        if np.prod(shape, dtype=np.float64) > count:  # a combination is missing: not a product
            return None
    joint = np.zeros(shape)
    np.add.at(joint, tuple(labels.T), weights)
    marginals = [joint.sum(axis=tuple(a for a in range(dim) if a != d)) for d in range(dim)]
    product = np.ones(())
    for marginal in marginals:
        product = np.multiply.outer(product, marginal)
    # Each weight carries a few ulp and a marginal sums up to K of them.
    if np.any(np.abs(joint - product) > 16.0 * (count + dim) * _EPS * product):
        return None
    return [Line(schedule, w, *v.T) for w, v in zip(marginals, values, strict=True)]


def _cluster(values: Array, scale: float) -> NDArray[np.intp]:
    """Integer labels of values equal up to the rounding of a rotation of vectors of size `scale`."""
    order = np.argsort(values)
    gaps = np.diff(values[order], prepend=values[order[0]]) > 64.0 * _EPS * scale
    labels = np.empty(values.size, dtype=np.intp)
    labels[order] = np.cumsum(gaps)
    return labels


def _size(blocks: Array) -> float:
    return float(np.max(np.abs(blocks), initial=0.0))


def _off_diagonal(blocks: Array) -> float:
    """The largest off-diagonal entry relative to its own matrix."""
    dim = blocks.shape[-1]
    outside = np.abs(blocks * (1.0 - np.eye(dim))).max(axis=(1, 2), initial=0.0)
    size = np.abs(blocks).max(axis=(1, 2), initial=0.0)
    return float(np.max(outside / np.where(size > 0, size, 1.0), initial=0.0))
