"""Networks for fields: a residual MLP with time features, and a model linear in its features whose optimum is known."""

from __future__ import annotations

import math

import torch
from torch import nn

Tensor = torch.Tensor


class TimeFeatures(nn.Module):
    """t (N,) -> (N, 2 F + 1): t and sin, cos of π 2^k t, k = 0, ..., F − 1."""

    def __init__(self, count: int = 4) -> None:
        super().__init__()
        self.register_buffer("rates", math.pi * 2.0 ** torch.arange(count, dtype=torch.float32), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """Features of every time."""
        angle = t[:, None] * self.rates.to(t.dtype)  # type: ignore[operator]
        return torch.cat([t[:, None], torch.sin(angle), torch.cos(angle)], 1)


class ResidualMLP(nn.Module):
    """f(t, x) (N, D): a skip (W₀ + t W₁ + t² W₂) x, since fields of Gaussians are affine, plus residual blocks
    h + V silu(W h + time).

    dim: D; width, depth: of the hidden layers. t is a float or (N,), x (N, D).
    """

    def __init__(self, dim: int, width: int = 128, depth: int = 3, frequencies: int = 4) -> None:
        super().__init__()
        self.time = TimeFeatures(frequencies)
        features = 2 * frequencies + 1
        self.enter = nn.Linear(dim + features, width)
        self.inner = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.clock = nn.ModuleList(nn.Linear(features, width) for _ in range(depth))
        self.outer = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.leave = nn.Linear(width, dim)
        self.skip = nn.Linear(3 * dim, dim, bias=False)
        for layer in self.outer:
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.skip.weight)

    def forward(self, t: float | Tensor, x: Tensor) -> Tensor:
        """The field at (t, x)."""
        time = torch.as_tensor(t, dtype=x.dtype, device=x.device).expand(len(x))
        features = self.time(time)
        h = self.enter(torch.cat([x, features], 1))
        for inner, clock, outer in zip(self.inner, self.clock, self.outer, strict=True):
            h = h + outer(nn.functional.silu(inner(nn.functional.silu(h)) + clock(features)))
        at = time[:, None]
        return self.leave(nn.functional.silu(h)) + self.skip(torch.cat([x, at * x, at * at * x], 1))


class LinearFeatures(nn.Module):
    """f(t, x) = Φ(t, x) W: random Fourier features of (t, x), an affine part in x, and products of it with t.

    ∫E[½|f|² − target·f] is quadratic in W, so its minimiser solves ∫E[ΦᵀΦ] W = ∫E[Φᵀ f*], f* the exact field.
    """

    def __init__(self, dim: int, count: int = 200, scale: float = 0.8, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("waves", scale * torch.randn(dim + 1, count, generator=generator, dtype=torch.float64))
        self.register_buffer("phases", 2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64))
        self.weight = nn.Parameter(torch.zeros(count + 3 * (dim + 1), dim, dtype=torch.float64))

    def features(self, t: float | Tensor, x: Tensor) -> Tensor:
        """Φ (N, F)."""
        time = torch.as_tensor(t, dtype=x.dtype, device=x.device).expand(len(x))[:, None]
        waves: Tensor = self.waves.to(x.dtype)  # type: ignore[operator,assignment]
        phases: Tensor = self.phases.to(x.dtype)  # type: ignore[operator,assignment]
        fourier = torch.cos(torch.cat([2.0 * time, x], 1) @ waves + phases)
        affine = torch.cat([torch.ones_like(time), x], 1)
        return torch.cat([fourier, affine, time * affine, time * time * affine], 1)

    def forward(self, t: float | Tensor, x: Tensor) -> Tensor:
        """The field at (t, x)."""
        return self.features(t, x) @ self.weight.to(x.dtype)
