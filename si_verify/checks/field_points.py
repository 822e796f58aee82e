"""Where fields are looked at: typical points and far tails, times close to both ends.

What is exact there, and how far rounding moves it, is the same for every subject: one look a worker, not one a case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from analytic.errors import FieldUndefinedError
from analytic.problems.problem import Problem
from si_verify.check import Context
from si_verify.fields.conditioning import sensitivity

# Shares of t_span; the outermost are where 1 − t and friends lose their digits.
SHARES = (1e-9, 1e-4, 0.03, 0.25, 0.5, 0.6, 0.85, 1 - 1e-4, 1 - 1e-9)
RADII = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)  # in standard deviations of a component

_QUANTITIES = ("log_density", "score", "velocity")
_ELEMENTS = 400_000  # (K, D) numbers times points at one time: large mixtures are looked at from fewer points
_LARGE = 50_000  # operations at a point: (K, D) numbers, (K, D, D) where covariances are full


@dataclass(frozen=True, eq=False)
class Look:
    """Points x (N, D) of the case's dtype, on the CPU, at one time.

    distance (N,): standard deviations from the component that a point was drawn around; exact: the yardstick's answer
    by quantity, float64, without those undefined at t; scale: their sensitivity to rounding (fields/conditioning.py).
    """

    t: float
    x: Tensor
    distance: np.ndarray
    exact: Mapping[str, Tensor]
    scale: Mapping[str, Tensor]


def looks(context: Context) -> tuple[Look, ...]:
    """Every time of the case, with its points: the same for all subjects of a run."""
    return _looks(context.problem, context.shared_seed, context.dtype, context.effort)


@lru_cache(maxsize=96)
def _looks(problem: Problem, seed: int, dtype: torch.dtype, effort: int) -> tuple[Look, ...]:
    found = []
    for stream, t in enumerate(_times(problem, effort)):
        rng = np.random.default_rng([seed, stream])
        x, distance = _points(problem, t, rng, effort)
        x = x.to(dtype)
        exact = {}
        for quantity in _QUANTITIES:
            try:
                exact[quantity] = getattr(problem.interpolant, quantity)(t, x.to(torch.float64))
            except FieldUndefinedError:
                continue
        signs = torch.Generator().manual_seed(int(rng.integers(2**63 - 1)))
        found.append(Look(t, x, distance, exact, sensitivity(problem.interpolant, t, x, signs) if exact else {}))
    return tuple(found)


def _times(problem: Problem, effort: int) -> list[float]:
    """All shares; every other one in the quick profile, and half as many where the mixture is large (not in full)."""
    low, high = problem.t_span
    coupling = problem.interpolant.coupling
    large = math.prod(np.shape(coupling.mean0)) * (problem.dim if np.ndim(coupling.cov00) == 3 else 1) > _LARGE
    stride = (2, 1, 1)[effort] * (2 if large and effort < 2 else 1)
    shares = SHARES[::stride]
    return [low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share) for share in shares]


def _points(problem: Problem, t: float, rng: np.random.Generator, effort: int) -> tuple[Tensor, np.ndarray]:
    """Points (N, D) at every radius around components drawn by weight, and evenly; and their distances (N,)."""
    moments = problem.interpolant.moments(t)
    mean, cov = np.asarray(moments.mean), np.asarray(moments.cov)
    k, dim = mean.shape
    each = max(2, min((8, 16, 32)[effort], _ELEMENTS // (k * dim * len(RADII))))
    weights = np.asarray(problem.interpolant.coupling.weights)
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
    return torch.as_tensor(np.concatenate(rows)), np.concatenate(distances)
