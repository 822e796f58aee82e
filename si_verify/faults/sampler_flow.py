"""Wrong samplers for flow matching, x = t x1 + (1 − t) z."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from si_verify.faults.sampler_fault import SECOND, WEAK, draw, sampler_fault
from si_verify.subjects.samplers.flow_textbook import FLOW

Tensor = torch.Tensor
_HERE: dict[str, Any] = {"clock": FLOW, "prediction": "velocity", "ends": (0.0, 1.0)}


def _maruyama(score_weight: float, size: Callable[[float, int], float], last: float = 0.0) -> Any:
    """Euler–Maruyama with drift b + weight · ε s and noise ``size(ε, steps)``; ``last``: of a last Euler step."""

    def sample(model: Any, x: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        count = steps - 1 if last else steps
        for i in range(count):
            t, h = i / count * (1.0 - last), (1.0 - last) / count
            b = model(x, t)
            x = x + (b + score_weight * (t * b - x)) * h
            x = x + size(1.0 - t, count) * math.sqrt(1.0 - last) * draw(x, generator)
        return x + last * model(x, 1.0 - last) if last else x

    return sample


def _right(epsilon: float, steps: int) -> float:
    return math.sqrt(2.0 * epsilon / steps)


def reversed_time(model: Any, x: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    for i in range(steps):
        slope = model(x, 1.0 - i / steps)
        x = x + 0.5 * (slope + model(x + slope / steps, 1.0 - (i + 1) / steps)) / steps
    return x


def shifted_twice(model: Any, x: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    def shift(t: float) -> float:
        return t / (3.0 - 2.0 * t)

    for i in range(steps):
        now, then = shift(i / steps), shift((i + 1) / steps)
        slope = model(x, shift(now))
        x = x + 0.5 * (then - now) * (slope + model(x + (then - now) * slope, shift(then)))
    return x


def half_precision_clock(model: Any, x: Tensor, steps: int, generator: torch.Generator) -> Tensor:
    t, h = torch.tensor(0.0).half(), torch.tensor(1.0 / steps).half()
    for _ in range(steps):
        slope = model(x, min(float(t), 1.0))
        t = t + h
        x = x + 0.5 * (slope + model(x + slope / steps, min(float(t), 1.0))) / steps
    return x


FAULTS = (
    sampler_fault(
        "flow-noise-without-2", _maruyama(1.0, lambda e, n: math.sqrt(e / n)), WEAK, ("bias", "weak-order", "law"),
        "√ε for √(2ε).", "willisma/SiT#14; MATH.md section 9", **_HERE,
    ),
    sampler_fault(
        "flow-noise-by-step", _maruyama(1.0, lambda e, n: math.sqrt(2.0 * e) / n), WEAK, ("bias", "weak-order", "law"),
        "The noise is multiplied by the step and not by its root.", "MATH.md section 9", **_HERE,
    ),
    sampler_fault(
        "flow-score-sign", _maruyama(-1.0, _right), WEAK, ("bias", "weak-order", "law"),
        "The score enters the drift with the wrong sign.", "atong01/conditional-flow-matching#85", **_HERE,
    ),
    sampler_fault(
        "flow-score-missing", _maruyama(0.0, _right), WEAK, ("bias", "weak-order", "law"),
        "Noise is added to the flow without the score in the drift.", "tue-bmd/zea#551", **_HERE,
    ),
    sampler_fault(
        "flow-fixed-last-step", _maruyama(1.0, _right, last=0.04), WEAK, ("bias",),
        "The last step is 0.04 long whatever the number of steps.", "willisma/SiT (last step)", **_HERE,
    ),
    sampler_fault(
        "flow-time-reversed", reversed_time, SECOND, ("bias", "order", "law"),
        "The model's time runs from data to noise: t for 1 − t.", "hustvl/LightningDiT#89", per_step=2, **_HERE,
    ),
    sampler_fault(
        "flow-shifted-twice", shifted_twice, SECOND, ("bias", "order", "law"),
        "The time shift of the schedule is applied to the model's time once more.", "huggingface/diffusers#13243",
        per_step=2, **_HERE,
    ),
    sampler_fault(
        "flow-half-precision-clock", half_precision_clock, SECOND, ("bias", "order"),
        "The model's time is added up in half precision, in which 1/n is rounded at every step.",
        "issue 3, section 4: a time grid rounded to half precision", per_step=2, **_HERE,
    ),
)  # fmt: skip
