"""Inputs that field workloads share: a mixture at one time, points over it, and the exact answer at some of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify.fields.conditioning import sensitivity

T = 0.4
_PROBED = 64
_UNITS = 200.0  # eps·K: twice what field-pointwise allows, since a GEMM form forms |x|² − 2x·m + |m|²


@dataclass(frozen=True)
class Shape:
    """K components in D dimensions seen from N points; kind of covariance: iso, diag, full, or shared (one isotropic
    covariance at each end). ``base`` components at t = 0, K / base at t = 1.
    """

    k: int
    dim: int
    n: int
    kind: str = "iso"
    base: int = 1

    def __str__(self) -> str:
        count = f"{self.base}x{self.k // self.base}" if self.base > 1 else f"{self.k}"
        return f"{self.kind}-k{count}-d{self.dim}-n{self.n}"


@lru_cache(maxsize=32)
def interpolant(shape: Shape) -> Interpolant:
    """One-sided linear from a standard normal to K modes; with a base of its own, linear with a Brownian latent."""
    rng = np.random.default_rng([shape.k, shape.dim])
    if shape.base == 1:
        base = GaussianMixture(np.ones(1), np.zeros((1, shape.dim)), np.ones(1))
        schedule = Schedule.one_sided_linear()
    else:
        base, schedule = _law(rng, shape.base, shape), Schedule.linear()
    return Interpolant(Coupling.independent(base, _law(rng, shape.k // shape.base, shape)), schedule)


def _law(rng: np.random.Generator, k: int, shape: Shape) -> GaussianMixture:
    means = 3.0 * rng.standard_normal((k, shape.dim))
    weights = rng.dirichlet(np.full(k, 2.0))
    scale = rng.uniform(0.2, 1.0, k)
    cov: Any = np.full(k, scale[0]) if shape.kind == "shared" else scale
    if shape.kind == "diag":
        cov = scale[:, None] * rng.uniform(0.5, 1.5, (k, shape.dim))
    if shape.kind == "full":
        root = rng.standard_normal((k, shape.dim, shape.dim)) / np.sqrt(shape.dim)
        cov = scale[:, None, None] * (np.eye(shape.dim) + root @ np.swapaxes(root, 1, 2))
    return GaussianMixture(weights, means, cov)


@lru_cache(maxsize=2)
def _drawn(shape: Shape, seed: int) -> torch.Tensor:
    """Points (N, D) in float64; kept, since every form of a task asks for the same, before and after timing."""
    return torch.as_tensor(interpolant(shape).marginal(T).sample(shape.n, np.random.default_rng([7, seed])))


def probed(n: int) -> torch.Tensor:
    """Rows spread over a batch, its first and last among them."""
    return torch.linspace(0, n - 1, _PROBED, dtype=torch.float64).long()


@lru_cache(maxsize=8)
def _expected(shape: Shape, seed: int, dtype: str) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Exact answer and condition number of each quantity at the probed rows, as rounded to the dtype; on the CPU."""
    x = _drawn(shape, seed)[probed(shape.n)].to(getattr(torch, dtype)).double()
    scale = sensitivity(interpolant(shape), T, x, torch.Generator().manual_seed(0))
    return {q: (torch.as_tensor(getattr(interpolant(shape), q)(T, x.numpy())), scale[q]) for q in scale}


Answer = torch.Tensor | dict[str, torch.Tensor]


class Points:
    """x (N, D) on a device, drawn anew by ``renew``; ``error`` compares an answer with the yardstick at a few rows.

    quantity: "log_density", "score" or "velocity"; "fields": all three, and answers are dictionaries of them.
    """

    def __init__(self, shape: Shape, device: str, dtype: str, quantity: str) -> None:
        self.shape, self.quantity, self.dtype, self.seed = shape, quantity, dtype, 0
        self.x = torch.empty(shape.n, shape.dim, device=device, dtype=getattr(torch, dtype))
        self.renew(0)

    def renew(self, seed: int) -> None:
        self.seed = seed
        self.x.copy_(_drawn(self.shape, seed))

    def error(self, answer: Answer) -> float:
        """Largest error over eps·K·units, whatever device the answer is on."""
        answers = answer if isinstance(answer, dict) else {self.quantity: answer}
        expected = _expected(self.shape, self.seed, self.dtype)
        names = tuple(expected) if self.quantity == "fields" else (self.quantity,)
        return max(self._units(answers[name], *expected[name]) for name in names)

    def _units(self, answer: torch.Tensor, exact: torch.Tensor, scale: torch.Tensor) -> float:
        if answer.shape != (self.shape.n, *exact.shape[1:]):
            return float("inf")
        gap = (answer[probed(self.shape.n).to(answer.device)].detach().cpu().double() - exact).abs()
        gap = gap if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
        worst = (gap / (torch.finfo(self.x.dtype).eps * _UNITS * scale)).max()
        return float("inf") if bool(torch.isnan(worst)) else float(worst)
