"""The fields that objectives are minimised by, their mean squares and the minimum values, from the closed forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from analytic.affine import GaussianPath
from analytic.perturbation import mean_square as gaussian_mean_square
from si_verify.density.cases import domain
from si_verify.learning.objectives import QUANTITIES

Tensor = torch.Tensor
_GRID = {1: 1200, 2: 160}
_SAMPLES = 4000


def exact_field(interpolant: Any, quantity: str) -> Any:
    """f(t, x) of the yardstick: velocity, interpolant_velocity, score or denoiser."""
    if quantity not in QUANTITIES:
        raise ValueError(f"quantity: expected one of {', '.join(QUANTITIES)}, got {quantity!r}")
    return getattr(interpolant, quantity)


@dataclass(frozen=True)
class KnownMinimum:
    """The least value of an objective, and the standard error of that number (0 where no sampling entered)."""

    value: float
    error: float


@lru_cache(maxsize=64)
def minimum(problem: Any, quantity: str, nodes: int = 24, seed: int = 0) -> KnownMinimum:
    """−½ ∫ E|f(t, x_t)|² dt over [0, 1] by Gauss–Legendre in t.

    E over the law of x_t: closed form for one Gaussian; the trapezoidal rule on the problem's box in one and two
    dimensions (errors below 1e-10); 4,000 draws a node elsewhere, with their standard error.
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    times, weights = 0.5 * (points + 1.0), 0.5 * weights
    pairs = np.array([_mean_square(problem, quantity, float(t), seed + i) for i, t in enumerate(times)])
    return KnownMinimum(-0.5 * float(weights @ pairs[:, 0]), 0.5 * float(np.sqrt(np.sum((weights * pairs[:, 1]) ** 2))))


def _mean_square(problem: Any, quantity: str, t: float, seed: int) -> tuple[float, float]:
    interpolant = problem.interpolant
    if problem.n_components == 1 and quantity in ("velocity", "score", "denoiser"):
        path, now = GaussianPath.of(interpolant), np.array([t])
        field = path.velocity() if quantity == "velocity" else path.score()
        scale = float(interpolant.schedule.at(t).gamma2) if quantity == "denoiser" else 1.0
        return scale * float(gaussian_mean_square(path, field, now)[0]), 0.0
    field = exact_field(interpolant, quantity)
    if problem.dim <= 2:
        lower, upper = domain(problem)
        axes = [np.linspace(a, b, _GRID[problem.dim] + 1) for a, b in zip(lower, upper, strict=True)]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, problem.dim)
        mass = np.exp(interpolant.log_density(t, x)) * float(np.prod([a[1] - a[0] for a in axes]))
        return float(mass @ np.sum(field(t, x) ** 2, axis=1)), 0.0
    squares = np.sum(np.asarray(field(t, np.asarray(interpolant.sample(t, _SAMPLES, seed)))) ** 2, axis=1)
    return float(squares.mean()), float(squares.std(ddof=1) / np.sqrt(len(squares)))
