"""Fields with errors: a model linear in its features at its optimum, and exact fields with a known wave on top."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import lru_cache
from typing import Any

import torch

from si_verify.learning.fields import as_field
from si_verify.learning.networks import LinearFeatures
from si_verify.learning.optimum import fit_exactly
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def linear_features(interpolant: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
    """b̂ and ŝ linear in 300 features, fitted to the interpolant by the normal equations."""
    return {q: as_field(deepcopy(m).to(device)) for q, m in _fitted(interpolant).items()}


@lru_cache(maxsize=8)
def _fitted(interpolant: Any) -> dict[str, LinearFeatures]:
    # Waves so short that the fit rests on few of them: long ones alone nearly depend on one another, their weights
    # cancel on the data and send what leaves it to infinity.
    found = {q: fit_exactly(LinearFeatures(interpolant.dim, 300, 1.6), interpolant, q) for q in ("velocity", "score")}
    return {q: m.requires_grad_(False) for q, m in found.items()}


def waves(interpolant: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
    """v and η of the yardstick, each with a small wave: the second pair that a drift can be made of."""

    def wavy(name: str) -> Callable[..., Tensor]:
        exact = getattr(interpolant, name)
        return lambda t, x: exact(t, x) + 0.05 * torch.sin(2.0 * x)

    return {name: wavy(name) for name in ("interpolant_velocity", "denoiser")}


SUBJECTS = (
    Subject(
        name="drift/linear-features",
        kind="drift",
        load=lambda: linear_features,
        claims=Claims(quantities=("velocity", "score"), extra={"relative_error": 0.5}),
        tags=frozenset({"learned"}),
        modules=("si_verify.learning.networks", "si_verify.learning.optimum"),
        summary="b and s linear in random features, at the known optimum",
    ),
    Subject(
        name="drift/waves",
        kind="drift",
        load=lambda: waves,
        claims=Claims(quantities=("interpolant_velocity", "denoiser"), extra={"relative_error": 0.2}),
        modules=("si_verify.subjects.drift.models",),
        summary="exact v and η with a wave of a twentieth",
    ),
)
