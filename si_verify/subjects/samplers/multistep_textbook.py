"""Textbook multistep and stage methods in σ (x = x1 + σ z), exact in the dtype of the state.

Each is written from its paper, for the smooth grid of sigma_textbook, with the order that the paper claims.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch

from si_verify.sampling.interface import Sampler, between
from si_verify.subject import VARIANT, Claims, Subject
from si_verify.subjects.samplers.sigma_textbook import BOTTOM, SIGMA, TOP, karras

Tensor = torch.Tensor
Gen = torch.Generator


def _slope(model: Any, x: Tensor, sigma: float) -> Tensor:
    return (x - model(x, sigma)) / sigma


def _weights(nodes: list[float], start: float, end: float) -> list[float]:
    """∫ from start to end of the Lagrange basis on up to three nodes, exactly."""
    weights = []
    for i, own in enumerate(nodes):
        others = [v for k, v in enumerate(nodes) if k != i]
        scale = math.prod(own - v for v in others)
        # In u = σ − start the integrand is Π (u + start − v): polynomial coefficients, lowest first.
        terms = [1.0]
        for v in others:
            shifted = [0.0, *terms]
            terms = [shifted[k] + (start - v) * (terms[k] if k < len(terms) else 0.0) for k in range(len(shifted))]
        h = end - start
        weights.append(sum(c * h ** (k + 1) / (k + 1) for k, c in enumerate(terms)) / scale)
    return weights


def exponential_integrator_3(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    """DEIS of order 3 (Zhang and Chen, arXiv:2204.13902, equation 15): at a = 1 the exponential is gone and
    x' = x + Σ_j (∫ ℓ_j dσ) ε_j with Lagrange's basis on the last three levels; two Heun steps to begin with.
    """
    levels = karras(steps)
    nodes: list[float] = []
    past: list[Tensor] = []
    for i, (now, then) in enumerate(itertools.pairwise(levels)):
        nodes, past = [now, *nodes[:2]], [_slope(model, x, now), *past[:2]]
        if i < 2:
            x = x + 0.5 * (then - now) * (past[0] + _slope(model, x + (then - now) * past[0], then))
        else:
            x = x + sum(w * e for w, e in zip(_weights(nodes, now, then), past, strict=True))
    return x


def _u(steps: int) -> tuple[list[float], list[float]]:
    """Levels, and dσ/du along the grid σ(u) = (A + u (B − A))^7, u = i/steps."""
    a, b = TOP ** (1 / 7), BOTTOM ** (1 / 7)
    return karras(steps), [7.0 * (b - a) * (a + i / steps * (b - a)) ** 6 for i in range(steps)]


def _heavy_ball(model: Any, x: Tensor, steps: int, beta: float, new: float) -> Tensor:
    levels, speed = _u(steps)
    velocity: Tensor | None = None
    for now, rate in zip(levels, speed, strict=False):
        slope = rate * _slope(model, x, now)
        before = slope if velocity is None else velocity
        velocity = (1.0 - beta) * before + beta * slope
        x = x + (new * velocity + (1.0 - new) * before) / steps
    return x


def heavy_ball_1(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    """GHVB of order 1, β = 0.8 (Wizadwongsa and Suwajanakorn, arXiv:2307.11118): v' = (1 − β) v + β f, x' = x + h v'"""
    return _heavy_ball(model, x, steps, 0.8, 1.0)


def heavy_ball_2(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    """GHVB of order 2 with β = 0.8: x' = x + h ((2 + β)/(2β) v' − (2 − β)/(2β) v); β = 1 is Adams–Bashforth 2."""
    return _heavy_ball(model, x, steps, 0.8, (2.0 + 0.8) / (2.0 * 0.8))


def extended_reverse_time(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    """ER-SDE-Solver-1 (Cui et al., arXiv:2309.06169): with φ(σ) = σ (exp(σ^0.3) + 10) and r = φ(σ')/φ(σ),
    x' = r x + (1 − r) D + √(σ'² − r² σ²) z.
    """

    def phi(sigma: float) -> float:
        return sigma * (math.exp(sigma**0.3) + 10.0)

    for now, then in itertools.pairwise(karras(steps)):
        r = phi(then) / phi(now)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = r * x + (1.0 - r) * model(x, now) + math.sqrt(max(then**2 - (r * now) ** 2, 0.0)) * noise
    return x


def predictor_corrector(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    """Song et al., arXiv:2011.13456, algorithm 2: a step of the reverse SDE, then one of Langevin's dynamics
    x += δ s + √(2δ) z at the new level, with δ = σ'² log(σ/σ')/2, which falls with the step.
    """
    for now, then in itertools.pairwise(karras(steps)):
        drift = (now**2 - then**2) / now**2 * (model(x, now) - x)
        x = x + drift + math.sqrt(now**2 - then**2) * torch.randn(x.shape, generator=generator, dtype=x.dtype)
        delta = 0.5 * then**2 * math.log(now / then)
        score = (model(x, then) - x) / then**2
        x = x + delta * score
        x = x + math.sqrt(2.0 * delta) * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x


def _subject(sample: Any, per_step: int, claims: Claims, summary: str) -> Subject:
    kind = "stochastic" if claims.weak_order is not None else "deterministic"
    levels = between(SIGMA, TOP, BOTTOM)

    def evaluations(steps: int) -> int:
        return per_step * steps + (2 if sample is exponential_integrator_3 else 0)

    return Subject(
        name=f"textbook/{sample.__name__.replace('_', '-')}",
        kind="sampler",
        load=lambda: Sampler(sample, SIGMA, "data", levels, evaluations),
        claims=claims,
        tags=frozenset({"sampler", "own", "textbook", kind, VARIANT}),
        modules=(__name__,),
        dtypes=("float64", "float32"),
        summary=summary,
    )


SUBJECTS = (
    _subject(exponential_integrator_3, 1, Claims(order=3), "exponential integrator DEIS of order 3"),
    _subject(heavy_ball_1, 1, Claims(order=1), "generalised heavy ball, order 1"),
    _subject(heavy_ball_2, 1, Claims(order=2), "generalised heavy ball, order 2"),
    _subject(extended_reverse_time, 1, Claims(weak_order=1), "ER-SDE-Solver-1"),
    _subject(predictor_corrector, 2, Claims(weak_order=1), "predictor–corrector with Langevin steps"),
)
