"""Draws from mixtures and couplings, on the host with NumPy generators: one stream per seed on every device."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.covariance import kind_of, symmetric_root

Seed = Any  # whatever numpy.random.default_rng takes


def check_count(n: int) -> int:
    """n as a non-negative int; ValueError otherwise."""
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise ValueError(f"n: expected a non-negative integer, got {n!r}")
    return int(n)


def draw_components(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """n component indices; the weights are divided by their sum, which is 1 to rounding."""
    return rng.choice(weights.shape[0], size=check_count(n), p=weights / weights.sum())


def draw_mixture(
    weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """n draws (n, D) of a mixture; singular covariances are fine."""
    which = draw_components(weights, n, rng)
    return means[which] + spread(covariances, which, rng.standard_normal((which.shape[0], means.shape[1])))


def spread(covariances: np.ndarray, which: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """S_k z with S_k S_k^T = C_k for each draw's component k."""
    kind = kind_of(covariances)
    if kind == "isotropic":
        return np.sqrt(covariances[which])[:, None] * normal
    if kind == "diagonal":
        return np.sqrt(covariances[which]) * normal
    out = np.empty_like(normal)
    order = np.argsort(which, kind="stable")
    used, starts = np.unique(which[order], return_index=True)
    for k, rows in zip(used, np.split(order, starts[1:]), strict=True):
        out[rows] = normal[rows] @ symmetric_root(covariances[k]).T
    return out


def draw_coupling(
    weights: np.ndarray,
    means: tuple[np.ndarray, np.ndarray],
    blocks: tuple[np.ndarray, np.ndarray, np.ndarray],
    n: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """n draws (x0, x1), each (n, D), of a joint mixture with covariance blocks (C00, C11, C01)."""
    which = draw_components(weights, n, rng)
    dim = means[0].shape[1]
    normal = rng.standard_normal((which.shape[0], 2 * dim))
    c00, c11, c01 = blocks
    if kind_of(c00) == "full":
        joint = np.concatenate(
            [np.concatenate([c00, c01], axis=2), np.concatenate([np.swapaxes(c01, 1, 2), c11], axis=2)], axis=1
        )
        noise = spread(joint, which, normal)
        return means[0][which] + noise[:, :dim], means[1][which] + noise[:, dim:]
    # Two by two per coordinate: x1 given x0 has slope c01 / c00 and variance c11 - c01^2 / c00.
    safe = np.where(c00 > 0, c00, 1.0)
    slope = np.where(c00 > 0, c01 / safe, 0.0)
    left = np.maximum(c11 - slope * c01, 0.0)
    noise0 = spread(c00, which, normal[:, :dim])
    each = slope[which] if slope.ndim == 2 else slope[which][:, None]
    noise1 = each * noise0 + spread(left, which, normal[:, dim:])
    return means[0][which] + noise0, means[1][which] + noise1
