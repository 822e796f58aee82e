"""Feynman–Kac: the Fokker–Planck density at given points as a mean of weights over SDE paths run down in t.

    ρ(t, x) = E[ exp(−∫ ∇·b_F) ρ(0, Y_0) ],   dY = b_F dt + √(2ε) dW from Y_t = x down to 0,   b_F = b + ε s

(MATH.md section 7; b_F, not b_B, in the drift of Y). Weights stay logarithms throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

from si_verify.density.particles import ParticleProblem
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def solve(problem: ParticleProblem, times: Sequence[float], increments: Tensor) -> Tensor:
    """Log weights (N,), one path a row: Euler–Maruyama for Y, left-point sums for the integral; weak order 1."""
    y, log = problem.initial, torch.zeros_like(problem.log_initial)
    for (t, after), dw in zip(pairwise(float(t) for t in times), increments, strict=True):
        h, eps, f = after - t, problem.epsilon(t), problem.fields(t, y)
        log = log - abs(h) * (f.divergence + eps * f.laplacian)
        y = y + h * (f.velocity + eps * f.score) + (2.0 * eps) ** 0.5 * dw
    return log + problem.log_density(float(times[-1]), y)


SUBJECT = Subject(
    name="pde/feynman-kac",
    kind="pde",
    load=lambda: solve,
    claims=Claims(order=1.0, extra={"form": "feynman-kac", "equations": ("fokker-planck",)}),
    tags=frozenset({"particles", "stochastic"}),
    modules=("si_verify.subjects.pde.feynman_kac",),
    summary="density at points as a mean over weighted paths",
)
