"""Textbook samplers in the noise level σ (x = x1 + σ z), on the grid of Karras et al. (arXiv:2206.00364, equation 5).

Each is the plain form of a published algorithm in the dtype of its state, with the order that its paper claims. They
are what the seeded faults are wrong versions of.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch

from si_verify.sampling.clock import clock
from si_verify.sampling.interface import Sampler, between
from si_verify.subject import Claims, Subject

SIGMA = clock("sigma")
TOP, BOTTOM = 40.0, 0.02


def karras(steps: int, top: float = TOP, bottom: float = BOTTOM, rho: float = 7.0) -> list[float]:
    """steps + 1 falling levels: (σ_max^{1/ρ} + i/n (σ_min^{1/ρ} − σ_max^{1/ρ}))^ρ."""
    a, b = top ** (1 / rho), bottom ** (1 / rho)
    return [(a + i / steps * (b - a)) ** rho for i in range(steps)] + [bottom]


def euler(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """dx/dσ = (x − D(x, σ))/σ by Euler's method; in σ this is DDIM (arXiv:2010.02502)."""
    levels = karras(steps)
    for now, then in itertools.pairwise(levels):
        x = x + (then - now) * (x - model(x, now)) / now
    return x


def heun(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """The deterministic sampler of arXiv:2206.00364, algorithm 1."""
    levels = karras(steps)
    for now, then in itertools.pairwise(levels):
        slope = (x - model(x, now)) / now
        ahead = x + (then - now) * slope
        x = x + (then - now) * 0.5 * (slope + (ahead - model(ahead, then)) / then)
    return x


def dpm_solver_2m(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """DPM-Solver++(2M) (arXiv:2211.01095, algorithm 2) at a = 1: λ = −log σ."""
    levels = karras(steps)
    before, last = None, 0.0
    for now, then in itertools.pairwise(levels):
        data, h = model(x, now), math.log(now / then)
        guess = data if before is None else data + 0.5 * h / last * (data - before)
        x = then / now * x - math.expm1(-h) * guess
        before, last = data, h
    return x


def ancestral(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """Euler with ancestral noise: down to σ_d, then up by σ_u, σ_d² + σ_u² = σ'², σ_u² = σ'²(σ² − σ'²)/σ² (DDPM)."""
    levels = karras(steps)
    for now, then in itertools.pairwise(levels):
        up = then * math.sqrt(1.0 - (then / now) ** 2)
        down = then * then / now
        x = x + (down - now) * (x - model(x, now)) / now
        x = x + up * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x


def sde_dpm_solver_2m(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """SDE-DPM-Solver++(2M) (arXiv:2211.01095, equation 18 and appendix) at a = 1."""
    levels = karras(steps)
    before, last = None, 0.0
    for now, then in itertools.pairwise(levels):
        data, h = model(x, now), math.log(now / then)
        guess = data if before is None else data + 0.5 * h / last * (data - before)
        x = (then / now) ** 2 * x - math.expm1(-2 * h) * guess
        x = x + then * math.sqrt(-math.expm1(-2 * h)) * torch.randn(x.shape, generator=generator, dtype=x.dtype)
        before, last = data, h
    return x


def churned_heun(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """The stochastic sampler of arXiv:2206.00364, algorithm 2, S_churn = 4, S_tmin = 0.05, S_tmax = 10."""
    levels = karras(steps)
    for now, then in itertools.pairwise(levels):
        gamma = min(4.0 / steps, math.sqrt(2.0) - 1.0) if 0.05 <= now <= 10.0 else 0.0
        raised = now * (1.0 + gamma)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = x + math.sqrt(raised**2 - now**2) * noise
        slope = (x - model(x, raised)) / raised
        ahead = x + (then - raised) * slope
        x = x + (then - raised) * 0.5 * (slope + (ahead - model(ahead, then)) / then)
    return x


def _sampler(sample: Any, per_step: int) -> Sampler:
    return Sampler(sample, SIGMA, "data", between(SIGMA, TOP, BOTTOM), lambda steps: per_step * steps)


def _subject(sample: Any, per_step: int, claims: Claims, summary: str) -> Subject:
    kind = "stochastic" if claims.weak_order is not None else "deterministic"
    return Subject(
        name=f"textbook/{sample.__name__.replace('_', '-')}",
        kind="sampler",
        load=lambda: _sampler(sample, per_step),
        claims=claims,
        tags=frozenset({"sampler", "own", "textbook", kind}),
        modules=(__name__,),
        dtypes=("float64", "float32"),
        summary=summary,
    )


SUBJECTS = (
    _subject(euler, 1, Claims(order=1), "Euler in σ, which is DDIM"),
    _subject(heun, 2, Claims(order=2), "Karras et al.'s deterministic Heun"),
    _subject(dpm_solver_2m, 1, Claims(order=2), "DPM-Solver++(2M)"),
    _subject(ancestral, 1, Claims(weak_order=1), "Euler with ancestral noise, which is DDPM"),
    _subject(sde_dpm_solver_2m, 1, Claims(weak_order=2), "SDE-DPM-Solver++(2M)"),
    _subject(churned_heun, 2, Claims(weak_order=1), "Karras et al.'s stochastic Heun"),
)
