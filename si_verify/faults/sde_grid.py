"""Seeded faults in the steps and the bookkeeping of an SDE solver: grids, rows, dtypes, memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch

from si_verify.faults.sde_step import EULER, Step, fault, solver

WEAK, STRONG, BEHAVIOUR = "sde-weak-affine", "sde-strong", "sde-behaviour"
MOMENTS, DISTRIBUTION = "law-moments", "law-distribution"


def _on_grid(change: Any) -> Any:
    """Euler–Maruyama on ``change(times)``."""

    def solve(drift: Any, diffusion: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> torch.Tensor:
        x = x0
        for t, s in pairwise(change(times).tolist()):
            x = x + drift(t, x) * (s - t) + diffusion(t, x) * brownian(t, s)
        return x

    return solve


def _short_steps(step: Step) -> torch.Tensor:
    """h = T/(n + 1) for T/n, the noise scaled to match."""
    share = (len(step.times) - 1) / len(step.times)
    return step.x + step.f(step.t, step.x) * step.h * share + step.g(step.t, step.x) * step.dw * share**0.5


def _one_row_left(step: Step) -> torch.Tensor:
    x = step.euler()
    return torch.cat([step.x[:1], x[1:]])


class _Remembering:
    """Keeps the last drift from one call to the next, as a multistep history that is not reset does."""

    def __init__(self) -> None:
        self.history: torch.Tensor | None = None

    def __call__(self, drift: Any, diffusion: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> Any:
        x = x0
        for t, s in pairwise(times.tolist()):
            f = drift(t, x)
            last = self.history
            slope = f if last is None or last.shape != f.shape else 1.5 * f - 0.5 * last
            self.history = f
            x = x + slope * (s - t) + diffusion(t, x) * brownian(t, s)
        return x


def _in_float32(drift: Any, diffusion: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> torch.Tensor:
    x = x0
    for t, s in pairwise(times.tolist()):
        x = (x + drift(t, x) * (s - t) + diffusion(t, x) * brownian(t, s)).float().to(x0.dtype)
    return x


FAULTS = (
    fault(
        "last-step-skipped", _on_grid(lambda times: times[:-1]), EULER, (STRONG, BEHAVIOUR),
        "The loop ends one step early, so that the answer belongs to the last time but one.",
        "huggingface/diffusers#6477; Tencent-Hunyuan/Hunyuan3D-2.1#209",
    ),
    fault(
        "first-step-skipped", _on_grid(lambda times: times[1:]), EULER, (STRONG, BEHAVIOUR),
        "The loop starts at the second time with the state of the first.",
    ),
    fault(
        "step-count-off-by-one", solver(_short_steps), EULER, (BEHAVIOUR,),
        "The number of times is taken for the number of steps: every step is too short by one part in n. The order "
        "survives; the last time is reached in name only.",
        "LuChengTHU/dpm-solver#44",
    ),
    fault(
        "one-step-for-all", _on_grid(lambda times: times[[0, -1]]), EULER, (WEAK, STRONG),
        "Only the ends of the grid are used: one step, however many were asked for.", "LuChengTHU/dpm-solver#44",
    ),
    fault(
        "grid-in-half-precision",
        _on_grid(lambda times: torch.cat([times[:1], times[1:-1].half().to(times.dtype), times[-1:]]) - 0.0),
        EULER, (BEHAVIOUR,),
        "Times pass through half precision: steps of unequal length at times that were not asked for.",
        "cbherbert/stochrare#22 (float32)",
    ),
    fault(
        "one-wrong-row", solver(_one_row_left), EULER, (BEHAVIOUR,),
        "The first row of the batch is never updated.",
    ),
    fault(
        "clipped-state", solver(lambda s: s.euler().clamp(-3.0, 3.0)), EULER, (MOMENTS,),
        "States are clipped to a range that was meant for images: the tail of the law piles up at the edge.",
    ),
    fault(
        "history-kept", _Remembering(), replace(EULER), (BEHAVIOUR,),
        "A multistep history that is not reset between samples: the second call starts from the first one's slopes.",
        "huggingface/diffusers#6631",
    ),
    fault(
        "state-in-float32", _in_float32, EULER, (BEHAVIOUR,),
        "The state passes through float32 in every step of a float64 run.",
    ),
)  # fmt: skip
