"""Exact answers for samplers: the law at every noise level and the probability flow between any two of them.

The flow of x = a x1 + s z, divided by √(a² + s²), is that of the one-sided variance-preserving interpolant (module
diffusion_clock), which is closed form for one Gaussian, one-dimensional mixtures and their products (analytic.flow).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from analytic.flow import ReferenceFlow, reference_flow
from si_verify.fields.cached import dense_blocks
from si_verify.sampling.clock import Clock, Level
from si_verify.sampling.model import DenoisingModel, Posterior

# Means and covariances that differ by less than this belong to one component that a product coupling repeats.
_SAME = 9


@dataclass(frozen=True, eq=False)
class SamplerReference:
    """What an ideal sampler of ``weights (K,), means (K, D), covariances (K, D, D)`` does."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def dim(self) -> int:
        return int(self.means.shape[1])

    @property
    def gaussian(self) -> bool:
        return len(self.weights) == 1

    @cached_property
    def posterior(self) -> Posterior:
        return Posterior(self.weights, self.means, self.covariances)

    @cached_property
    def flow_map(self) -> ReferenceFlow:
        base = GaussianMixture([1.0], np.zeros((1, self.dim)), np.ones((1, self.dim)))
        diagonal = not np.any(self.covariances * (1.0 - np.eye(self.dim)))
        covs = np.diagonal(self.covariances, axis1=-2, axis2=-1) if diagonal else self.covariances
        if not diagonal:
            base = GaussianMixture([1.0], np.zeros((1, self.dim)), np.eye(self.dim)[None])
        target = GaussianMixture(self.weights, self.means, np.array(covs))
        return reference_flow(Interpolant(Coupling.independent(base, target), Schedule.variance_preserving()))

    @lru_cache(maxsize=256)  # noqa: B019  references live as long as the process (sampler_reference is cached)
    def law(self, level: Level) -> GaussianMixture:
        """The law of x at a level."""
        covs = level.a**2 * self.covariances + level.s**2 * np.eye(self.dim)
        return GaussianMixture(self.weights, level.a * self.means, covs)

    @lru_cache(maxsize=256)  # noqa: B019
    def spread(self, level: Level) -> float:
        """Root mean square distance of one coordinate from the mean, at a level."""
        return float(np.sqrt(np.trace(np.asarray(self.law(level).covariance())) / self.dim))

    def flow(self, x: np.ndarray, start: Level, end: Level) -> np.ndarray:
        """Where the exact probability flow takes x (N, D) from one level to another."""
        return np.asarray(self.flow_map(x / start.scale, start.time, end.time)) * end.scale

    def jump(self, x: np.ndarray, start: Level, end: Level) -> np.ndarray:
        """a E[x1 | x] + s E[z | x] at the coefficients of ``end``: one step of the first-order solver, (N, D)."""
        data, pull = self.posterior(start, torch.as_tensor(x))
        return (end.a * data + end.s * start.s * pull).numpy()

    def sample(self, level: Level, n: int, seed: Any) -> np.ndarray:
        """n independent draws at a level, (n, D)."""
        return np.asarray(self.law(level).sample(n, seed))

    def model(self, clock: Clock, prediction: str, rows: int) -> DenoisingModel:
        """A fresh ideal model that counts its calls."""
        return DenoisingModel(self.posterior, clock, prediction, (rows, self.dim))


@cache
def sampler_reference(problem: Any) -> SamplerReference:
    """The law at t = 1 of a problem of the catalogue as what a sampler is to draw from."""
    law = problem.interpolant.marginal(1.0)
    means = np.asarray(law.means, dtype=float)
    covs = dense_blocks(np.asarray(law.covariances, dtype=float), means.shape[1])
    keys = np.round(np.concatenate([means, covs.reshape(len(means), -1)], axis=1), _SAME)
    _, first, owner = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    weights = np.bincount(owner.reshape(-1), weights=np.asarray(law.weights, dtype=float))
    return SamplerReference(weights / weights.sum(), means[first], covs[first])
