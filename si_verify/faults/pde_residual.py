"""Seeded faults in candidate densities that only an equation in t can see."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor
LogDensity = Callable[[Any, float, Tensor], Tensor]


def _fault(name: str, log_density: LogDensity, story: str, source: str = "MATH.md section 4") -> Fault:
    def build(interpolant: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
        return {"log_density": lambda t, x: log_density(interpolant, t, x)}

    claims = Claims(quantities=("log_density",))
    return Fault(Subject(f"fault/density-{name}", "field", lambda: build, claims), ("pde-residual",), story, source)


FAULTS = (
    _fault(
        "mass-grows", lambda i, t, x: i.log_density(t, x) + 0.01 * t,
        "The normalisation drifts with t by 1 %: score and shape are right at every time.",
    ),
    _fault(
        "late", lambda i, t, x: i.log_density(t * t * (3 - 2 * t), x),
        "The path runs by another clock: every law is on the path, at the wrong time.",
    ),
    _fault(
        "smoothed", lambda i, t, x: i.log_density(t, x / 1.01) - x.shape[1] * math.log(1.01),
        "Widths are 1 % too large, normalised.",
    ),
)  # fmt: skip
