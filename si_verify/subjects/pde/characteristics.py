"""Log-density along characteristics of the flow, classical RK4: d(X, log ρ) = (b, −∇·b) dt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

from si_verify.density.particles import ParticleProblem
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def solve(problem: ParticleProblem, times: Sequence[float]) -> tuple[Tensor, Tensor]:
    """(x, log ρ) at times[-1]; order 4, four evaluations of (b, ∇·b) a step, up or down in t."""
    x, log = problem.initial, problem.log_initial

    def rate(t: float, y: Tensor) -> tuple[Tensor, Tensor]:
        found = problem.fields(t, y)
        return found.velocity, -found.divergence

    for a, b in pairwise(float(t) for t in times):
        h, middle = b - a, 0.5 * (a + b)
        v1, d1 = rate(a, x)
        v2, d2 = rate(middle, x + 0.5 * h * v1)
        v3, d3 = rate(middle, x + 0.5 * h * v2)
        v4, d4 = rate(b, x + h * v3)
        x = x + h / 6 * (v1 + 2 * (v2 + v3) + v4)
        log = log + h / 6 * (d1 + 2 * (d2 + d3) + d4)
    return x, log


SUBJECT = Subject(
    name="pde/characteristics",
    kind="pde",
    load=lambda: solve,
    claims=Claims(order=4.0, extra={"form": "characteristics", "equations": ("transport",)}),
    tags=frozenset({"particles", "explicit"}),
    modules=("si_verify.subjects.pde.characteristics",),
    summary="log-density along the flow, RK4",
)
