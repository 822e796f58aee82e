"""Deterministic samplers with a wrong step, a wrong history or a wrong grid.

Not among them: the ratio of steps upside down in DPM-Solver++(2M), whose errors telescope on a smooth grid and keep the
order, and a last level that stands twice (huggingface/diffusers#6477), which wastes an evaluation and bends no law.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch

from si_verify.faults.sampler_fault import FIRST, SECOND, sampler_fault
from si_verify.subjects.samplers.sigma_textbook import BOTTOM, TOP, karras

Tensor = torch.Tensor
Gen = torch.Generator


def _euler(model: Any, x: Tensor, levels: list[float]) -> Tensor:
    for now, then in itertools.pairwise(levels):
        x = x + (then - now) * (x - model(x, now)) / now
    return x


def _heun(model: Any, x: Tensor, levels: list[float]) -> Tensor:
    for now, then in itertools.pairwise(levels):
        slope = (x - model(x, now)) / now
        ahead = x + (then - now) * slope
        x = x + (then - now) * 0.5 * (slope + (ahead - model(ahead, then)) / then)
    return x


def second_stage_level(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    for now, then in itertools.pairwise(karras(steps)):
        slope = (x - model(x, now)) / now
        ahead = x + (then - now) * slope
        x = x + (then - now) * 0.5 * (slope + (ahead - model(ahead, now)) / now)
    return x


def _two_step(model: Any, x: Tensor, steps: int, weight: float = 0.5, ahead: bool = False) -> Tensor:
    before, last = None, 0.0
    for now, then in itertools.pairwise(karras(steps)):
        data, h = model(x, then if ahead else now), math.log(now / then)
        guess = data if before is None else data + weight * h / last * (data - before)
        x = then / now * x - math.expm1(-h) * guess
        before, last = data, h
    return x


def step_ratio(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    return _two_step(model, x, steps, weight=1.0)


def early_drift(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    return _two_step(model, x, steps, ahead=True)


class KeptHistory:
    """DPM-Solver++(2M) whose last prediction survives from one run to the next."""

    def __init__(self) -> None:
        self.before: Tensor | None = None
        self.last = 1.0

    def __call__(self, model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
        for now, then in itertools.pairwise(karras(steps)):
            data, h = model(x, now), math.log(now / then)
            old = self.before if self.before is not None and self.before.shape == data.shape else data
            guess = data + 0.5 * h / self.last * (data - old.to(data.dtype))
            x = then / now * x - math.expm1(-h) * guess
            self.before, self.last = data, h
        return x


_KEPT = KeptHistory()


def history_kept(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    return _KEPT(model, x, steps, generator)


def last_step_missing(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    return _heun(model, x, karras(steps)[:-1])


def no_final_power(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    a, b = TOP ** (1 / 7), BOTTOM ** (1 / 7)
    return _euler(model, x, [a + i / steps * (b - a) for i in range(steps + 1)])


def index_as_level(model: Any, x: Tensor, steps: int, generator: Gen) -> Tensor:
    levels = karras(steps)
    near = {s: TOP + i / steps * (BOTTOM - TOP) for i, s in enumerate(levels)}
    return _euler(lambda y, s: model(y, near[s]), x, levels)


FAULTS = (
    sampler_fault(
        "second-stage-level", second_stage_level, SECOND, ("order",),
        "The second stage of Heun's method asks the model at the level of the first.", "huggingface/diffusers#1512",
        per_step=2,
    ),
    sampler_fault(
        "step-ratio", step_ratio, SECOND, ("order",),
        "The ½ of the extrapolation to the middle of a step is lost from the ratio r of DPM-Solver++(2M).",
        "crowsonkb/k-diffusion#56",
    ),
    sampler_fault(
        "early-drift", early_drift, SECOND, ("order",),
        "The model is asked at the level that the step goes to, with the state of the one it leaves.",
        "MATH.md section 9",
    ),
    sampler_fault(
        "history-kept", history_kept, SECOND, ("behaviour",),
        "The multistep history is not reset between runs.", "huggingface/diffusers#6631",
    ),
    sampler_fault(
        "last-step-missing", last_step_missing, SECOND, ("order", "behaviour"),
        "The last step is left out, as a loop over all levels but the last does.", "MATH.md section 9", per_step=2,
    ),
    sampler_fault(
        "no-final-power", no_final_power, FIRST, ("bias", "order", "law"),
        "Karras's grid of levels without its final power.", "huggingface/diffusers#590",
    ),
    sampler_fault(
        "index-as-level", index_as_level, FIRST, ("bias", "order", "law"),
        "The model is told the index of the step, scaled, for the level.", "Stability-AI/stablediffusion#226",
    ),
)  # fmt: skip
