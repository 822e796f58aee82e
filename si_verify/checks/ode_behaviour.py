"""How an ODE solver behaves, apart from its accuracy: cheap claims that hold to rounding or exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from si_verify.check import Check, Context
from si_verify.checks.ode_ladder import non_uniform
from si_verify.checks.ode_setup import Trial, trial
from si_verify.checks.ode_velocity import WatchedVelocity
from si_verify.measurement import Measurement, Outcome

Tensor = torch.Tensor
_PARTICLES = 12
_STEPS, _ASKED = 14, 4  # steps of a fixed-step solver, times asked of an adaptive one
_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class Bench:
    """The case's trial with one call: ``run(x0)`` on the standard grid; adaptive solvers at a middling tolerance."""

    context: Context
    task: Trial
    times: Tensor

    @property
    def options(self) -> dict[str, float]:
        return {"rtol": _TOLERANCE, "atol": _TOLERANCE} if self.context.subject.claims.adaptive else {}

    def run(self, x0: Tensor, times: Tensor | None = None) -> tuple[Tensor, WatchedVelocity]:
        """Solve from ``x0`` as it is handed in (strides included)."""
        task = self.task
        watched = WatchedVelocity(task.fast, task.span, tuple(x0.shape), x0.dtype)
        answer = self.context.implementation(watched, x0, self.times if times is None else times, **self.options)
        return answer.to(torch.float64), watched

    def slack(self, growth: float, size: float) -> tuple[float, str]:
        """How far two answers to the same question may lie apart, and why."""
        rounding = 2 * (_STEPS + 16) * self.task.eps * size * growth
        if not self.context.subject.claims.adaptive:
            return rounding, "2 (n + 16)·eps·|x|·amplification of the flow, n = 14 steps"
        # A batch shares its steps, so company changes them: each answer may then be off by what its tolerance allows.
        _, watched = self.run(self.task.x0.to(self.context.dtype))
        allowed = 2 * watched.calls * _TOLERANCE * (1 + size) * growth * self.task.x0.shape[1] ** 0.5
        return rounding + allowed, f"2·evaluations·tol·√D·(1 + |x|)·amplification, tol = {_TOLERANCE:g}, plus rounding"


def _far(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def _judge(name: str, value: float, bound: float, why: str, origin: Any = "rounding") -> Measurement:
    return Measurement(name=name, value=value, bound=bound, origin=origin, why=why)


def _rows(bench: Bench) -> list[Measurement]:
    """Each row alone, in any order, in any company, with any strides: the same answer."""
    x0 = bench.task.x0.to(bench.context.dtype)
    whole, _ = bench.run(x0)
    growth, size = float(bench.task.amplified.max()), float(bench.task.size.max())
    slack, why = bench.slack(growth, size)
    order = torch.arange(_PARTICLES - 1, -1, -1)
    permuted, _ = bench.run(x0[order].contiguous())
    alone = torch.cat([bench.run(x0[i : i + 1].clone())[0] for i in (0, _PARTICLES // 2)])
    wide = torch.zeros(_PARTICLES, 2 * x0.shape[1], dtype=x0.dtype, device=x0.device)
    wide[:, ::2] = x0
    strided, _ = bench.run(wide[:, ::2])
    alone_row = _judge("rows alone (N = 1)", _far(alone, whole[[0, _PARTICLES // 2]]), slack, why)
    if bench.context.subject.claims.adaptive:
        # Its steps depend on the company: what is left is accuracy, which ode-tolerance judges.
        alone_row = dataclasses.replace(alone_row, bound=None)
    return [
        _judge("rows in another order", _far(permuted, whole[order]), slack, why),
        alone_row,
        _judge("non-contiguous x0", _far(strided, whole), slack, why),
    ]


def _memory(bench: Bench) -> list[Measurement]:
    """The same call twice, with another one between: the same bits."""
    x0 = bench.task.x0.to(bench.context.dtype)
    first, _ = bench.run(x0)
    bench.run(x0.flip(0) + 1, bench.times[: len(bench.times) // 2])
    second, _ = bench.run(x0)
    why = "the same call, another in between: a solver keeps no state and draws no numbers"
    same = 0.0 if torch.equal(first.nan_to_num(), second.nan_to_num()) else max(_far(first, second), bench.task.eps)
    return [_judge("difference of two equal calls", same, 0.0, why, "exact")]


def _constant(bench: Bench, backward: bool) -> list[Measurement]:
    """A constant field is integrated exactly by every consistent scheme: x0 + c (t_end − t_0), whatever the steps."""
    x0 = bench.task.x0.to(bench.context.dtype)
    rate = torch.linspace(0.7, 1.9, x0.shape[1], dtype=torch.float64, device=x0.device)

    def field(t: Any, x: Tensor) -> Tensor:
        return rate.to(x.dtype).expand(x.shape).clone()

    times = bench.times.flip(0) if backward else bench.times
    answer = bench.context.implementation(field, x0, times, **bench.options).to(torch.float64)
    span = float(times[-1]) - float(times[0])
    size = float(x0.abs().max()) + float(rate.abs().max())
    name = "constant field, times " + ("decreasing" if backward else "increasing")
    # The state is rounded once a step; interpolating adaptive schemes form differences of up to 16 of them at the end.
    return [
        _judge(name, _far(answer, x0.to(torch.float64) + rate * span), (4 * _STEPS + 64) * bench.task.eps * size,
               "a consistent scheme integrates a constant field to rounding: (4n + 64)·eps·|x|")
    ]  # fmt: skip


def _evaluations(bench: Bench) -> list[Measurement]:
    """Evaluations as claimed, and none outside the span of the times."""
    claims = bench.context.subject.claims
    _, watched = bench.run(bench.task.x0.to(bench.context.dtype))
    found = [_judge("no evaluation at all", float(watched.calls == 0), 0.0, "the field must be asked", "exact")]
    if claims.evaluations_per_step is not None and not claims.adaptive:
        claimed = claims.evaluations_per_step * _STEPS
        why = f"{claims.evaluations_per_step} a step claimed, {_STEPS} steps: {claimed}, found {watched.calls}"
        found.append(_judge("evaluations away from the claim", abs(watched.calls - claimed), 0.0, why, "exact"))
    if not claims.adaptive:
        low, high = sorted((float(bench.times[0]), float(bench.times[-1])))
        outside = max(0.0, *(max(low - t, t - high) for t in watched.times)) if watched.times else 0.0
        why = "field asked for outside the given times; a time is formed with some roundings"
        found.append(_judge("evaluations outside the times", outside, 8 * bench.task.eps, why))
    return found


_PARTS: tuple[Callable[[Bench], list[Measurement]], ...] = (_rows, _memory, _evaluations)


def _measure(context: Context) -> Outcome:
    # Kept away from the ends, so that an adaptive solver's step past the last time stays inside.
    low, high = context.problem.t_span
    task = trial(context, _PARTICLES, span=(low, low + 0.6 * (high - low)))
    bench = Bench(context, task, task.times(non_uniform(_ASKED if context.subject.claims.adaptive else _STEPS)))
    measurements = [m for part in _PARTS for m in part(bench)]
    measurements += [*_constant(bench, False), *_constant(bench, True)]
    return Outcome(tuple(measurements))


CHECK = Check(
    name="ode-behaviour",
    claim="A solver treats each row alike, keeps no state, integrates a constant field exactly in both directions, "
    "ends at the last time, stays within the given times and evaluates as often as it says",
    quick_dtypes=("float32",),  # the dtype a solver is likelier to leave
    scope={"standard": "not variant and (correlated-2d, 1d-bimodal, product-3d)"},
    kinds=frozenset({"ode"}),
    measure=_measure,
    problems={
        "quick": "correlated-2d",
        "standard": "order and exact-flow and not costly",
        "full": "order and not costly",
    },
    tags=frozenset({"behaviour"}),
    cost=0.3,
)
