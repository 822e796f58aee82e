"""Work against precision of a sampler: errors at 5, 10, 20, 50 and 100 evaluations of the model, and the time taken."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from si_verify.check import Check, Context, Inapplicable
from si_verify.laws.statistics import projected_cdf
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.sampling.trial import SamplerTrial
from si_verify.stats import split
from si_verify.subject import Subject

BUDGETS = (5, 10, 20, 50, 100)
_ROWS = (1024, 1024, 8192)
_ERRORS = {
    "error_rms": "root mean square path error",
    "error_w2": "Wasserstein error",
    "error_energy": "energy distance",
    "distance": "Kolmogorov distance",
}


def measure(ctx: Context) -> Outcome:
    """Errors of the largest number of steps that each budget allows, shown; that they fall at all, judged."""
    trial = SamplerTrial(ctx)
    table: dict[str, list[float | None]] = {k: [] for k in ("nfe", "seconds", *_ERRORS)}
    measurements = []
    for budget in BUDGETS:
        steps = _steps(trial, budget)
        if steps is None:
            continue
        row = _row(trial, steps, _ROWS[ctx.effort])
        for name, value in row.items():
            table[name].append(value)
        measurements += [
            Measurement(f"{_ERRORS[name]} at {budget} evaluations", value, origin="exact")
            for name, value in row.items()
            if name in _ERRORS and value is not None
        ]
    if len(table["nfe"]) < 2:
        raise Inapplicable(f"fewer than two of the budgets {BUDGETS} allow a run")
    data = Data("work-precision", "Error against evaluations of the model", table, {"label": ctx.subject.name})
    return Outcome((_judged(ctx, trial, table), *measurements), (data,))


def _judged(ctx: Context, trial: SamplerTrial, table: dict[str, list[float | None]]) -> Measurement:
    """Error at the largest budget against that at the smallest."""
    fewest = f"{table['nfe'][0]:.0f} evaluations"
    if not trial.stochastic:
        first, last = (float(table["error_rms"][i] or 0.0) for i in (0, -1))
        floor = trial.floor(int(table["nfe"][-1] or 1))
        return Measurement(
            "path error at the largest budget", last, max(first, floor), "at_most", "truncation",
            f"no larger than at {fewest} from the same starting points, or rounding",
        )  # fmt: skip
    first, last = (float(table["distance"][i] or 0.0) for i in (0, -1))
    # Dvoretzky–Kiefer–Wolfowitz with Massart's constant, for each of the two samples and every coordinate.
    each = split(ctx.alpha, 2 * min(trial.reference.dim, 4))
    radius = math.sqrt(math.log(2.0 / each) / (2.0 * _ROWS[ctx.effort]))
    return Measurement(
        "Kolmogorov distance at the largest budget", last, first + 2.0 * radius, "at_most", "sampling",
        f"no larger than at {fewest}, up to the noise of two samples of {_ROWS[ctx.effort]} at error rate "
        f"{ctx.alpha:.1g} ({2.0 * radius:.2g})",
        confidence=1.0 - ctx.alpha, detectable=first + 4.0 * radius,
    )  # fmt: skip


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
    rms = None if trial.stochastic else math.sqrt(float(np.mean((answer - exact) ** 2))) / unit
    return {
        "nfe": float(calls),
        "seconds": seconds,
        "error_rms": rms,
        "error_w2": _wasserstein(answer, exact) / unit,
        "error_energy": _energy(answer / unit, exact / unit),
        "distance": _kolmogorov(answer, trial.reference.law(ends.end)),
    }


def _kolmogorov(answer: np.ndarray, law: Any) -> float:
    """The largest distance between the distribution function of a coordinate and the exact one, over up to four."""
    n, dim = answer.shape
    if not np.isfinite(answer).all():
        return math.nan
    grid, worst = np.arange(n) / n, 0.0
    for axis in np.eye(dim)[:4]:
        u = np.sort(projected_cdf(law, axis, answer))
        worst = max(worst, float(np.max(u - grid)), float(np.max(grid + 1.0 / n - u)))
    return worst


def _wasserstein(first: np.ndarray, second: np.ndarray) -> float:
    """2-Wasserstein distance of two samples in one dimension; the root mean square over coordinates in several."""
    return math.sqrt(float(np.mean((np.sort(first, axis=0) - np.sort(second, axis=0)) ** 2)))


def _energy(first: np.ndarray, second: np.ndarray) -> float:
    """√(2 E|X − Y| − E|X − X'| − E|Y − Y'|), summed over coordinates: in one dimension the root of 2 ∫ (F − G)²."""
    total = 0.0
    for a, b in zip(np.sort(first, axis=0).T, np.sort(second, axis=0).T, strict=True):
        both = np.sort(np.concatenate([a, b]))
        gap = np.searchsorted(a, both[:-1], "right") / a.size - np.searchsorted(b, both[:-1], "right") / b.size
        total += 2.0 * float(np.sum(gap**2 * np.diff(both)))
    return math.sqrt(total)


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
