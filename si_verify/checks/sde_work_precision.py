"""Work against precision of an SDE solver: errors of the terminal law against evaluations of the drift and time."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context, Inapplicable
from si_verify.laws.terminal_sample import family_member, stepper
from si_verify.laws.work_precision import BUDGETS, Table, errors
from si_verify.measurement import Outcome
from si_verify.sde.brownian import BrownianPath
from si_verify.sde.equation import grid
from si_verify.subject import Subject

_ROWS = (1024, 4096, 16384)
_DEARER = (200, 500)


@dataclass(eq=False)
class _Counting:
    """Fields that count the points they are asked at: velocity and score of one point are one evaluation."""

    fields: Any
    calls: int = 0
    last: tuple[float, torch.Tensor] | None = None

    @property
    def interpolant(self) -> Any:
        return self.fields.interpolant

    def __call__(self, t: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.last is None or self.last[0] != float(t) or self.last[1] is not x:
            self.calls += 1
        self.last = float(t), x
        both: tuple[torch.Tensor, torch.Tensor] = self.fields(t, x)
        return both


def measure(ctx: Context) -> Outcome:
    """Every budget from the same starting points and Brownian paths; that the law gets no worse, judged."""
    eq = family_member(ctx, "constant", "forward")
    rows, seeds = _ROWS[ctx.effort], np.random.SeedSequence([ctx.seed, 5]).generate_state(3)
    start = np.asarray(eq.law(eq.span[0]).sample(rows, np.random.default_rng(seeds[0])))
    x0 = torch.tensor(start, dtype=ctx.dtype, device=ctx.device)
    law = eq.law(eq.span[1])
    exact = np.asarray(law.sample(rows, np.random.default_rng(seeds[1])))
    unit = float(np.sqrt(np.trace(np.asarray(law.covariance())) / eq.dim))
    table = Table()

    def timed(n: int, x: torch.Tensor) -> tuple[torch.Tensor, int, float]:
        counting = _Counting(eq.fields)
        times = grid(eq.span, n, ctx.dtype, ctx.device)
        path = BrownianPath.sample(times.tolist(), len(x), eq.channels, int(seeds[2]), ctx.dtype, ctx.device)
        run = stepper(ctx, replace(eq, fields=counting))
        begin = time.perf_counter()
        answer = run(x, times, path, 0)
        return answer, counting.calls, time.perf_counter() - begin

    few, more = (timed(n, x0[:8])[1] for n in (8, 16))
    for n in _counts(ctx, (more - few) / 8):
        timed(n, x0[:8])  # fills the fields' memory of times
        answer, calls, seconds = timed(n, x0)
        found = errors(answer.detach().double().cpu().numpy(), exact, law, unit, False)
        table.add({"nfe": float(calls), "seconds": seconds, **found})
    if len(table) < 2:
        raise Inapplicable(f"fewer than two of the budgets {BUDGETS} allow a run")
    judged = table.judge_laws(rows, eq.dim, ctx.alpha)
    return Outcome((judged, *table.shown()), (table.data(ctx.subject.name, "drift"),))


def _counts(ctx: Context, cost: float) -> list[int]:
    """Step counts within every budget, the fewest first; ``cost``: evaluations of one step more, as counted."""
    budgets = BUDGETS if ctx.effort == 0 else (*BUDGETS, *_DEARER)
    return sorted({int(budget / max(cost, 1.0)) for budget in budgets if budget >= 2 * cost})


def applies(subject: Subject, problem: object) -> bool:
    return not subject.claims.adaptive


CHECK = Check(
    name="sde-work-precision",
    claim="More evaluations of the drift do not bring the terminal law further from ρ; how much nearer they bring it "
    "is the leaderboard (arXiv:2303.08797, Theorems 2.8 and 2.9)",
    scope={"standard": "1d-bimodal"},
    kinds=frozenset({"sde"}),
    measure=measure,
    problems={
        "quick": "",
        "standard": "1d-bimodal or correlated-mixture-2d",
        "full": "1d-bimodal or correlated-mixture-2d or product-3d",
    },
    applies=applies,
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"sde", "sampling", "work-precision"}),
    cost=1.0,
)
