"""Mixtures of any shape for the kernels' tests, and the distance to the yardstick in the units of field-pointwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify.fields.conditioning import sensitivity
from si_verify.fields.precision import widened
from si_verify.kernels.pack import Packed

UNITS = 100.0  # of eps·K, what field-pointwise allows
T = 0.6


def mixture(
    k: int, dim: int, kind: str = "diagonal", weights: np.ndarray | None = None, spread: float = 2.0
) -> Interpolant:
    """A standard normal to k random modes, ``spread`` the standard deviation of their means."""
    rng = np.random.default_rng([k, dim])
    cov: Any = rng.uniform(0.2, 1.5, k if kind == "isotropic" else (k, dim))
    if kind == "full":
        root = rng.normal(size=(k, dim, dim)) / np.sqrt(dim)
        cov = 0.2 * np.eye(dim) + root @ np.swapaxes(root, 1, 2)
    share = rng.dirichlet(np.ones(k)) if weights is None else weights
    law = GaussianMixture(share, spread * rng.normal(size=(k, dim)), cov)
    base = GaussianMixture(np.ones(1), np.zeros((1, dim)), np.ones(1))
    return Interpolant(Coupling.independent(base, law), Schedule.linear())


def cloud(interpolant: Interpolant, n: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.as_tensor(interpolant.sample(T, n, 1)).to(dtype)


def worst(
    interpolant: Interpolant,
    x: torch.Tensor,
    answer: Mapping[str, torch.Tensor],
    extra: Mapping[str, Any] | None = None,
) -> float:
    """Largest error in units of eps·K over all quantities; extra: claims of coarser formats, eps·K + R / 100 then."""
    x64 = x.detach().cpu().double()
    exact = {quantity: getattr(interpolant, quantity)(T, x64) for quantity in answer}
    return _worst(interpolant, x, answer, exact, extra or {})


def worst_of_law(interpolant: Interpolant, law: Packed, x: torch.Tensor, answer: Mapping[str, torch.Tensor]) -> float:
    """Largest error against the packed law as it is, rounded or not, at x as it is, in units of float32's eps·K."""
    return _worst(interpolant, x.float(), answer, packed_fields(law, x.detach().cpu().double()), {})


def _worst(interpolant, x, answer, exact, extra) -> float:
    eps, ratio = torch.finfo(x.dtype).eps, 0.0
    x64 = x.detach().cpu().double()
    scale = sensitivity(interpolant, T, x64, torch.Generator().manual_seed(0))
    scale = widened(extra, scale, interpolant, T, x64, UNITS * eps)
    for quantity, ours in answer.items():
        gap = (ours.cpu().double() - exact[quantity]).abs()
        gap = gap if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
        ratio = max(ratio, float(torch.nan_to_num(gap / (eps * scale[quantity]), nan=float("inf")).max()))
    return ratio


def packed_fields(law: Packed, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The formulas of pack.py in float64."""
    log_weight, mean, precision, whiten, slope, offset = (
        torch.as_tensor(a, dtype=torch.float64)
        for a in (law.log_weight, law.mean, law.precision, law.whiten, law.slope, law.offset)
    )
    delta = x[:, None] - mean
    if law.kind == "full":
        y = torch.einsum("kij,nkj->nki", whiten, delta)
        square, pull = (y * y).sum(-1), -torch.einsum("kji,nkj->nki", whiten, y)
        flow = offset + torch.einsum("kij,nkj->nki", slope, y)
    else:
        p, a = (v if v.ndim == 2 else v[:, None] for v in (precision, slope))
        square, pull, flow = (p * delta * delta).sum(-1), -p * delta, offset + a * delta
    logs = log_weight - 0.5 * square
    r = torch.softmax(logs, 1)[..., None]
    return {"log_density": torch.logsumexp(logs, 1), "score": (r * pull).sum(1), "velocity": (r * flow).sum(1)}
