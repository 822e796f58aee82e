"""Where fields are looked at: typical points and far tails, times close to both ends."""

from __future__ import annotations

import math

import numpy as np
import torch

from si_verify.check import Context

# Shares of t_span; the outermost are where 1 − t and friends lose their digits.
SHARES = (1e-9, 1e-4, 0.03, 0.25, 0.5, 0.6, 0.85, 1 - 1e-4, 1 - 1e-9)
RADII = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)  # in standard deviations of a component


_ELEMENTS = 400_000  # (K, D) numbers times points at one time: large mixtures are looked at from fewer points
_LARGE = 50_000  # (K, D) numbers


def times(context: Context) -> list[float]:
    """All shares; every other one in the quick profile, every fourth where the mixture is large."""
    low, high = context.problem.t_span
    mean = context.problem.interpolant.coupling.mean0
    stride = 1 if context.effort else 4 if math.prod(mean.shape) > _LARGE else 2
    shares = SHARES[::stride]
    return [low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share) for share in shares]


def points(context: Context, t: float, stream: int) -> tuple[torch.Tensor, np.ndarray]:
    """Points at every radius around components drawn by weight, and evenly: x (N, D) of the case's dtype and
    device, rounded to it first, and the distances (N,) in standard deviations of the component they were drawn around.
    """
    moments = context.problem.interpolant.moments(t)
    rng = np.random.default_rng([context.seed, stream])
    mean, cov = np.asarray(moments.mean), np.asarray(moments.cov)
    k, dim = mean.shape
    each = max(2, min((8, 16, 32)[context.effort], _ELEMENTS // (k * dim * len(RADII))))
    weights = np.asarray(context.problem.interpolant.coupling.weights)
    rows, distances = [], []
    for radius in RADII:
        by_weight = rng.choice(k, size=each - each // 2, p=weights / weights.sum())
        which = np.concatenate([by_weight, rng.integers(k, size=each // 2)])
        ray = rng.standard_normal((each, dim))
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        if cov.ndim == 3:
            step = np.einsum("nij,nj->ni", np.linalg.cholesky(cov[which]), ray)
        else:
            step = np.sqrt(cov[which] if cov.ndim == 2 else cov[which][:, None]) * ray
        # A typical point lies at √D standard deviations; radii count from there in high dimension.
        rows.append(mean[which] + (radius * max(1.0, math.sqrt(dim) / 4)) * step)
        distances.append(np.full(each, radius * max(1.0, math.sqrt(dim) / 4)))
    x = torch.as_tensor(np.concatenate(rows)).to(context.dtype)
    return x.to(context.device), np.concatenate(distances)
