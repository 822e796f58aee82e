"""Work against precision of an ODE solver: errors against evaluations of the velocity and against wall time."""

from __future__ import annotations

import time

import torch

from si_verify.check import Check, Context
from si_verify.checks.ode_setup import Trial, flow_of, trial
from si_verify.laws.work_precision import BUDGETS, Table, errors
from si_verify.measurement import Outcome
from si_verify.subject import Subject

_ROWS = (512, 2048, 8192)
_TOLERANCES = ((1e-1, 1e-3, 1e-5), (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6), tuple(10.0**-k for k in range(1, 10)))
_DEARER = (200, 500)


def measure(ctx: Context) -> Outcome:
    """Budgets of evaluations for a fixed step, tolerances for an adaptive one; that the error falls at all, judged."""
    task = trial(ctx, _ROWS[ctx.effort])
    law = ctx.problem.interpolant.marginal(task.end)
    table, most = Table(), 1
    for n, options in _runs(ctx):
        times = task.times(torch.linspace(0.0, 1.0, n + 1, dtype=torch.float64).numpy())
        # The first run fills the field's memory of times; the second one is timed.
        task.solve(ctx.implementation, times, **options)
        begin = time.perf_counter()
        answer, watched = task.solve(ctx.implementation, times, **options)
        seconds = time.perf_counter() - begin
        most = max(most, watched.calls)
        found = errors(answer.cpu().numpy(), task.exact.cpu().numpy(), law, _unit(task), True)
        table.add({"nfe": float(watched.calls), "seconds": seconds, **found})
    judged = table.judge_paths(task.floor(most) / _unit(task))
    return Outcome((judged, *table.shown()), (table.data(ctx.subject.name, "velocity"),))


def _runs(ctx: Context) -> list[tuple[int, dict[str, float]]]:
    """Steps and options of every run, the cheapest first."""
    if ctx.subject.claims.adaptive:
        return [(1, {"rtol": tol, "atol": tol}) for tol in _TOLERANCES[ctx.effort]]
    budgets = BUDGETS if ctx.effort == 0 else (*BUDGETS, *_DEARER)
    cost = ctx.subject.claims.evaluations_per_step or 1
    return [(n, {}) for n in sorted({max(1, budget // cost) for budget in budgets})]


def _unit(task: Trial) -> float:
    """Spread of the exact answers: the root mean square deviation of a coordinate."""
    exact = flow_of(task.problem)(task.x0, task.start, task.end)
    return float(exact.std(0, correction=0).square().mean().sqrt())


def applies(subject: Subject, problem: object) -> bool:
    return True


CHECK = Check(
    name="ode-work-precision",
    claim="More evaluations of the velocity do not make the answer worse; how much better they make it is the "
    "leaderboard (probability flow of arXiv:2303.08797, exact flows of MATH.md section 4)",
    kinds=frozenset({"ode"}),
    measure=measure,
    scope={"standard": "1d-bimodal and not variant"},
    problems={
        "quick": "",
        "standard": "product-2d or 1d-bimodal",
        "full": "product-2d or 1d-bimodal or correlated-2d or gaussian-8d",
    },
    applies=applies,
    dtypes=("float64",),
    tags=frozenset({"ode", "work-precision"}),
    cost=0.5,
)
