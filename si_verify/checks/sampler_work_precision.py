"""Work against precision of a sampler: errors at 5, 10, 20, 50 and 100 evaluations of the model, and the time taken."""

from __future__ import annotations

import time

from si_verify.check import Check, Context, Inapplicable
from si_verify.laws.work_precision import BUDGETS, Table, errors
from si_verify.measurement import Outcome
from si_verify.sampling.trial import SamplerTrial
from si_verify.subject import Subject

_ROWS = (1024, 1024, 8192)


def measure(ctx: Context) -> Outcome:
    """Errors of the largest number of steps that each budget allows, shown; that they fall at all, judged."""
    trial, table = SamplerTrial(ctx), Table()
    rows = _ROWS[ctx.effort]
    for budget in BUDGETS:
        steps = _steps(trial, budget)
        if steps is not None:
            table.add(_row(trial, steps, rows))
    if len(table) < 2:
        raise Inapplicable(f"fewer than two of the budgets {BUDGETS} allow a run")
    if trial.stochastic:
        judged = table.judge_laws(rows, trial.reference.dim, ctx.alpha)
    else:
        judged = table.judge_paths(trial.floor(int(table.columns["nfe"][-1] or 1)))
    return Outcome((judged, *table.shown()), (table.data(ctx.subject.name, "model"),))


def _steps(trial: SamplerTrial, budget: int) -> int | None:
    """The most steps that the budget pays for; None if not even the fewest do."""
    allowed = trial.sampler.step_counts or range(2, budget + 1)
    cost = trial.sampler.evaluations or (lambda n: n)
    within = [n for n in allowed if cost(n) <= budget]
    return max(within, default=None)


def _row(trial: SamplerTrial, steps: int, rows: int) -> dict[str, float | None]:
    ends = trial.ends(steps)
    x = trial.start(ends.start, rows, stream=7)
    begin = time.perf_counter()
    answer, calls = trial.run(x, steps, seed=11)
    seconds = time.perf_counter() - begin
    exact = trial.reference.flow(x, ends.start, ends.end)
    unit = trial.reference.spread(ends.end)
    law = trial.reference.law(ends.end)
    return {"nfe": float(calls), "seconds": seconds, **errors(answer, exact, law, unit, not trial.stochastic)}


def applies(subject: Subject, problem: object) -> bool:
    return True


CHECK = Check(
    name="sampler-work-precision",
    claim="More evaluations of the model do not make a sampler worse; how much better they make it is the leaderboard",
    kinds=frozenset({"sampler"}),
    measure=measure,
    problems={
        "quick": "one-sided-vp-1d",
        "standard": "one-sided-vp-1d",
        "full": "one-sided-vp-1d or gaussian-2d-crossed or gaussian-8d",
    },
    applies=applies,
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"sampler", "work-precision"}),
    cost=0.5,
)
