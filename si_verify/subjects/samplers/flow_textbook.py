"""Textbook samplers for flow matching, x = t x1 + (1 − t) z from t = 0 to 1, by velocity (arXiv:2210.02747)."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch

from si_verify.sampling.clock import clock
from si_verify.sampling.interface import Sampler, between
from si_verify.subject import VARIANT, Claims, Subject

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


def taylor(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """RF-Solver of order 2 (Wang et al., arXiv:2411.04746, equation 10): x + h b + ½ h² b', with b' along the path from
    a probe half a step ahead, (b(t + h/2, x + h b/2) − b)/(h/2).
    """
    h = 1.0 / steps
    for i in range(steps):
        b = model(x, i * h)
        change = (model(x + 0.5 * h * b, (i + 0.5) * h) - b) / (0.5 * h)
        x = x + h * b + 0.5 * h * h * change
    return x


def alpha_blending(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """IADB (Heitz et al., arXiv:2305.03486, algorithm 4): x += (α' − α) E[x1 − x0 | x_α], here on α = sin²(π i/2n)."""
    alphas = [math.sin(0.5 * math.pi * i / steps) ** 2 for i in range(steps)] + [1.0]
    for now, then in itertools.pairwise(alphas):
        x = x + (then - now) * model(x, now)
    return x


def euler_maruyama(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """dX = (b + ε s) dt + √(2ε) dW with ε = 1 − t (arXiv:2303.08797, equation 2.33); ε s = t b − x."""
    for i in range(steps):
        t = i / steps
        b = model(x, t)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = x + (b + t * b - x) / steps + math.sqrt(2.0 * (1.0 - t) / steps) * noise
    return x


def _subject(sample: Any, per_step: int, claims: Claims, summary: str, *more: str) -> Subject:
    kind = "stochastic" if claims.weak_order is not None else "deterministic"
    return Subject(
        name=f"textbook/flow-{sample.__name__.replace('_', '-')}",
        kind="sampler",
        load=lambda: Sampler(sample, FLOW, "velocity", between(FLOW, 0.0, 1.0), lambda steps: per_step * steps),
        claims=claims,
        tags=frozenset({"sampler", "own", "textbook", "flow-matching", kind, *more}),
        modules=(__name__,),
        dtypes=("float64", "float32"),
        summary=summary,
    )


SUBJECTS = (
    _subject(euler, 1, Claims(order=1), "Euler on the flow"),
    _subject(heun, 2, Claims(order=2), "Heun on the flow"),
    _subject(taylor, 2, Claims(order=2), "RF-Solver: Taylor's expansion of order 2", VARIANT),
    _subject(alpha_blending, 1, Claims(order=1), "iterative α-deblending", VARIANT),
    _subject(euler_maruyama, 1, Claims(weak_order=1), "Euler–Maruyama on the SDE with the law of the flow"),
)
