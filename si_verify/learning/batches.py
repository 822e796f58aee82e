"""Training batches: joint draws of (x0, x1, z) in torch, and times from a law of one's choice with their weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from analytic.arrays import to_numpy
from analytic.gaussian import dense, sqrtm

Tensor = torch.Tensor
TIME_LAWS = ("uniform", "stratified", "arcsine")
# Times closer to an end than this are drawn as this: γ⁻¹ would overflow float32 targets.
_CLOSEST = 1e-5


class Batch(NamedTuple):
    """t, weight (N,); x0, x1, z (N, D). Losses times ``weight`` average to ∫ dt, whatever the law of t."""

    t: Tensor
    weight: Tensor
    x0: Tensor
    x1: Tensor
    z: Tensor


def draw_times(law: str, n: int, generator: torch.Generator, closest: float = _CLOSEST) -> tuple[Tensor, Tensor]:
    """n times in [closest, 1 − closest], float64, and 1/density of each.

    uniform; stratified: one in each of n equal cells; arcsine: density 1/(π√(t(1−t))), more times near the ends, whose
    weight ∝ √(t(1−t)) cancels the 1/γ of the targets of velocity and score.
    """
    if law not in TIME_LAWS:
        raise ValueError(f"law: expected one of {', '.join(TIME_LAWS)}, got {law!r}")
    u = torch.rand(n, generator=generator, dtype=torch.float64, device=generator.device)
    if law == "stratified":
        u = (torch.arange(n, dtype=torch.float64, device=generator.device) + u) / n
    t = torch.sin(0.5 * math.pi * u) ** 2 if law == "arcsine" else u
    t = t.clamp(closest, 1.0 - closest)
    weight = math.pi * torch.sqrt(t * (1.0 - t)) if law == "arcsine" else torch.ones_like(t)
    return t, weight


@dataclass(eq=False)
class BatchSource:
    """Draws of the coupling's joint law and of z, on the generator's device, in ``dtype``."""

    interpolant: Any
    law: str = "stratified"
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        coupling = self.interpolant.coupling
        dim = coupling.dim
        self._weights = torch.as_tensor(to_numpy(coupling.weights))
        means, factors = [], []
        blocks = [to_numpy(b) for b in (coupling.cov00, coupling.cov11, coupling.cov01)]
        for k in range(len(self._weights)):
            c00, c11, c01 = (dense(b[k], dim) for b in blocks)
            factors.append(sqrtm(np.block([[c00, c01], [c01.T, c11]])))
            means.append(np.concatenate([to_numpy(coupling.mean0)[k], to_numpy(coupling.mean1)[k]]))
        self._means = torch.as_tensor(np.stack(means)).to(self.dtype)
        self._factors = torch.as_tensor(np.stack(factors)).to(self.dtype)

    def points(self, t: float, n: int, generator: torch.Generator) -> Tensor:
        """n draws of x_t at one time, (n, D)."""
        c, batch = self.interpolant.schedule.at(float(t)), self.draw(n, generator)
        return c.alpha * batch.x0 + c.beta * batch.x1 + c.gamma * batch.z

    def draw(self, n: int, generator: torch.Generator) -> Batch:
        """One batch of n rows."""
        device, dim = generator.device, self.interpolant.dim
        self._means, self._factors = self._means.to(device), self._factors.to(device)
        t, weight = draw_times(self.law, n, generator)
        chosen = torch.multinomial(self._weights.to(device), n, replacement=True, generator=generator)
        normal = torch.randn(n, 2 * dim, generator=generator, dtype=self.dtype, device=device)
        both = torch.empty_like(normal)
        for k in range(len(self._weights)):
            rows = (chosen == k).nonzero()[:, 0]
            both[rows] = normal[rows] @ self._factors[k] + self._means[k]
        z = torch.randn(n, dim, generator=generator, dtype=self.dtype, device=device)
        return Batch(t.to(self.dtype), weight.to(self.dtype), both[:, :dim], both[:, dim:], z)
