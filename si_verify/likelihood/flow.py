"""Flow log-likelihood: log ρ̂(s, x) = log ρ(t, X_t) + ∫_s^t ∇·b̂(u, X_u) du along dX = b̂ du from X_s = x.

arXiv:2303.08797, Section 2.5 (equation 2.47); MATH.md section 7. Classical RK4 on the pair; the divergence is exact or
Hutchinson's, whose probe is drawn once per solve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from si_verify.likelihood.divergence import Field, draw_probe, value_and_divergence, value_and_probes

Tensor = torch.Tensor
LogDensity = Callable[[Tensor], Tensor]
Rate = Callable[[float, Tensor], tuple[Tensor, Tensor]]


def integrate_rk4(rate: Rate, x: Tensor, times: Sequence[float]) -> tuple[Tensor, Tensor]:
    """(X at times[-1], ∫ of the second rate (N,)), one step between consecutive times; order 4."""
    total = torch.zeros_like(x[:, 0])
    for a, b in pairwise(float(t) for t in times):
        h, middle = b - a, 0.5 * (a + b)
        v1, d1 = rate(a, x)
        v2, d2 = rate(middle, x + 0.5 * h * v1)
        v3, d3 = rate(middle, x + 0.5 * h * v2)
        v4, d4 = rate(b, x + h * v3)
        x = x + h / 6 * (v1 + 2 * (v2 + v3) + v4)
        total = total + h / 6 * (d1 + 2 * (d2 + d3) + d4)
    return x, total


def flow_log_likelihood(velocity: Field, log_known: LogDensity, x: Tensor, times: Sequence[float]) -> Tensor:
    """log ρ̂ at times[0], (N,), from the density known at times[-1]; exact divergence, D reverse passes a stage."""
    end, total = integrate_rk4(lambda t, y: value_and_divergence(velocity, t, y), x, times)
    return log_known(end) + total


def hutchinson_log_likelihood(
    velocity: Field,
    log_known: LogDensity,
    x: Tensor,
    times: Sequence[float],
    probes: int,
    generator: torch.Generator,
    kind: str = "rademacher",
) -> Tensor:
    """As ``flow_log_likelihood`` with the mean over ``probes`` fixed probes: unbiased, variance as 1/probes."""
    if probes < 1:
        raise ValueError(f"probes: expected at least 1, got {probes}")
    drawn = [draw_probe(x, kind, generator) for _ in range(probes)]
    end, total = integrate_rk4(lambda t, y: value_and_probes(velocity, t, y, drawn), x, times)
    return log_known(end) + total
