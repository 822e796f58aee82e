"""Leaderboard: samplers beside one another, a row each: orders claimed and observed, errors at equal work, verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.summary import counts
from reports.wording import SPELLINGS, number
from si_verify.gate import Verdict
from si_verify.record import MeasurementRow, Result

BUDGETS = (5, 10, 20, 50, 100)
_ORDER = ("sampler-order", "sampler-weak-order")
_WORK = "sampler-work-precision"


@dataclass(frozen=True)
class Shown:
    """A table cell: what is read, and what it is sorted by (NaN last)."""

    text: str
    key: float


@dataclass(frozen=True)
class Row:
    """One sampler. ``verdict`` is the worst of its results; ``reason`` and ``link`` are that result's."""

    subject: str
    claimed: Shown
    observed: Shown
    errors: tuple[Shown, ...]
    verdict: Verdict
    reason: str
    link: str
    version: str


_NOTHING = Shown("–", math.nan)


def leaderboard(results: Sequence[Result]) -> list[Row]:
    """A row per sampler that has a result, those with the smallest error at the largest budget first."""
    by_subject: dict[str, list[Result]] = {}
    for result in results:
        if result.kind == "sampler":
            by_subject.setdefault(result.subject, []).append(result)
    rows = [_row(subject, found) for subject, found in by_subject.items()]
    return sorted(rows, key=lambda r: (math.isnan(r.errors[-1].key), r.errors[-1].key, r.subject))


def _row(subject: str, results: list[Result]) -> Row:
    worst = next(iter(counts(results)))
    first = next(r for r in results if r.verdict is worst)
    return Row(
        subject=subject,
        claimed=_claimed(results[0]),
        observed=_observed(results),
        errors=tuple(_error(results, budget) for budget in BUDGETS),
        verdict=worst,
        reason=first.reason if worst is not Verdict.PASSED else "",
        link=first.link,
        version=_version(results),
    )


def _claimed(result: Result) -> Shown:
    order, weak = result.claims.get("order"), result.claims.get("weak_order")
    if order is not None:
        return Shown(number(order), float(order))
    return Shown(f"{number(weak)} (weak)", float(weak)) if weak is not None else _NOTHING


def _observed(results: list[Result]) -> Shown:
    """The lowest fitted order with its interval: of the path, or of mean and covariance."""
    fits = [
        m
        for r in results
        if r.check in _ORDER
        for m in r.measurements
        if m.name.startswith("order of ") and m.interval is not None and math.isfinite(m.value)
    ]
    if not fits:
        return _NOTHING
    least = min(fits, key=lambda m: m.value)
    low, high = least.interval or (math.nan, math.nan)
    return Shown(f"{least.value:.2f} ({low:.2f} to {high:.2f})".replace("-", "−"), least.value)


def _error(results: list[Result], budget: int) -> Shown:
    """The Wasserstein distance of the answer's law from the exact one at a budget, over the law's spread."""
    found = [m for r in results if r.check == _WORK for m in r.measurements if _is_error(m, budget)]
    return Shown(number(found[0].value, 2), found[0].value) if found else _NOTHING


def _is_error(m: MeasurementRow, budget: int) -> bool:
    return m.name == f"Wasserstein error at {budget} evaluations"


def _version(results: list[Result]) -> str:
    for result in results:
        for proof in result.evidence:
            return f"{proof.module.partition('.')[0]} {proof.version}".strip()
    return ""


def severity(row: Row) -> int:
    """The place of the row's verdict from worst to mildest, to sort by."""
    return SPELLINGS[row.verdict].severity
