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
    ratios = [flow_ratios(interpolant, b, x, grid, generator)]
    ratios += [sde_ratios(interpolant, b, s, e, x, grid, settings.paths, generator) for e in settings.epsilons]
    with torch.no_grad():
        start, target, other = (source.points(t, settings.samples, generator) for t in (START, END, END))
        floor = _squared(other, target)
        moved = [
            _squared(_generate(b, s, e, grid, start, generator), target) - floor for e in (0.0, *settings.epsilons)
        ]
    return Generated([0.0, *settings.epsilons], np.stack(ratios), moved, time.perf_counter() - started)


def flow_ratios(interpolant: Any, b: Field, x: Tensor, grid: list[float], generator: torch.Generator) -> np.ndarray:
    """log ρ − log ρ̂ of the flow at x, (N,): RK4 over every second point of the grid."""
    down = grid[::-1]
    known = hutchinson_log_likelihood(
        b, _law(interpolant, START), x, down[::2] if len(down) % 2 else down, _PROBES, generator
    )
    return (_law(interpolant, END)(x) - known).cpu().numpy()


@torch.no_grad()
def sde_ratios(interpolant: Any, b: Field, s: Field, epsilon: float, x: Tensor, grid: list[float], paths: int,
               generator: torch.Generator) -> np.ndarray:  # fmt: skip
    """log ρ − log of the path ratio of the SDE at x, (N,)."""
    found = path_ratio(b, s, _constant(epsilon), _law(interpolant, START), x, grid[::-1], paths, generator)
    return (_law(interpolant, END)(x) - found.log_density).cpu().numpy()


def _law(interpolant: Any, t: float) -> Callable[[Tensor], Tensor]:
    return lambda y: interpolant.log_density(t, y.double())


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
