"""Checks of weights, means and covariances, with errors that name the argument."""

from __future__ import annotations

import numpy as np

from analytic.arrays import Array, to_numpy
from analytic.covariance import kind_of, promote

EPS = float(np.finfo(np.float64).eps)


def check_weights(weights: Array, name: str = "weights") -> None:
    """Weights (K,), none negative, that sum to 1.

    A sum of K numbers each rounded once, added in any order, is off by at most about K eps; weights made
    in float32 must be normalised in float64 by the caller, who knows what they meant.
    """
    host = to_numpy(weights)
    if host.shape[0] == 0:
        raise ValueError(f"{name}: expected at least one component, got none")
    if np.any(host < 0):
        raise ValueError(f"{name}: expected no negative weight, got {host.min():.6g}")
    excess = abs(float(np.sum(host)) - 1.0)
    if excess > 4 * EPS * (host.shape[0] + 4):
        raise ValueError(f"{name}: expected a sum of 1 (float64 rounding apart), got 1 {np.sum(host) - 1:+.3g}")


def check_covariance(covariance: Array, n: int, dim: int, name: str) -> None:
    """A (n,), (n, dim) or (n, dim, dim) covariance, symmetric and positive semi-definite to rounding."""
    shape = tuple(covariance.shape)
    allowed = [(n,), (n, dim), (n, dim, dim)]
    if shape not in allowed:
        raise ValueError(f"{name}: expected shape {' or '.join(map(str, allowed))}, got {shape}")
    host = to_numpy(covariance)
    if host.ndim < 3:
        if np.any(host < 0):
            raise ValueError(f"{name}: expected no negative variance, got {host.min():.6g}")
        return
    size = np.max(np.abs(host), axis=(1, 2), keepdims=True, initial=0.0)
    # Symmetric up to the rounding of a product such as R diag(s) R^T, whose error is dim eps of its largest entry.
    skew = np.abs(host - np.swapaxes(host, 1, 2))
    if np.any(skew > 4 * dim * EPS * size):
        k = int(np.argmax(np.max(skew - 4 * dim * EPS * size, axis=(1, 2))))
        raise ValueError(f"{name}: expected symmetric matrices, component {k} differs from its transpose")
    check_semidefinite(host, name, "positive semi-definite matrices")


def check_semidefinite(matrices: np.ndarray, name: str, what: str) -> None:
    """Eigenvalues of (K, D, D) not below zero by more than the error of their computation, c D eps |M|."""
    values = np.linalg.eigvalsh(matrices)
    low, high = values[:, 0], np.max(np.abs(values), axis=1)
    bad = low < -8 * matrices.shape[-1] * EPS * high
    if np.any(bad):
        k = int(np.argmax(bad))
        raise ValueError(f"{name}: expected {what}, component {k} has eigenvalue {low[k]:.6g} beside {high[k]:.6g}")


def check_joint(cov00: Array, cov11: Array, cov01: Array, dim: int) -> None:
    """The joint covariance [[C00, C01], [C10, C11]] of every component is positive semi-definite."""
    host = [to_numpy(c) for c in (cov00, cov11, cov01)]
    if kind_of(cov00) == "full":
        c00, c11, c01 = (to_numpy(promote(c, "full", dim)) for c in host)
        joint = np.concatenate(
            [np.concatenate([c00, c01], axis=2), np.concatenate([np.swapaxes(c01, 1, 2), c11], axis=2)], axis=1
        )
        check_semidefinite(joint, "cov01", "a joint covariance of (x0, x1) that is positive semi-definite")
        return
    c00, c11, c01 = host
    # Two products and a square, each rounded once.
    if np.any(c01**2 > c00 * c11 * (1 + 8 * EPS)):
        k = int(np.argmax(np.reshape(c01**2 - c00 * c11, (c00.shape[0], -1)).max(axis=1)))
        raise ValueError(
            "cov01: expected a joint covariance of (x0, x1) that is positive semi-definite, "
            f"component {k} has cov01^2 > cov00 cov11"
        )
