"""Terminal law of a sampler on a mixture: moments, modes, tails and the whole distribution, from a large sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from si_verify.check import Check, Context
from si_verify.laws.statistics import Row, kolmogorov_row, moment_functions, moment_row, projected_cdf, tail_row
from si_verify.measurement import Data, Outcome
from si_verify.sampling.interface import stochastic
from si_verify.sampling.trial import SamplerTrial
from si_verify.stats import split
from si_verify.subject import Subject

_ROWS = (4096, 8192, 65536)
_STEPS = (128, 160, 320)
# |stat(h) − stat(h/2)| times this bounds the bias left at h/2 for first order and above, with a safety of two.
_EXCUSE = 2.0


@dataclass(frozen=True, eq=False)
class SamplerSample:
    """fine, coarse (N, D) from the same starting points with n and about n/2 steps; ``law`` the exact law of the end.

    jump (two (M, D)): exact samples of the level before the declared last jump, carried on by the flow and by the jump.
    """

    fine: np.ndarray
    coarse: np.ndarray
    law: Any
    excuse: float
    jump: tuple[np.ndarray, np.ndarray] | None


def measure(ctx: Context) -> Outcome:
    """All statistics of the finer of two runs."""
    trial = SamplerTrial(ctx)
    steps = trial.counts(_STEPS[ctx.effort] // 2, _STEPS[ctx.effort], 2)
    sample = _draw(trial, steps, _ROWS[ctx.effort])
    rows = _statistics(sample, ctx.alpha)
    label = f"{steps[-1]} steps"
    blurred = (
        f"{label}: draws its own noise, so two step sizes share no path: the excuse for the step size holds the "
        "sampling noise of both runs, and effects below about three critical values are not seen"
    )
    notes = (blurred,) if trial.stochastic else ()
    return Outcome(tuple(row.measurement(label) for row in rows), (_picture(rows, label),), notes)


def _draw(trial: SamplerTrial, steps: list[int], rows: int) -> SamplerSample:
    answers = [
        trial.run(trial.start(trial.ends(n).start, rows, stream=3), n, seed=trial.ctx.seed + k & 0x7FFFFFFF)[0]
        for k, n in enumerate((steps[0], steps[-1]))
    ]
    ends, jump = trial.ends(steps[-1]), None
    if ends.jump_from is not None:
        x = trial.start(ends.jump_from, rows, stream=4)
        jump = tuple(move(x, ends.jump_from, ends.end) for move in (trial.reference.flow, trial.reference.jump))
    return SamplerSample(answers[1], answers[0], trial.reference.law(ends.end), _EXCUSE, jump)  # type: ignore[arg-type]


def _statistics(sample: SamplerSample, alpha: float) -> list[Row]:
    functions = list(moment_functions(sample.law))
    dim = min(sample.fine.shape[1], 4)
    each = split(alpha, len(functions) + 3 * dim)
    given: Any = sample
    rows = []
    for name, f, expected in functions:
        rows.append(_with_jump(moment_row(name, f, expected, given, each), sample, f))
    for i in range(dim):
        axis = np.eye(sample.fine.shape[1])[i]

        def cdf(x: np.ndarray, axis: np.ndarray = axis) -> np.ndarray:
            return projected_cdf(sample.law, axis, x)

        u, v = cdf(sample.fine), cdf(sample.coarse)
        low = _with_jump(tail_row(f"lower 1 % tail of x{i}", u, v, given, each), sample, lambda x, c=cdf: c(x) < 0.01)
        up = tail_row(f"upper 1 % tail of x{i}", 1.0 - u, 1.0 - v, given, each)
        rows += [low, _with_jump(up, sample, lambda x, c=cdf: c(x) > 0.99)]
        whole = kolmogorov_row(f"Kolmogorov distance of x{i}", u, v, given, each)
        rows.append(whole if sample.jump is None else _widened(whole, _distance(*(cdf(x) for x in sample.jump))))
    return rows


def _with_jump(row: Row, sample: SamplerSample, f: Any) -> Row:
    """The row with its bound widened by what the declared last jump does to E[f]."""
    if sample.jump is None:
        return row
    flowed, jumped = (np.asarray(f(x), dtype=float) for x in sample.jump)
    return _widened(row, abs(float(np.mean(jumped - flowed))))


def _widened(row: Row, by: float) -> Row:
    return replace(row, allowance=row.allowance + by)


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    a, b = np.sort(first), np.sort(second)
    both = np.concatenate([a, b])
    return float(np.abs(np.searchsorted(a, both, "right") / a.size - np.searchsorted(b, both, "right") / b.size).max())


def _picture(rows: list[Row], label: str) -> Data:
    return Data(
        "law",
        f"Terminal law, {label}",
        {
            "statistic": [r.name for r in rows],
            "value": [r.value for r in rows],
            "bound": [r.critical + r.allowance for r in rows],
            "detectable": [r.detectable + r.allowance for r in rows],
        },
        {"confidence": 1.0 - sum(r.alpha for r in rows), "label": label},
    )


def applies(subject: Subject, problem: object) -> bool:
    return stochastic(subject.claims) or subject.claims.order is not None


CHECK = Check(
    name="sampler-law",
    claim="Started from the exact law of its first noise level, a sampler ends with the means, variances, mode "
    "weights, tails and distribution of its last one (arXiv:2303.08797, Theorems 2.6 and 2.9)",
    scope={"standard": "not variant"},
    kinds=frozenset({"sampler"}),
    measure=measure,
    problems={
        "quick": "one-sided-vp-1d",
        "standard": "one-sided-vp-1d",
        "full": "one-sided-vp-1d or one-sided-vp",
    },
    applies=applies,
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"sampler", "law", "sampling"}),
    cost=2.0,
)
