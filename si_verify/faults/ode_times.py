"""Wrong clocks: step sizes, ends and directions of an ODE solver."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from si_verify.faults.ode_fault import ode_fault
from si_verify.subject import Claims

Tensor = torch.Tensor
Velocity = Callable[[float, Tensor], Tensor]
_EULER = Claims(order=1.0, evaluations_per_step=1)
_HEUN = Claims(order=2.0, evaluations_per_step=2)
_RK4 = Claims(order=4.0, evaluations_per_step=4)


def _heun_step(velocity: Velocity, x: Tensor, now: float, after: float) -> Tensor:
    h = after - now
    first = velocity(now, x)
    return x + 0.5 * h * (first + velocity(after, x + h * first))


def _rk4(velocity: Velocity, x: Tensor, clock: list[float]) -> Tensor:
    for now, after in pairwise(clock):
        h = after - now
        k1 = velocity(now, x)
        k2 = velocity(now + h / 2, x + h / 2 * k1)
        k3 = velocity(now + h / 2, x + h / 2 * k2)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + velocity(after, x + h * k3))
    return x


def clock_restarted(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    """The field is asked at the time since the first one, from 0 up or from 1 down: right for a run over all of it."""
    clock = times.tolist()
    start = 0.0 if clock[-1] > clock[0] else 1.0
    return _rk4(lambda t, x: velocity(start + t - clock[0], x), x0, clock)


def n_minus_one(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    clock = times.tolist()
    h = (clock[-1] - clock[0]) / (len(clock) - 2)
    x = x0
    for now in clock[:-1]:
        x = _heun_step(velocity, x, now, now + h)
    return x


def skips_last_step(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    x = x0
    for now, after in pairwise(times.tolist()[:-1]):
        x = _heun_step(velocity, x, now, after)
    return x


def idle_last_step(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    clock = times.tolist()
    x = x0
    for now, after in pairwise([*clock[:-1], clock[-2]]):
        x = _heun_step(velocity, x, now, after)
    return x


def unsigned_step(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    x = x0
    for now, after in pairwise(times.tolist()):
        x = x + abs(after - now) * velocity(now, x)
    return x


def half_times(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    return _rk4(velocity, x0, times.to(torch.float16).tolist())


def half_field_times(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    def rounded(t: float, x: Tensor) -> Tensor:
        return velocity(float(torch.tensor(t, dtype=torch.float16)), x)

    return _rk4(rounded, x0, times.tolist())


def single_times(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    return _rk4(velocity, x0, times.to(torch.float32).tolist())


def index_as_time(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    clock = times.tolist()
    x, steps = x0, len(clock) - 1
    for index, (now, after) in enumerate(pairwise(clock)):
        x = x + (after - now) * velocity(clock[0] + (clock[-1] - clock[0]) * index / steps, x)
    return x


def shifted_twice(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    def shift(s: float) -> float:
        return 1.05 * s / (1 + 0.05 * s)

    x = x0
    for now, after in pairwise(times.tolist()):
        h = after - now
        first = velocity(shift(now), x)
        x = x + 0.5 * h * (first + velocity(shift(after), x + h * first))
    return x


def inconsistent_stride(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    clock = times.tolist()
    stride = (clock[-1] - clock[0]) / (len(clock) - 1)
    x = x0
    for now in clock[:-1]:
        x = _heun_step(velocity, x, now, now + stride)
    return x


FAULTS = (
    ode_fault(
        "steps-n-minus-one", n_minus_one, _HEUN, ("ode-behaviour", "ode-order"),
        "n steps of size T/(n − 1): the state overshoots the last time by one step.",
        "MATH §9: step size 1/(n−1) for 1/n; LuChengTHU/dpm-solver#44",
    ),
    ode_fault(
        "last-step-skipped", skips_last_step, _HEUN, ("ode-behaviour", "ode-order"),
        "The loop ends one interval early; with many steps the answer looks right.",
        "MATH §9: last step skipped",
    ),
    ode_fault(
        "last-step-idle", idle_last_step, _HEUN, ("ode-behaviour", "ode-order"),
        "The last level is repeated, so the last of the steps has size zero.",
        "huggingface/diffusers#6477; Tencent-Hunyuan/Hunyuan3D-2.1#209",
    ),
    ode_fault(
        "unsigned-step", unsigned_step, _EULER, ("ode-behaviour", "ode-order"),
        "The step is |dt|: right forward in time, the wrong way when times decrease.",
        "MATH §9: time reversed without dt < 0; hustvl/LightningDiT#89",
    ),
    ode_fault(
        "half-precision-times", half_times, _RK4, ("ode-behaviour",),
        "The grid of times is rounded to half precision before it is used: a grid as good as any, but for its end.",
        "issue 3 §4; cbherbert/stochrare#22 (float32 times)",
    ),
    ode_fault(
        "half-precision-field-times", half_field_times, _RK4, ("ode-order", "ode-order-non-uniform"),
        "Steps are exact, but the field is told its time in half precision, as by a time embedding under autocast.",
        "MATH §9: float32 time grids, half precision; issue 3 §4",
    ),
    ode_fault(
        "single-precision-times", single_times, _RK4, ("ode-behaviour",),
        "The grid is kept in float32 while the state is float64: errors stop falling at 1e-8.",
        "MATH §9: float32 time grids; huggingface/diffusers#11749",
    ),
    ode_fault(
        "clock-restarted", clock_restarted, _RK4, ("ode-trajectories",),
        "Time is counted from the first one given: a run over the whole span is right, one from station to station "
        "sees the field of the first stretch in all of them.",
        "huggingface/diffusers#14013 (custom timesteps inconsistent with the levels)",
        tags=frozenset({"illustrated"}),
    ),
    ode_fault(
        "index-as-time", index_as_time, _EULER, ("ode-order-non-uniform",),
        "The field is asked at i/n for the i-th time: the same thing until the grid is not uniform.",
        "Stability-AI/stablediffusion#226",
    ),
    ode_fault(
        "shifted-twice", shifted_twice, _HEUN, ("ode-order", "ode-order-non-uniform"),
        "The time shift is applied to times that are shifted already: steps and field live on different clocks.",
        "huggingface/diffusers#13243",
    ),
    ode_fault(
        "inconsistent-stride", inconsistent_stride, _HEUN, ("ode-order-non-uniform",),
        "Each step has the mean stride, whatever the spacing of the schedule it walks along.",
        "huggingface/diffusers#9261, #12633",
    ),
)  # fmt: skip
