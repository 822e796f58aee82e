"""Order of a deterministic sampler, path by path against the exact probability flow."""

from __future__ import annotations

import numpy as np

from si_verify.check import Check, Context
from si_verify.measurement import Outcome
from si_verify.orders.rows import convergence
from si_verify.sampling.interface import stochastic
from si_verify.sampling.ladder import SamplerLadder
from si_verify.sampling.trial import SamplerTrial
from si_verify.subject import Subject

# So many paths smooth the error over the bends of a mixture's flow.
_ROWS = 256
_LAST = (56, 56, 80)
_MOST = (448, 448, 896)


def measure(ctx: Context) -> Outcome:
    """One fitted order, from the sampler's own first level to its own last, in its own clock."""
    claimed = ctx.subject.claims.order
    assert claimed is not None
    trial = SamplerTrial(ctx, rows=_ROWS)
    ladder = SamplerLadder.climb(
        trial.error, trial.floor, claimed, trial.counts, 10, _LAST[ctx.effort], _MOST[ctx.effort]
    )
    measurement = ladder.judged(
        "the path", "the claimed order, against the exact probability flow between the sampler's own end levels"
    )
    data = convergence(
        "Pathwise error against the exact flow", "path", ladder.counts, ladder.steps, ladder.errors,
        np.max(ladder.floors), claimed, ladder.fit,
    )  # fmt: skip
    return Outcome((measurement,), (data,))


def applies(subject: Subject, problem: object) -> bool:
    return subject.claims.order is not None and not stochastic(subject.claims)


CHECK = Check(
    name="sampler-order",
    claim="With the ideal model the sampler follows the probability flow from its first noise level to its last, "
    "path by path, with its claimed order in 1/steps (arXiv:2303.08797, Theorem 2.6; MATH.md section 8)",
    kinds=frozenset({"sampler"}),
    measure=measure,
    problems={
        "quick": "gaussian-1d",
        "standard": "gaussian-1d or one-sided-vp-1d",
        "full": "gaussian-1d or one-sided-vp-1d or gaussian-2d-crossed or gaussian-8d",
    },
    applies=applies,
    dtypes=("float64",),
    tags=frozenset({"sampler", "order", "noise-free"}),
    cost=1.0,
)
