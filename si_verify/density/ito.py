"""Log-density along SDE paths: the Itô formula step by step, and its trapezoidal (Stratonovich) form.

    Itô           d log ρ = [−∇·b − b·s + ε Δ log ρ] dt + s·dX          Euler–Maruyama: strong order ½
    Stratonovich  d log ρ = [−∇·b − b·s] dt + s ∘ dX                    trapezoid: strong order 1

Both are held to log ρ at the points they reach, so that what X itself errs does not enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

from si_verify.density.particles import ParticleProblem

Tensor = torch.Tensor


def _step(problem: ParticleProblem, x: Tensor, t: float, h: float, dw: Tensor, b: Tensor, s: Tensor) -> Tensor:
    eps = problem.epsilon(t)
    return x + h * (b + eps * s) + (2.0 * eps) ** 0.5 * dw


def solve_ito(problem: ParticleProblem, times: Sequence[float], increments: Tensor) -> tuple[Tensor, Tensor]:
    """(x, log ρ) at times[-1] by Euler–Maruyama on the pair."""
    x, log = problem.initial, problem.log_initial
    for (t, after), dw in zip(pairwise(float(t) for t in times), increments, strict=True):
        h, f = after - t, problem.fields(t, x)
        y = _step(problem, x, t, h, dw, f.velocity, f.score)
        drift = -f.divergence - (f.velocity * f.score).sum(-1) + problem.epsilon(t) * f.laplacian
        log = log + h * drift + (f.score * (y - x)).sum(-1)
        x = y
    return x, log


def solve_trapezoid(problem: ParticleProblem, times: Sequence[float], increments: Tensor) -> tuple[Tensor, Tensor]:
    """(x, log ρ) at times[-1] by the trapezoidal rule along the same path."""
    x, log = problem.initial, problem.log_initial
    f = problem.fields(float(times[0]), x)
    for (t, after), dw in zip(pairwise(float(t) for t in times), increments, strict=True):
        h = after - t
        y = _step(problem, x, t, h, dw, f.velocity, f.score)
        g = problem.fields(after, y)
        rates = [-q.divergence - (q.velocity * q.score).sum(-1) for q in (f, g)]
        log = log + 0.5 * h * (rates[0] + rates[1]) + 0.5 * ((f.score + g.score) * (y - x)).sum(-1)
        x, f = y, g
    return x, log
