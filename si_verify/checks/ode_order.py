"""Order of convergence of a fixed-step ODE solver, pathwise against the exact flow."""

from __future__ import annotations

import torch

from analytic.problems.problem import Problem
from si_verify.check import Check, Context
from si_verify.checks.ode_ladder import Grid, Ladder, non_uniform, uniform
from si_verify.checks.ode_setup import Trial, rms, trial
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

_PARTICLES = (16, 32, 64)  # by effort
_WHY = "claimed order; RMS over {} paths against the exact flow, {} grid, {} rungs from {} to {} steps"


def _applies(subject: Subject, problem: Problem) -> bool:
    return subject.claims.order is not None and not subject.claims.adaptive


def _measure_on(context: Context, grid: Grid, word: str) -> Outcome:
    measurements: list[Measurement] = []
    data: list[Data] = []
    claimed = float(context.subject.claims.order or 0.0)
    for backward in (False, True):
        name = f"{word}, {'backward' if backward else 'forward'}"
        task = trial(context, _PARTICLES[context.effort], backward)
        if task.dtype == torch.float32:
            measurements += _agreement(context, task, grid, name)
            continue
        ladder = Ladder.climb(task, context.implementation, grid, claimed, 3 + context.effort)
        counts = ladder.counts
        why = _WHY.format(_PARTICLES[context.effort], word, len(counts), counts[0], counts[-1])
        measurements += [ladder.order(name, why), ladder.divergence(name), *ladder.plateau(name)]
        data.append(ladder.data(name))
    return Outcome(tuple(measurements), tuple(data))


def _agreement(context: Context, task: Trial, grid: Grid, name: str) -> list[Measurement]:
    """float32 held to the same scheme in float64 on the same numbers: only rounding may lie between them.

    Order cannot be seen below rounding, so float32 is tied to float64, whose order is measured.
    """
    worst, at, bound = 0.0, 0, 0.0
    for n in (10, 46):
        times = task.times(grid(n))
        single, _ = task.solve(context.implementation, times)
        double, _ = task.solve(context.implementation, times.to(torch.float64))
        gap, limit = rms(single - double), task.floor(n)
        if at == 0 or not gap / limit <= worst:
            worst, at, bound = gap / limit, n, limit
    return [
        Measurement(
            name=f"float32 against float64, {name}",
            value=worst * bound,
            bound=bound,
            origin="rounding",
            why=f"(n + 16)·eps·|x|·amplification of the flow at n = {at}, the worse of 10 and 46 steps",
        )
    ]


def _uniform(context: Context) -> Outcome:
    return _measure_on(context, uniform, "uniform")


def _non_uniform(context: Context) -> Outcome:
    return _measure_on(context, non_uniform, "non-uniform")


_PROBLEMS = {
    "quick": "correlated-2d",
    "standard": "order and exact-flow and not costly",
    "full": "order and not costly",
}

CHECKS = (
    Check(
        name="ode-order",
        claim="On equal steps the pathwise error falls with the claimed order, forward and backward in time "
        "(arXiv:2303.08797, probability flow; exact flows of MATH §4)",
        quick_dtypes=("float64",),
        scope={
            "standard": "not variant and (correlated-2d, product-2d, "
            "dtype=float64 and (one-sided-vp-1d, entropic-bridge-2d, 1d-bimodal-to-trimodal-trigonometric))"
        },
        kinds=frozenset({"ode"}),
        measure=_uniform,
        problems=_PROBLEMS,
        applies=_applies,
        tags=frozenset({"order"}),
        cost=0.5,
    ),
    Check(
        name="ode-order-non-uniform",
        claim="On unequal steps (neighbours 6 : 4, all within 1 : 4.5) the pathwise error falls with the claimed "
        "order, forward and backward in time",
        quick_dtypes=("float64",),
        scope={"standard": "not variant and (product-2d, dtype=float64 and correlated-2d)"},
        kinds=frozenset({"ode"}),
        measure=_non_uniform,
        problems={**_PROBLEMS, "quick": "product-2d"},
        applies=_applies,
        tags=frozenset({"order"}),
        cost=0.5,
    ),
)
