"""What learned fields generate: KL of the flow and of SDEs over ε, and the Wasserstein distance of their samples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from si_verify.learning.batches import BatchSource
from si_verify.learning.fields import velocity_of
from si_verify.likelihood.flow import hutchinson_log_likelihood
from si_verify.likelihood.paths import path_ratio

Tensor = torch.Tensor
Field = Callable[[Any, Tensor], Tensor]
# Learned scores are ratios over γ: they are used no nearer to an end than this, from and to the exact law there.
START, END = 0.005, 0.995
_PROBES = 4


@dataclass(frozen=True, eq=False)
class Generated:
    """By ε, the flow (ε = 0) first: KL and its standard error, W2² above that of two samples of the target.

    ratios (E, N): log ρ − log ρ̂ at common draws of ρ.
    """

    epsilons: list[float]
    ratios: np.ndarray
    transport: list[float]
    seconds: float

    @property
    def kl(self) -> list[float]:
        """Means over the draws."""
        return [float(v) for v in self.ratios.mean(1)]

    @property
    def error(self) -> list[float]:
        """Their standard errors."""
        return [float(v) / math.sqrt(self.ratios.shape[1]) for v in self.ratios.std(1, ddof=1)]

    def interval(self, index: int) -> tuple[float, float]:
        """Three standard errors around a KL."""
        return self.kl[index] - 3.0 * self.error[index], self.kl[index] + 3.0 * self.error[index]

    def gain(self, index: int) -> tuple[float, float]:
        """KL of the flow less that at ``index``, and the standard error of the paired difference."""
        gap = self.ratios[0] - self.ratios[index]
        return float(gap.mean()), float(gap.std(ddof=1)) / math.sqrt(len(gap))


def times(steps: int) -> list[float]:
    """From START to END, steps shorter towards the ends, where γ changes fastest: t = sin²(πu/2)."""
    first, last = (2.0 / math.pi * math.asin(math.sqrt(t)) for t in (START, END))
    return [float(t) for t in np.sin(0.5 * math.pi * np.linspace(first, last, steps + 1)) ** 2]


def evaluate(source: BatchSource, fields: dict[str, Field], settings: Any, device: str, seed: int) -> Generated:
    """KL by the flow's log-likelihood (Hutchinson, four Rademacher probes) and by path ratios; W2 by assignment.

    The path ratio gives the density of the Euler chain itself; its logarithm's mean is at most that density's, so an
    SDE's KL is never flattered.
    """
    started, interpolant = time.perf_counter(), source.interpolant
    b, s, _ = velocity_of(fields, interpolant)
    grid = times(settings.steps)
    generator = torch.Generator(device).manual_seed(seed)
    x = source.points(END, settings.points, generator)
    exact = interpolant.log_density(END, x.double()).cpu().numpy()

    def first(y: Tensor) -> Tensor:
        return interpolant.log_density(START, y.double())

    down = grid[::-1]
    flow = hutchinson_log_likelihood(b, first, x, down[::2] if len(down) % 2 else down, _PROBES, generator)
    ratios = [exact - flow.cpu().numpy()]
    with torch.no_grad():
        for epsilon in settings.epsilons:
            found = path_ratio(b, s, _constant(epsilon), first, x, down, settings.paths, generator)
            ratios.append(exact - found.log_density.cpu().numpy())
        start, target, other = (source.points(t, settings.samples, generator) for t in (START, END, END))
        floor = _squared(other, target)
        moved = [
            _squared(_generate(b, s, e, grid, start, generator), target) - floor for e in (0.0, *settings.epsilons)
        ]
    return Generated([0.0, *settings.epsilons], np.stack(ratios), moved, time.perf_counter() - started)


def _constant(epsilon: float) -> Callable[[float], float]:
    return lambda t: epsilon


def _generate(b: Field, s: Field, epsilon: float, grid: list[float], x: Tensor, generator: torch.Generator) -> Tensor:
    """Samples at END from x at START: Heun's rule for the flow, Euler–Maruyama for an SDE."""
    for t, after in pairwise(grid):
        h = after - t
        if epsilon == 0.0:
            slope = b(t, x)
            x = x + 0.5 * h * (slope + b(after, x + h * slope))
        else:
            noise = torch.randn(x.shape, generator=generator, device=x.device)
            x = x + h * (b(t, x) + epsilon * s(t, x)) + math.sqrt(2.0 * epsilon * h) * noise
    return x


def _squared(first: Tensor, second: Tensor) -> float:
    """W2² of two samples of equal size, by optimal assignment."""
    from scipy.optimize import linear_sum_assignment

    cost = (torch.cdist(first.double(), second.double()) ** 2).cpu().numpy()
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())
