"""Mixtures of any shape for the kernels' tests, and the distance to the yardstick in the units of field-pointwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify.fields.conditioning import sensitivity

UNITS = 100.0  # of eps·K, what field-pointwise allows
T = 0.6


def mixture(k: int, dim: int, kind: str = "diagonal", weights: np.ndarray | None = None) -> Interpolant:
    """A standard normal to k random modes."""
    rng = np.random.default_rng([k, dim])
    cov: Any = rng.uniform(0.2, 1.5, k if kind == "isotropic" else (k, dim))
    if kind == "full":
        root = rng.normal(size=(k, dim, dim)) / np.sqrt(dim)
        cov = 0.2 * np.eye(dim) + root @ np.swapaxes(root, 1, 2)
    law = GaussianMixture(rng.dirichlet(np.ones(k)) if weights is None else weights, 2 * rng.normal(size=(k, dim)), cov)
    base = GaussianMixture(np.ones(1), np.zeros((1, dim)), np.ones(1))
    return Interpolant(Coupling.independent(base, law), Schedule.linear())


def cloud(interpolant: Interpolant, n: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.as_tensor(interpolant.sample(T, n, 1)).to(dtype)


def worst(interpolant: Interpolant, x: torch.Tensor, answer: Mapping[str, torch.Tensor]) -> float:
    """Largest error in units of eps·K over all quantities."""
    x64, ratio = x.detach().cpu().double(), 0.0
    scale = sensitivity(interpolant, T, x64, torch.Generator().manual_seed(0))
    for quantity, ours in answer.items():
        gap = (ours.cpu().double() - getattr(interpolant, quantity)(T, x64)).abs()
        gap = gap if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
        unit = torch.finfo(x.dtype).eps * scale[quantity]
        ratio = max(ratio, float(torch.nan_to_num(gap / unit, nan=float("inf")).max()))
    return ratio
