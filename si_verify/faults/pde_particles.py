"""Seeded faults in log-densities along particles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch

from si_verify.density.particles import ParticleProblem
from si_verify.faults.fault import Fault
from si_verify.fields.mixture import PointFields
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor
Rate = Callable[[ParticleProblem, float, PointFields], Tensor]


def _fault(name: str, form: str, solve: Any, order: float, check: str, story: str, source: str) -> Fault:
    claims = Claims(order=order, extra={"form": form})
    return Fault(Subject(f"fault/pde-{name}", "pde", lambda: solve, claims), (check,), story, source)


def _flow(rate: Rate, late: float = 0.0) -> Any:
    """Midpoint rule on (X, log ρ), whose second stage is at t + (½ + late) h."""

    def solve(problem: ParticleProblem, times: Sequence[float]) -> tuple[Tensor, Tensor]:
        x, log = problem.initial, problem.log_initial
        for a, b in pairwise(times):
            h = b - a
            first = problem.fields(a, x)
            half = x + 0.5 * h * first.velocity
            at = a + (0.5 + late) * h
            middle = problem.fields(at, half)
            x, log = x + h * middle.velocity, log + h * rate(problem, at, middle)
        return x, log

    return solve


def _path(rate: Rate, noise: float = 2.0) -> Any:
    """Euler–Maruyama on (X, log ρ) with a drift of log ρ of one's own."""

    def solve(problem: ParticleProblem, times: Sequence[float], increments: Tensor) -> tuple[Tensor, Tensor]:
        x, log = problem.initial, problem.log_initial
        for (t, after), dw in zip(pairwise(times), increments, strict=True):
            h, eps, f = after - t, problem.epsilon(t), problem.fields(t, x)
            y = x + h * (f.velocity + eps * f.score) + (noise * eps) ** 0.5 * dw
            log = log + h * rate(problem, t, f) + (f.score * (y - x)).sum(-1)
            x = y
        return x, log

    return solve


def _weights(divergence: Rate, pull: float = 1.0, noise: float = 2.0) -> Any:
    """Feynman–Kac with a divergence, a drift b + pull ε s and a noise of one's own."""

    def solve(problem: ParticleProblem, times: Sequence[float], increments: Tensor) -> Tensor:
        y, log = problem.initial, torch.zeros_like(problem.log_initial)
        for (t, after), dw in zip(pairwise(times), increments, strict=True):
            h, eps, f = after - t, problem.epsilon(t), problem.fields(t, y)
            log = log - abs(h) * divergence(problem, t, f)
            y = y + h * (f.velocity + pull * eps * f.score) + (noise * eps) ** 0.5 * dw
        return log + problem.log_density(float(times[-1]), y)

    return solve


def _along(f: PointFields) -> Tensor:
    return (f.velocity * f.score).sum(-1)


def _forward_divergence(p: ParticleProblem, t: float, f: PointFields) -> Tensor:
    return f.divergence + p.epsilon(t) * f.laplacian


FAULTS = (
    _fault(
        "divergence-sign", "characteristics", _flow(lambda p, t, f: f.divergence), 2.0, "pde-characteristics",
        "+∇·b for −∇·b: the sign of the log-determinant.", "VincentStimper/normalizing-flows#28",
    ),
    _fault(
        "fixed-point-density", "characteristics", _flow(lambda p, t, f: -f.divergence - _along(f)), 2.0,
        "pde-characteristics", "∂_t log ρ at a fixed point is integrated along a moving one.", "MATH.md section 4",
    ),
    _fault(
        "characteristics-late", "characteristics", _flow(lambda p, t, f: -f.divergence, late=0.5), 2.0,
        "pde-characteristics", "The middle stage is evaluated at the end of the step: order 2 becomes 1.",
        "malbergo/stochastic-interpolants (SDE Heun step)",
    ),
    _fault(
        "ito-term-missing", "ito", _path(lambda p, t, f: -f.divergence - _along(f)), 0.5, "pde-ito-formula",
        "Without ε Δ log ρ: the chain rule of calculus in an Itô sum.", "SciML/NeuralPDE.jl#1148",
    ),
    _fault(
        "ito-term-halved", "ito", _path(lambda p, t, f: -f.divergence - _along(f) + 0.5 * p.epsilon(t) * f.laplacian),
        0.5, "pde-ito-formula", "½ ε Δ log ρ: the ½ of Itô's formula with √(2ε) forgotten.", "MATH.md section 4",
    ),
    _fault(
        "forward-divergence", "ito", _path(lambda p, t, f: -f.divergence - _along(f) + 2 * p.epsilon(t) * f.laplacian),
        0.5, "pde-ito-formula", "The divergence of b_F is added where that of b belongs.", "MATH.md section 9",
    ),
    _fault(
        "ito-root-epsilon", "ito",
        _path(lambda p, t, f: -f.divergence - _along(f) + p.epsilon(t) * f.laplacian, noise=1.0), 0.5,
        "pde-ito-formula", "√ε dW for √(2ε) dW: the path's quadratic variation is half of what the formula assumes.",
        "willisma/SiT#14",
    ),
    _fault(
        "feynman-kac-divergence", "feynman-kac", _weights(lambda p, t, f: f.divergence), 1.0, "pde-feynman-kac",
        "∇·b for ∇·b_F in the exponent.", "MATH.md section 9",
    ),
    _fault(
        "feynman-kac-backward-drift", "feynman-kac", _weights(_forward_divergence, pull=-1.0), 1.0, "pde-feynman-kac",
        "Y runs down in t, so b_B was taken for its drift; the representation needs b_F.", "MATH.md section 7",
    ),
    _fault(
        "feynman-kac-root-epsilon", "feynman-kac", _weights(_forward_divergence, noise=1.0), 1.0, "pde-feynman-kac",
        "√ε for √(2ε) in the noise of Y.", "willisma/SiT#14",
    ),
)  # fmt: skip
