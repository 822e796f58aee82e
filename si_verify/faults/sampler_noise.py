"""Samplers whose noise is wrong: its size, its independence, its place, or the drift that must go with it.

Not among them, because they are right: ancestral noise of √(σ² − σ'²), which differs from that of the posterior by the
next order, and max for min in the churn (Koishi-Star/Euler-Smea-Dyn-Sampler#11), which moves work and no law.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch

from si_verify.faults.sampler_fault import WEAK, WEAK_SECOND, draw, sampler_fault
from si_verify.subjects.samplers.sigma_textbook import karras

Tensor = torch.Tensor
Noise = Callable[[Tensor, torch.Generator], Tensor]


def _down_up(now: float, then: float) -> tuple[float, float]:
    return then * then / now, then * math.sqrt(1.0 - (then / now) ** 2)


def _ancestral(levels_of: Callable[[float, float], tuple[float, float]], noise: Callable[[], Noise]) -> Any:
    """Euler's ancestral sampler with (down, up) of each step, and a fresh source of noise for every run."""

    def sample(model: Any, x: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        normals = noise()
        for now, then in itertools.pairwise(karras(steps)):
            down, up = levels_of(now, then)
            x = x + (down - now) * (x - model(x, now)) / now
            x = x + up * normals(x, generator)
        return x

    return sample


def _once() -> Noise:
    kept: list[Tensor] = []

    def same(x: Tensor, generator: torch.Generator) -> Tensor:
        if not kept:
            kept.append(draw(x, generator))
        return kept[0]

    return same


def _shared(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(1, x.shape[1], generator=generator, dtype=x.dtype).expand_as(x)


def _unseeded(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, dtype=x.dtype)


def _right() -> Noise:
    return draw


def scaled(factor: float) -> Any:
    return _ancestral(lambda now, then: (_down_up(now, then)[0], factor * _down_up(now, then)[1]), _right)


def _two_steps(shrink: Callable[[float, float], float], size: Callable[[float, float], float]) -> Any:
    """SDE-DPM-Solver++(2M) with the weight of x and the size of the noise of each step (now, then)."""

    def sample(model: Any, x: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        before, last = None, 0.0
        for now, then in itertools.pairwise(karras(steps)):
            data, h = model(x, now), math.log(now / then)
            guess = data if before is None else data + 0.5 * h / last * (data - before)
            x = shrink(now, then) * x - math.expm1(-2 * h) * guess + size(now, then) * draw(x, generator)
            before, last = data, h
        return x

    return sample


def _fresh(now: float, then: float) -> float:
    return math.sqrt(1.0 - (then / now) ** 2)


FAULTS = (
    sampler_fault(
        "little-noise", scaled(0.97), WEAK, ("bias", "weak-order"),
        "Every draw of noise is 3 % too small.", "issue 3, section 4: the small ones",
    ),
    sampler_fault(
        "variance-for-deviation", _ancestral(lambda a, b: (_down_up(a, b)[0], _down_up(a, b)[1] ** 2), _right), WEAK,
        ("bias", "weak-order"), "The noise is multiplied by its variance instead of its standard deviation.",
        "sbi-dev/sbi#1782; huggingface/diffusers#2090, #14569",
    ),
    sampler_fault(
        "noise-without-drift", _ancestral(lambda a, b: (b, _down_up(a, b)[1]), _right), WEAK,
        ("bias", "weak-order", "law"), "Noise is added, but the step before it goes to σ' and not further down.",
        "tue-bmd/zea#551",
    ),
    sampler_fault(
        "noise-reused", _ancestral(_down_up, _once), WEAK, ("bias", "weak-order", "work-precision"),
        "One draw of noise, made before the loop, is used in every step.", "MATH.md section 9",
    ),
    sampler_fault(
        "noise-shared", _ancestral(_down_up, lambda: _shared), WEAK, ("behaviour",),
        "All rows of a batch are given the same noise by broadcasting.", "MATH.md section 9",
    ),
    sampler_fault(
        "generator-ignored", _ancestral(_down_up, lambda: _unseeded), WEAK, ("behaviour",),
        "The generator is accepted and not passed on: no run can be repeated.", "MATH.md section 9",
    ),
    sampler_fault(
        "noise-of-wrong-level", _two_steps(lambda a, b: (b / a) ** 2, lambda a, b: a * _fresh(a, b)), WEAK_SECOND,
        ("weak-order",), "The noise of a step is scaled by the level it leaves, not by that it reaches.",
        "huggingface/diffusers#4251, #8269",
    ),
    sampler_fault(
        "not-the-reverse-sde", _two_steps(lambda a, b: b / a, lambda a, b: b * _fresh(a, b)), WEAK_SECOND,
        ("bias", "weak-order"), "The weight of x is that of the flow, the rest that of the SDE.",
        "crowsonkb/k-diffusion#59",
    ),
)  # fmt: skip
