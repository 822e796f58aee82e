"""Wrong step-size control: adaptive solvers that accept what they should not, or answer from the wrong place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from si_verify.faults.fault import Fault
from si_verify.faults.ode_fault import ode_fault
from si_verify.subject import Claims

Tensor = torch.Tensor
Velocity = Callable[[float, Tensor], Tensor]


@dataclass(frozen=True)
class Pair:
    """An embedded pair with step-size control; the fields after ``order`` are ways to get it wrong."""

    nodes: Sequence[float]
    rows: Sequence[Sequence[float]]
    weights: Sequence[float]
    differences: Sequence[float]
    order: int
    estimate_times_step: bool = True
    accept_all: bool = False
    idle_start: bool = False
    linear_output: bool = False
    error_scale: float = 1.0
    most_steps: int | None = None

    def __call__(self, velocity: Velocity, x0: Tensor, times: Tensor, rtol: float, atol: float) -> Tensor:
        first, last = float(times[0]), float(times[-1])
        direction = 1.0 if last > first else -1.0
        t, x, h = first, x0, (0.5 if self.accept_all else 0.01) * direction
        if self.idle_start:  # the buffers of the first step are still zero, and so is its error estimate
            t += h
        tried = 0
        while (last - t) * direction > 1e-14 and (self.most_steps is None or tried < self.most_steps):
            tried += 1
            if not self.linear_output and (t + h - last) * direction > 0:
                h = last - t
            slopes = [velocity(t, x)]
            for node, row in zip(self.nodes, self.rows, strict=True):
                stage = x + h * sum((a * k for a, k in zip(row, slopes, strict=True)), start=torch.zeros_like(x))
                slopes.append(velocity(t + node * h, stage))
            new = x + h * sum((b * k for b, k in zip(self.weights, slopes, strict=True)), start=torch.zeros_like(x))
            estimate = sum((e * k for e, k in zip(self.differences, slopes, strict=True)), start=torch.zeros_like(x))
            estimate = self.error_scale * estimate * (h if self.estimate_times_step else 1.0)
            scale = atol + rtol * torch.maximum(x.abs(), new.abs())
            ratio = float((estimate / scale).square().mean().sqrt())
            if ratio <= 1 or self.accept_all:
                if self.linear_output and (t + h - last) * direction >= 0:
                    return x + (last - t) / h * (new - x)
                t, x = t + h, new
            power = self.order if self.estimate_times_step else self.order - 1
            h *= min(5.0, max(0.2, 0.9 / max(ratio, 1e-12) ** (1 / power)))
        return x


_HEUN_EULER = ((1.0,), ((1.0,),), (0.5, 0.5), (-0.5, 0.5), 2)
_BOGACKI_SHAMPINE = (
    (1 / 2, 3 / 4, 1.0),
    ((1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    (2 / 9, 1 / 3, 4 / 9, 0.0),
    (2 / 9 - 7 / 24, 1 / 3 - 1 / 4, 4 / 9 - 1 / 3, -1 / 8),
    3,
)


def ignores_tolerance(velocity: Velocity, x0: Tensor, times: Tensor, rtol: float, atol: float) -> Tensor:
    first, last = float(times[0]), float(times[-1])
    h, x = (last - first) / 20, x0
    for i in range(20):
        now = first + i * h
        slope = velocity(now, x)
        x = x + 0.5 * h * (slope + velocity(now + h, x + h * slope))
    return x


def _fault(name: str, rule: Callable[..., Tensor], caught_by: tuple[str, ...], story: str, source: str) -> Fault:
    def solve(velocity: Velocity, x0: Tensor, times: Tensor, rtol: float, atol: float) -> Tensor:
        return rule(velocity, x0, times, rtol, atol)

    order = rule.order if isinstance(rule, Pair) else 2
    stages = len(rule.weights) if isinstance(rule, Pair) else 2
    claims = Claims(order=float(order), adaptive=True, evaluations_per_step=stages)
    return ode_fault(name, solve, claims, caught_by, story, source)


FAULTS = (
    _fault(
        "estimate-without-step", Pair(*_HEUN_EULER, estimate_times_step=False), ("ode-tolerance",),
        "The embedded error estimate is not multiplied by the step: ten times less tolerance buys a hundred times "
        "less error, and is paid for with ten times the steps.",
        "DiffEqML/torchdyn#164",
    ),
    _fault(
        "accepts-every-step", Pair(*_BOGACKI_SHAMPINE, accept_all=True), ("ode-tolerance",),
        "The rejecting branch falls through: a step of any error is taken, the first one to begin with.",
        "google-research/torchsde#87 (error estimate broken)",
    ),
    _fault(
        "idle-step-accepted", Pair(*_HEUN_EULER, idle_start=True), ("ode-behaviour", "ode-tolerance"),
        "The first step does nothing, its error estimate is zero, and so it is accepted: time passes, the state stays.",
        "SciML/OrdinaryDiffEq.jl#3976",
    ),
    _fault(
        "linear-output", Pair(*_BOGACKI_SHAMPINE, linear_output=True), ("ode-tolerance",),
        "The answer at the requested time is read off a straight line through the last step.",
        "torchdiffeq 0.2.5 bosh3, dopri8 (docs/findings.md)",
    ),
    _fault(
        "estimate-a-thousandth", Pair(*_HEUN_EULER, error_scale=1e-3), ("ode-tolerance",),
        "The error estimate lacks a factor: the controller is content with a thousandfold error.",
        "google-research/torchsde#87",
    ),
    _fault(
        "step-limit-in-silence", Pair(*_HEUN_EULER, most_steps=60), ("ode-work-precision",),
        "A limit on the number of steps ends the loop, and the state reached by then is returned as the answer: the "
        "tighter the tolerance, the earlier the time it belongs to.",
        "huggingface/diffusers#6477; LuChengTHU/dpm-solver#44 (a wrong number of steps)",
    ),
    _fault(
        "ignores-tolerance", ignores_tolerance, ("ode-tolerance",),
        "Twenty steps, whatever is asked for.",
        "INTERFACE: adaptive solvers are driven by rtol and atol",
    ),
)  # fmt: skip
