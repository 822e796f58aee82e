"""Bias of a sampler: what is left in the limit of many steps."""

from __future__ import annotations

import math

import numpy as np

from si_verify.check import Check, Context, Inapplicable
from si_verify.measurement import Measurement, Outcome
from si_verify.sampling.clock import Level
from si_verify.sampling.interface import stochastic
from si_verify.sampling.law import LawErrors
from si_verify.sampling.reference import sampler_reference
from si_verify.sampling.trial import SamplerTrial
from si_verify.subject import Subject

# The limit is extrapolated from three counts; how far it may be off is taken as this share of what was extrapolated.
_SHARE = 0.5
_LAST = 320
# Below an extrapolation this small (of the spread) a bias is visible that matters to anyone.
_SEEN = 0.05


def measure(ctx: Context) -> Outcome:
    """Distance of the extrapolated answer from the exact one, and of the declared last level from the data."""
    trial = SamplerTrial(ctx)
    counts = _counts(trial)
    rows = _law_errors(trial, counts) if trial.stochastic else [_path_errors(trial, counts)]
    floor = max(trial.floor(n) for n in counts)
    measurements = []
    for name, order, errors in rows:
        bias, moved = _limit(counts, errors, order)
        bound = _SHARE * moved + 2.0 * floor
        measurements.append(
            Measurement(
                f"bias of {name} in the limit", bias, bound, "at_most", "truncation",
                f"half of the last refinement's extrapolated rest ({moved:.2g}) and rounding ({floor:.1g}), from "
                f"{', '.join(map(str, counts))} steps",
                detectable=bound, resolution=_SEEN,
            )
        )  # fmt: skip
        coarser, finest = max(_size(e) for e in errors[:-1]), _size(errors[-1])
        measurements.append(
            Measurement(
                f"error of {name} at {counts[-1]} steps", finest, max(coarser, 2.0 * floor), "at_most", "truncation",
                f"no larger than at {counts[0]} and {counts[1]} steps, or rounding ({floor:.1g})",
            )
        )  # fmt: skip
    return Outcome((*measurements, *_declared(trial, counts[-1])))


def _counts(trial: SamplerTrial) -> list[int]:
    """Three numbers of steps, each about twice the last, up to 320 or what the sampler accepts."""
    last = _LAST
    while last >= 4 * 9:
        counts = trial.counts(last // 4, last, 3)
        if len(counts) == 3 and counts[2] >= 1.5 * counts[1] and counts[1] >= 1.5 * counts[0]:
            return counts
        last //= 2
    raise Inapplicable("accepts no three numbers of steps from which a limit could be extrapolated")


_Errors = tuple[str, float | None, list[np.ndarray]]


def _path_errors(trial: SamplerTrial, counts: list[int]) -> _Errors:
    ends = trial.ends(counts[-1])
    keep = trial.regular(trial.start(ends.start, stream=1), ends)
    errors = []
    for n in counts:
        own = trial.ends(n)
        begin = trial.start(own.start, stream=1)[keep]
        errors.append((trial.run(begin, n)[0] - trial.exact(begin, own)) / trial.reference.spread(own.end))
    return "the path", trial.ctx.subject.claims.order, errors


def _law_errors(trial: SamplerTrial, counts: list[int]) -> list[_Errors]:
    laws = LawErrors(trial)
    order = trial.ctx.subject.claims.weak_order
    means = [(laws.law(n)[0] - laws.right(n)[0]) / laws.spread for n in counts]
    covs = [(laws.law(n)[1] - laws.right(n)[1]) / np.linalg.norm(laws.right(n)[1]) for n in counts]
    return [("the mean", order, means), ("the covariance", order, covs)]


def _limit(counts: list[int], errors: list[np.ndarray], order: float | None) -> tuple[float, float]:
    """(size of the error extrapolated to h = 0, size of what was extrapolated) from three refinements.

    The model B + c h^p + d h^(p+1) is solved exactly for B, with p the claimed order and with p = 1 and 2: the bias is
    to be what no reasonable order explains. The rest is how far these limits and those from the two finest counts
    alone lie from the finest answer.
    """
    h = 1.0 / np.array(counts, dtype=float)
    limits = []
    for p in {1.0, 2.0, order or 1.0}:
        table = np.stack([np.ones(3), h**p, h ** (p + 1.0)], axis=1)
        limits.append(sum(w * e for w, e in zip(np.linalg.inv(table)[0], errors, strict=True)))
        limits.append(errors[2] + (errors[2] - errors[1]) / ((counts[2] / counts[1]) ** p - 1.0))
    sizes = [_size(limit) for limit in limits]
    if not all(map(math.isfinite, sizes)):
        return math.nan, math.nan
    return min(sizes), max(_size(limit - errors[2]) for limit in limits)


def _size(error: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(error))))


def _declared(trial: SamplerTrial, steps: int) -> list[Measurement]:
    """What the sampler's own choice of levels costs, even if every step were exact: shown, not judged."""
    ends, reference = trial.ends(steps), trial.reference
    x = trial.start(ends.jump_from or ends.end, stream=2)
    rows: list[Measurement] = []
    if ends.jump_from is not None:
        miss = reference.jump(x, ends.jump_from, ends.end) - reference.flow(x, ends.jump_from, ends.end)
        rows.append(
            Measurement("error of the declared last jump", _size(miss) / reference.spread(ends.end), origin="exact")
        )
    if ends.end.s > 0.0:
        share = ends.end.s / ends.end.a / reference.spread(Level(1.0, 0.0))
        rows.append(Measurement("noise left at the declared last level, over the spread", share, origin="exact"))
    return rows


def applies(subject: Subject, problem: object) -> bool:
    return not stochastic(subject.claims) or sampler_reference(problem).gaussian


CHECK = Check(
    name="sampler-bias",
    claim="In the limit of many steps the sampler's answer is the exact one at its declared last level: no step is "
    "skipped or clamped, no level is missed (MATH.md section 9)",
    kinds=frozenset({"sampler"}),
    measure=measure,
    problems={
        "quick": "gaussian-1d",
        "standard": "gaussian-1d",
        "full": "gaussian-1d or gaussian-2d-crossed",
    },
    applies=applies,
    dtypes=("float64",),
    tags=frozenset({"sampler", "bias", "noise-free"}),
    cost=1.0,
)
