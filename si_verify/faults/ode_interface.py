"""Solvers that break what every solver owes its caller: rows, inputs, precision, honesty about work."""

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


def _heun(velocity: Velocity, x: Tensor, times: Tensor) -> Tensor:
    for now, after in pairwise(times.tolist()):
        h = after - now
        first = velocity(now, x)
        x = x + 0.5 * h * (first + velocity(after, x + h * first))
    return x


def returns_input(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    return x0.clone()


def changes_input(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    for now, after in pairwise(times.tolist()):
        x0 += (after - now) * velocity(now, x0)
    return x0


def clipped_over_batch(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    def clipped(t: float, x: Tensor) -> Tensor:
        slope = velocity(t, x)
        return slope * min(1.0, 2.0 / float(slope.norm()))

    return _heun(clipped, x0, times)


def last_row_copied(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    def shifted(t: float, x: Tensor) -> Tensor:
        slope = velocity(t, x)
        if len(slope) > 1:
            slope[-1] = slope[-2]
        return slope

    return _heun(shifted, x0, times)


def mean_removed(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    def centred(t: float, x: Tensor) -> Tensor:
        slope = velocity(t, x)
        return slope - 1e-3 * slope.mean(dim=0, keepdim=True)

    return _heun(centred, x0, times)


def single_precision_state(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    x = x0
    for now, after in pairwise(times.tolist()):
        x = (x + (after - now) * velocity(now, x)).to(torch.float32).to(x0.dtype)
    return x


def twice_the_work(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    def wasteful(t: float, x: Tensor) -> Tensor:
        velocity(t, x)
        return velocity(t, x)

    return _heun(wasteful, x0, times)


def looks_ahead(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    clock = times.tolist()
    velocity(2 * clock[-1] - clock[-2], x0)
    x = x0
    for now, after in pairwise(clock):
        x = x + (after - now) * velocity(now, x)
    return x


def random_tie_break(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
    return _heun(velocity, x0, times) * (1 + 1e-12 * torch.rand((), dtype=x0.dtype))


FAULTS = (
    ode_fault(
        "returns-input", returns_input, _HEUN, ("ode-behaviour", "ode-order"),
        "Returns the start point: a test of shapes is content with it.",
        "google-research/torchsde's forward tests (HISTORICAL_BUGS, test suites that could not see)",
    ),
    ode_fault(
        "changes-input", changes_input, _EULER, ("ode-behaviour", "ode-order"),
        "Steps in place and so overwrites the caller's start points.",
        "issue 3 §1: does not change its inputs; SciML/StochasticDiffEq.jl#650 (buffer reused)",
    ),
    ode_fault(
        "clipped-over-batch", clipped_over_batch, _HEUN, ("ode-behaviour", "ode-order"),
        "The slope is clipped by its norm over the whole batch: a row's path depends on its company.",
        "issue 3 §1: treats each row alike",
    ),
    ode_fault(
        "last-row-copied", last_row_copied, _HEUN, ("ode-behaviour", "ode-order"),
        "An index is off by one and the last row moves with its neighbour's slope.",
        "atong01/conditional-flow-matching#24; issue 3 §4: one wrong row",
    ),
    ode_fault(
        "batch-mean-removed", mean_removed, _HEUN, ("ode-behaviour", "ode-order"),
        "A thousandth of the batch's mean slope is subtracted, as a careless normalisation does.",
        "issue 3 §1: batch-size invariance",
    ),
    ode_fault(
        "single-precision-state", single_precision_state, _EULER, ("ode-behaviour",),
        "The state passes through float32 at every step and is returned as float64.",
        "MATH §9: precision lost on the way",
    ),
    ode_fault(
        "twice-the-work", twice_the_work, _HEUN, ("ode-behaviour",),
        "Evaluates everything twice and reports half of it.",
        "willisma/SiT (likelihood): 40,636 evaluations for 44",
    ),
    ode_fault(
        "looks-ahead", looks_ahead, Claims(order=1.0), ("ode-behaviour",),
        "Asks for the field beyond the last time, where it need not exist.",
        "huggingface/diffusers#9104, #14411 (the level after the last)",
    ),
    ode_fault(
        "not-deterministic", random_tie_break, _HEUN, ("ode-behaviour",),
        "Two equal calls differ in the last digits.",
        "issue 3 §1: deterministic",
    ),
)  # fmt: skip
