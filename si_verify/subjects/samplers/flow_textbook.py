"""Textbook samplers for flow matching, x = t x1 + (1 − t) z from t = 0 to 1, by velocity (arXiv:2210.02747)."""

from __future__ import annotations

import math
from typing import Any

import torch

from si_verify.sampling.clock import clock
from si_verify.sampling.interface import Sampler, between
from si_verify.subject import Claims, Subject

FLOW = clock("flow")


def euler(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """dx/dt = b(t, x) by Euler's method."""
    for i in range(steps):
        x = x + model(x, i / steps) / steps
    return x


def heun(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """dx/dt = b(t, x) by Heun's method."""
    for i in range(steps):
        slope = model(x, i / steps)
        x = x + 0.5 * (slope + model(x + slope / steps, (i + 1) / steps)) / steps
    return x


def euler_maruyama(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """dX = (b + ε s) dt + √(2ε) dW with ε = 1 − t (arXiv:2303.08797, equation 2.33); ε s = t b − x."""
    for i in range(steps):
        t = i / steps
        b = model(x, t)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = x + (b + t * b - x) / steps + math.sqrt(2.0 * (1.0 - t) / steps) * noise
    return x


def _subject(sample: Any, per_step: int, claims: Claims, summary: str) -> Subject:
    kind = "stochastic" if claims.weak_order is not None else "deterministic"
    return Subject(
        name=f"textbook/flow-{sample.__name__.replace('_', '-')}",
        kind="sampler",
        load=lambda: Sampler(sample, FLOW, "velocity", between(FLOW, 0.0, 1.0), lambda steps: per_step * steps),
        claims=claims,
        tags=frozenset({"sampler", "own", "textbook", "flow-matching", kind}),
        modules=(__name__,),
        dtypes=("float64", "float32"),
        summary=summary,
    )


SUBJECTS = (
    _subject(euler, 1, Claims(order=1), "Euler on the flow"),
    _subject(heun, 2, Claims(order=2), "Heun on the flow"),
    _subject(euler_maruyama, 1, Claims(weak_order=1), "Euler–Maruyama on the SDE with the law of the flow"),
)
