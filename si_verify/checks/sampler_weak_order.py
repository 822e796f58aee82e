"""Weak order of a stochastic sampler, measured with no sampling noise on Gaussian data."""

from __future__ import annotations

import numpy as np

from si_verify.check import Check, Context
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.rows import convergence
from si_verify.sampling.interface import stochastic
from si_verify.sampling.ladder import SamplerLadder
from si_verify.sampling.law import LawErrors
from si_verify.sampling.reference import sampler_reference
from si_verify.sampling.trial import SamplerTrial
from si_verify.subject import Subject

_LAST = (48, 48, 112)
_MOST = (192, 384, 640)


def measure(ctx: Context) -> Outcome:
    """Order of the mean and of the covariance of the answer, each over one ladder of probed laws."""
    claimed = ctx.subject.claims.weak_order
    assert claimed is not None
    trial = SamplerTrial(ctx)
    laws = LawErrors(trial)
    measurements: list[Measurement] = []
    data: list[Data] = []
    for label, error in (("covariance", laws.cov_error), ("mean", laws.mean_error)):
        ladder = SamplerLadder.climb(error, laws.floor, claimed, trial.counts, 10, _LAST[ctx.effort], _MOST[ctx.effort])
        why = "the claimed weak order; the law of the answer is exact, its noise was scripted"
        measurements.append(ladder.judged(label, why))
        data.append(
            convergence(
                f"Weak error of the {label}", label, ladder.counts, ladder.steps, ladder.errors,
                np.max(ladder.floors), claimed, ladder.fit,
            )
        )  # fmt: skip
    return Outcome(tuple(measurements), tuple(data))


def applies(subject: Subject, problem: object) -> bool:
    return subject.claims.weak_order is not None and stochastic(subject.claims) and sampler_reference(problem).gaussian


CHECK = Check(
    name="sampler-weak-order",
    claim="With the ideal model of Gaussian data, mean and covariance of a stochastic sampler's answer converge to "
    "those of its last noise level with its claimed weak order (arXiv:2303.08797, Theorem 2.9; MATH.md section 8)",
    scope={"standard": "gaussian-2d-crossed"},
    kinds=frozenset({"sampler"}),
    measure=measure,
    problems={
        "quick": "gaussian-1d",
        "standard": "gaussian-1d or gaussian-2d-crossed",
        "full": "gaussian-1d or gaussian-2d-crossed or gaussian-8d",
    },
    applies=applies,
    dtypes=("float64",),
    tags=frozenset({"sampler", "order", "noise-free"}),
    cost=2.0,
)
