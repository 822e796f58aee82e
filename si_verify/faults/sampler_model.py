"""Samplers that misread the model or mistreat the batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch

from si_verify.faults.sampler_fault import FIRST, SECOND, sampler_fault
from si_verify.sampling.clock import clock
from si_verify.subjects.samplers.sigma_textbook import karras

Tensor = torch.Tensor
Gen = torch.Generator
_VP = clock("vp")
_VP_ENDS = (1.0, 1e-3)


def _euler_on(read: Callable[[Any, Tensor, float], Tensor]) -> Any:
    """Euler in σ with another way of getting the prediction of the data, (model, x, σ) -> (N, D)."""

    def sample(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
        for now, then in itertools.pairwise(karras(steps)):
            x = x + (then - now) * (x - read(model, x, now)) / now
        return x

    return sample


def score_off(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    def slope(y: Tensor, s: float) -> Tensor:
        return (1.0 + 1e-3) * (y - model(y, s)) / s

    for now, then in itertools.pairwise(karras(steps)):
        first = slope(x, now)
        x = x + (then - now) * 0.5 * (first + slope(x + (then - now) * first, then))
    return x


def one_row(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    for now, then in itertools.pairwise(karras(steps)):
        data = model(x, now)
        data = torch.cat([data[:-1], data[:1]]) if len(data) > 1 else data
        x = x + (then - now) * (x - data) / now
    return x


def batch_statistics(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    for now, then in itertools.pairwise(karras(steps)):
        data = model(x, now)
        data = data + 0.01 * (data - data.mean(0))
        x = x + (then - now) * (x - data) / now
    return x


def clipped_answer(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    answer = _euler_on(lambda m, y, s: m(y, s))(model, x, steps, generator)
    centre, spread = answer.mean(0), answer.std(0)
    return answer.clamp(centre - 2.2 * spread, centre + 2.2 * spread)


def _ddim(noise_of: Callable[[Any, Tensor, float], Tensor]) -> Any:
    """DDIM on the variance-preserving clock, on equal steps in time, by a way of getting the noise."""

    def sample(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
        start, end = _VP_ENDS
        times = [start + i / steps * (end - start) for i in range(steps + 1)]
        for now, then in itertools.pairwise(times):
            here, there = _VP.at(now), _VP.at(then)
            noise = noise_of(model, x, now)
            x = there.a * (x - here.s * noise) / here.a + there.s * noise
        return x

    return sample


def dpm_2m_of_velocity(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    start, end = _VP_ENDS
    times = [start + i / steps * (end - start) for i in range(steps + 1)]
    before, last = None, 0.0
    for now, then in itertools.pairwise(times):
        here, there = _VP.at(now), _VP.at(then)
        value, h = model(x, now), there.log_snr - here.log_snr
        guess = value if before is None else value + 0.5 * h / last * (value - before)
        noise = here.a * guess + here.s * x
        x = there.a / here.a * x - there.s * math.expm1(h) * noise
        before, last = value, h
    return x


FAULTS = (
    sampler_fault(
        "score-off", score_off, SECOND, ("bias", "order"),
        "The score is a thousandth too large.", "issue 3, section 4: the small ones", per_step=2,
    ),
    sampler_fault(
        "scaled-twice", _euler_on(lambda m, x, s: m(x / math.hypot(1.0, s), s)), FIRST, ("bias", "order", "law"),
        "The input is divided by √(1 + σ²) for a model that does so itself.", "MATH.md section 9",
    ),
    sampler_fault(
        "clipped-data", _euler_on(lambda m, x, s: m(x, s).clamp(-1.0, 1.0)), FIRST, ("bias", "law"),
        "The predicted data are clipped to [−1, 1], the default of a library of image models.", "MATH.md section 9",
    ),
    sampler_fault(
        "clipped-tail", clipped_answer, FIRST, ("behaviour",),
        "The answer is clipped at 2.2 standard deviations of its batch.", "issue 3, section 4: the small ones",
    ),
    sampler_fault(
        "one-wrong-row", one_row, FIRST, ("behaviour", "order"),
        "The last row of a batch is given the prediction of the first.", "issue 3, section 4: the small ones",
    ),
    sampler_fault(
        "batch-statistics", batch_statistics, FIRST, ("behaviour", "bias"),
        "A prediction is sharpened about the mean of its batch, so that rows know of each other.", "MATH.md section 9",
    ),
    sampler_fault(
        "velocity-as-noise", _ddim(lambda m, x, t: m(x, t)), FIRST, ("bias", "order", "law"),
        "A velocity prediction is used as one of noise.", "huggingface/diffusers#1486",
        clock=_VP, prediction="velocity", ends=_VP_ENDS,
    ),
    sampler_fault(
        "off-by-one", _ddim(lambda m, x, t: m(x, t - 1e-3)), FIRST, ("bias",),
        "The model is told the neighbouring one of a thousand timesteps.", "huggingface/diffusers#9261, #12633, #11347",
        clock=_VP, prediction="noise", ends=(1.0, 2e-3),
    ),
    sampler_fault(
        "multistep-of-velocity", dpm_2m_of_velocity, SECOND, ("order",),
        "Multistep weights for the noise are applied to the velocity and the result converted.",
        "huggingface/diffusers#14816", clock=_VP, prediction="velocity", ends=_VP_ENDS,
    ),
)  # fmt: skip
