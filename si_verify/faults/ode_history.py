"""Wrong multistep methods: history kept, or weighted by the wrong ratio of steps.

The ratio of steps turned upside down (h_last/h for h/h_last, crowsonkb/k-diffusion#56) is not among them: in
Adams–Bashforth of order 2 its local errors are f'·(h_last² − h²)/2, which telescope, so it keeps its order.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from si_verify.faults.ode_fault import ode_fault
from si_verify.subject import Claims

Tensor = torch.Tensor
Velocity = Callable[[float, Tensor], Tensor]
_TWO_STEP = Claims(order=2.0, evaluations_per_step=1)


class KeptHistory:
    """Adams–Bashforth of order 2 whose last slope survives from one call to the next."""

    def __init__(self) -> None:
        self.slope: Tensor | None = None
        self.step = 0.0

    def __call__(self, velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
        x = x0
        for now, after in pairwise(times.tolist()):
            h, slope = after - now, velocity(now, x)
            if self.slope is None or self.slope.shape != x.shape:
                x = x + h * slope
            else:
                ratio = h / self.step
                x = x + h * ((1 + ratio / 2) * slope - ratio / 2 * self.slope.to(x.dtype))
            self.slope, self.step = slope, h
        return x


_KEPT = KeptHistory()


def kept_history(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    return _KEPT(velocity, x0, times)


def _adams(velocity: Velocity, x0: Tensor, times: Tensor, ratio_of: Callable[[float, float], float]) -> Tensor:
    x = x0
    last: tuple[Tensor, float] | None = None
    for now, after in pairwise(times.tolist()):
        h, slope = after - now, velocity(now, x)
        if last is None:
            x = x + h * slope
        else:
            ratio = ratio_of(h, last[1])
            x = x + h * ((1 + ratio / 2) * slope - ratio / 2 * last[0])
        last = (slope, h)
    return x


def ignored_ratio(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    return _adams(velocity, x0, times, lambda h, before: 1.0)


def stale_slope(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    return _adams(velocity, x0, times, lambda h, before: -h / before)


FAULTS = (
    ode_fault(
        "history-kept", kept_history, _TWO_STEP, ("ode-behaviour", "ode-order"),
        "The multistep history is not reset between calls: the first step uses the last slope of another problem.",
        "huggingface/diffusers#6631",
    ),
    ode_fault(
        "step-ratio-ignored", ignored_ratio, _TWO_STEP, ("ode-order-non-uniform",),
        "Weights 3/2 and −1/2 whatever the steps: order 1 on unequal ones.",
        "huggingface/diffusers#4251, #8269 (quantities of the wrong step)",
    ),
    ode_fault(
        "history-sign", stale_slope, _TWO_STEP, ("ode-order", "ode-order-non-uniform"),
        "The extrapolation to the middle of the step goes backwards in time.",
        "crowsonkb/k-diffusion#56 (step ratio of a multistep solver)",
    ),
)  # fmt: skip
