"""Leaderboard: samplers beside one another, a row each: orders claimed and observed, errors at equal work, verdicts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.figures.columns import real
from reports.summary import counts
from reports.wording import SPELLINGS, number
from si_verify.gate import Verdict
from si_verify.record import Result

BUDGETS = (5, 10, 20, 50, 100)
_ORDER = ("sampler-order", "sampler-weak-order")
_WORK, _KIND = "sampler-work-precision", "work-precision"


@dataclass(frozen=True)
class Shown:
    """A table cell: what is read, and what it is sorted by (NaN last)."""

    text: str
    key: float


@dataclass(frozen=True)
class Row:
    """One sampler. ``verdict`` is the worst of its results; ``reason`` and ``link`` are that result's.

    detail: the whole reason; ``reason`` is without the numbers that an expected failure carries in brackets.
    """

    subject: str
    claimed: Shown
    observed: Shown
    errors: tuple[Shown, ...]
    verdict: Verdict
    reason: str
    detail: str
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
        errors=_errors(results),
        verdict=worst,
        reason=first.reason.partition(" [")[0] if worst is Verdict.EXPECTED_FAILURE else first.reason,
        detail=first.reason,
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


def _errors(results: list[Result]) -> tuple[Shown, ...]:
    """The Wasserstein error of the run that makes most of each budget; none where it would be the budget's before."""
    data = next((d for r in results if r.check == _WORK for d in r.data if d.kind == _KIND), None)
    rows: list[tuple[float, float]] = []
    if data is not None:
        pairs = zip(data.columns.get("nfe", ()), data.columns.get("error_w2", ()), strict=False)
        rows = [(n, e) for n, e in ((real(n), real(e)) for n, e in pairs) if n is not None and e is not None]
    shown = []
    for before, budget in itertools.pairwise((0, *BUDGETS)):
        within = [(n, e) for n, e in rows if before < n <= budget]
        shown.append(Shown(number(max(within)[1], 2), max(within)[1]) if within else _NOTHING)
    return tuple(shown)


def _version(results: list[Result]) -> str:
    for result in results:
        for proof in result.evidence:
            return f"{proof.module.partition('.')[0]} {proof.version}".strip()
    return ""


def severity(row: Row) -> int:
    """The place of the row's verdict from worst to mildest, to sort by."""
    return SPELLINGS[row.verdict].severity
