"""What an adaptive ODE solver's tolerance is worth at the time that was asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from typing import Any

import numpy as np

from analytic.flow import amplification
from analytic.problems.problem import Problem
from si_verify.check import Check, Context
from si_verify.checks.ode_setup import Trial, flow_of, rms, trial
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

_PARTICLES = 16
# Where in the span the answer is asked for: no simple fractions, so that no step ends there by accident, and well
# before the end, so that a solver that steps past the asked time stays where the field exists.
_SHARES = (0.4561, 0.2137, 0.6173)
# Further times to ask for, in steps: between two ends of steps, whatever the first fell on.
_OFFSETS = (0.37, 0.74)
_MANY_STEPS = 10
_TOTAL = (
    "steps·tol·√D·(1 + |x|)·amplification of the exact flow: error control promises a local error of at most "
    "tol·(1 + |x|) in each component at every accepted step; tol = {:.3g}, steps ≤ {} evaluations{}"
)
_BETWEEN = (
    "(2 + {:.3g})·tol·√D·(1 + |x|)·amplification: two answers asked for {:.3g} apart came from the same states but for "
    "{:.3g} steps, and each may err by one local error more, tol·(1 + |x|) in each component; tol = {:.3g}"
)


def _applies(subject: Subject, problem: Problem) -> bool:
    return subject.claims.adaptive


def _tolerances(context: Context) -> list[float]:
    """From 1e-3 down to where a method of the claimed order still needs only some hundred steps."""
    order = context.subject.claims.order or 4.0
    return [float(10**-e) for e in np.linspace(3.0, min(11.0, 0.5 + 2.0 * order), (3, 4, 5)[context.effort])]


@dataclass(frozen=True)
class Row:
    """One comparison: error against its bound, evaluations, and whether the solver stayed where the field exists."""

    error: float
    bound: float
    evaluations: int
    stayed: bool
    why: str
    rounding: float = 0.0

    def rank(self) -> tuple[bool, float]:
        """Worst last: runs that left the span (the field is frozen there) count only where no run stayed inside."""
        ratio = self.error / self.bound
        return self.stayed, math.inf if math.isnan(ratio) else ratio


@dataclass(frozen=True, eq=False)
class Answer:
    """What a run returned, and the times at which it asked for the field."""

    task: Trial
    x: Any
    times: list[float]
    stayed: bool

    def local(self, tol: float) -> float:
        """The local error that error control accepts: tol (1 + |x|) in each of D components."""
        return tol * math.sqrt(self.task.x0.shape[1]) * (1 + float(self.task.size.max()))


@dataclass
class Runs:
    """All runs in one direction: errors at the requested times by tolerance, and defects between nearby times."""

    context: Context
    backward: bool
    total: dict[float, Row]
    between: list[Row]
    beyond: float = 0.0
    tasks: dict[float, Trial] = field(default_factory=dict)

    def ask(self, share: float, tol: float) -> None:
        """Ask for the answer at ``share`` of the span and at times less than a step later."""
        earlier = self._solve(share, tol)
        steps = self._steps(len(earlier.times))
        for offset in _OFFSETS:
            later = self._solve(min(0.9, share * (1 + offset / steps)), tol)
            self.between.append(self._compare(earlier, later, tol))
            earlier = later

    def _steps(self, evaluations: int) -> int:
        return max(1, math.ceil(evaluations / (self.context.subject.claims.evaluations_per_step or 1)))

    def _solve(self, share: float, tol: float) -> Answer:
        low, high = self.context.problem.t_span
        span = (high - share * (high - low), high) if self.backward else (low, low + share * (high - low))
        if share not in self.tasks:
            self.tasks[share] = trial(self.context, _PARTICLES, self.backward, span=span)
        task = self.tasks[share]
        x, watched = task.solve(self.context.implementation, task.times(np.array([0.0, 1.0])), rtol=tol, atol=tol)
        answer = Answer(task, x, watched.times, watched.beyond <= 0.0)
        per_step = self.context.subject.claims.evaluations_per_step
        growth = task.amplified
        bound = self._steps(watched.calls) * answer.local(tol) * float(growth.max())
        why = _TOTAL.format(tol, watched.calls, f" / {per_step} a step" if per_step else "")
        rounding = task.floor(watched.calls)
        row = Row(rms(x - task.exact), bound + rounding, watched.calls, answer.stayed, why, rounding)
        self.total[tol] = max(self.total.get(tol, row), row, key=Row.rank)
        direction = -1.0 if self.backward else 1.0
        self.beyond = max(self.beyond, *(direction * (t - task.end) for t in watched.times), 0.0)
        return answer

    def _compare(self, first: Answer, second: Answer, tol: float) -> Row:
        """The later answer against the earlier one carried over by the exact flow."""
        flow, task = flow_of(first.task.problem), second.task
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first.times, second.times)))  # noqa: B905
        apart = sum(self._steps(len(a.times) - shared) if len(a.times) > shared else 0 for a in (first, second))
        moved = flow(first.x, first.task.end, task.end)
        # Where the two runs part: at the last time they both evaluated (but at most at the earlier answer).
        ends = (task.start, first.task.end)
        part = min(max(first.times[shared - 1] if shared else task.start, min(ends)), max(ends))
        at = flow(task.x0, task.start, part).cpu().numpy()
        growth = float(amplification(flow.flow, at, part, task.end, 6).max())
        rounding = task.floor(len(second.times), np.full(len(at), growth))
        bound = (2 + apart) * second.local(tol) * growth + rounding
        why = _BETWEEN.format(apart, abs(task.end - first.task.end), apart, tol)
        return Row(rms(second.x - moved), bound, len(second.times), first.stayed and second.stayed, why)


def _judged(name: str, row: Row) -> Measurement:
    return Measurement(name=name, value=row.error, bound=row.bound, origin="truncation", why=row.why)


def _proportion(rows: dict[float, Row], name: str, per_step: int) -> list[Measurement]:
    """How the error follows the tolerance: slopes between neighbouring tolerances, all of which must be out to fail.

    Error control per step gives error ~ tol^(p/(q+1)), p the advancing and q the estimating order, which is 1 for a
    pair that advances with its better formula; per unit step p/q. Half and three halves leave room for both. Runs of
    a few steps, which the span and not the tolerance has chosen, and runs at the rounding level say nothing of it.
    """
    kept = sorted(
        (tol, row.error)
        for tol, row in rows.items()
        if row.error > 10 * row.rounding and row.error > 0 and row.evaluations >= _MANY_STEPS * per_step
    )
    slopes = [math.log(b[1] / a[1]) / math.log(b[0] / a[0]) for a, b in pairwise(kept)]
    if len(slopes) < 2:
        return []
    overall = math.log(kept[-1][1] / kept[0][1]) / math.log(kept[-1][0] / kept[0][0])
    why = "error ~ tol^1 for a pair that advances with its better formula; {} says that {}"
    reach = (min(slopes), max(slopes))
    return [
        Measurement(
            f"error follows the tolerance, {name}", overall, 0.5, "at_least", "truncation",
            why.format("less than half", "the tolerance is hardly heeded"), interval=reach,
        ),
        Measurement(
            f"error overtakes the tolerance, {name}", overall, 1.5, "at_most", "truncation",
            why.format("more than three halves", "work is spent on accuracy nobody asked for"), interval=reach,
        ),
    ]  # fmt: skip


def _measure(context: Context) -> Outcome:
    measurements: list[Measurement] = []
    data: list[Data] = []
    for backward in (False, True):
        name = "backward" if backward else "forward"
        runs = Runs(context, backward, {}, [])
        for share in _SHARES[: 1 + context.effort]:
            for tol in _tolerances(context):
                runs.ask(share, tol)
        rows = runs.total
        measurements += [
            _judged(f"error at the requested time, {name}", max(rows.values(), key=Row.rank)),
            _judged(f"error between ends of steps, {name}", max(runs.between, key=Row.rank)),
            Measurement(
                name=f"field asked for beyond the requested time, {name}",
                value=runs.beyond,
                origin="exact",
                why="how far past the requested time the solver evaluated the field",
                unit="t",
            ),
        ]
        measurements += _proportion(rows, name, context.subject.claims.evaluations_per_step or 1)
        columns: dict[str, list[Any]] = {
            "rtol": list(rows),
            "error": [r.error for r in rows.values()],
            "evaluations": [r.evaluations for r in rows.values()],
            "bound": [r.bound for r in rows.values()],
        }
        meta = {"atol": "equal to rtol", "label": f"{context.subject.name}, {name}"}
        data.append(Data("tolerance", f"Achieved error against tolerance, {name}", columns, meta))
    return Outcome(tuple(measurements), tuple(data))


CHECK = Check(
    name="ode-tolerance",
    claim="At the requested time the error of an adaptive solver is what its tolerance promises: at most the local "
    "error it accepts, once a step, grown by the exact flow, wherever between two steps the time falls",
    scope={"standard": "not variant and (correlated-2d, dtype=float64 and one-sided-vp-1d)"},
    kinds=frozenset({"ode"}),
    measure=_measure,
    problems={
        "quick": "correlated-2d",
        "standard": "order and exact-flow and not costly and not high-dimensional",
        "full": "order and exact-flow and not costly",
    },
    applies=_applies,
    dtypes=("float64",),
    tags=frozenset({"tolerance"}),
    cost=0.7,
)
