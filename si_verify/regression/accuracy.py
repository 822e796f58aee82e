"""Accuracy: verdicts by their own bounds, coverage that was lost, and noise-free numbers that grew.

The same seed repeats a noise-free number to rounding, so that its ratio to the baseline may be held to 1 % where no
bound of its own would notice. A number that rounding could move by as much is left to its own bound:
|δ|/value ≤ floor/value ≤ MARGIN  iff  value ≥ floor/MARGIN.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from si_verify.bench.measure import CHECK as THROUGHPUT
from si_verify.gate import Verdict
from si_verify.record import DataRow, MeasurementRow, Record, Result
from si_verify.regression.change import Change, Kind

MARGIN = 0.01
# Where a check states no rounding floor of its own: so many eps are rounding after a solve.
_AMPLIFIED = 1e4
_EPS = {name: float(np.finfo(name).eps) for name in ("float64", "float32", "float16")}
_JUDGED = (Verdict.PASSED, Verdict.EXPECTED_FAILURE, Verdict.INCONCLUSIVE)


@dataclass(frozen=True)
class _Number:
    """``up``: larger is worse. ``floor``: how much of the value may be rounding."""

    value: float
    up: bool
    floor: float
    interval: tuple[float, float] | None = None


def compare_accuracy(base: Record, head: Record) -> list[Change]:
    """One change per case at least: its worst number, or that it failed, is lost or new."""
    then, now = ({r.id: r for r in record.results} for record in (base, head))
    found: list[Change] = []
    for result in head.results:
        found += _judged(then.get(result.id), result)
    for result in base.results:
        if result.id not in now and result.verdict is not Verdict.SKIPPED:
            why = f"the baseline has it ({result.verdict}), this record has not: coverage is lost"
            found.append(Change(Kind.LOST, result.id, why=why, reproduce=result.reproduce))
    if len(head.results) < head.header.planned:
        why = f"{len(head.results)} results of {head.header.planned} planned: the run did not finish"
        found.append(Change(Kind.ERROR, "record", why=why))
    return found


def _judged(base: Result | None, head: Result) -> list[Change]:
    def one(kind: Kind, why: str) -> list[Change]:
        return [Change(kind, head.id, why=why, reproduce=head.reproduce)]

    if head.verdict in (Verdict.FAILED, Verdict.UNEXPECTED_PASS):
        return one(Kind.FAILED, head.reason)
    if head.verdict is Verdict.ERROR:
        return one(Kind.ERROR, head.reason)
    if base is None:
        return one(Kind.NEW, "not in the baseline")
    if head.verdict is Verdict.SKIPPED:
        if base.verdict in _JUDGED:
            return one(Kind.LOST, f"{base.verdict} in the baseline, skipped now: {head.reason}")
        return []
    if head.verdict is Verdict.INCONCLUSIVE and base.verdict is Verdict.PASSED:
        return one(Kind.AMBIGUOUS, f"passed in the baseline, now {head.reason}")
    changes = [c for c in _numbers_changed(base, head) if c.kind is not Kind.SAME]
    if changes:
        return [_worst([c for c in changes if c.kind is not Kind.BETTER] or changes)]
    compared = len(_shared(base, head))
    return [Change(Kind.SAME, head.id, why=f"{compared} noise-free numbers within {MARGIN:.0%}", count=compared)]


def _worst(changes: list[Change]) -> Change:
    """The largest of a case's changes stands for all of them."""
    first = max(
        changes, key=lambda c: (c.kind is Kind.LOST, abs(math.log(c.ratio)) if 0 < c.ratio < math.inf else 1e300)
    )
    more = f", and {len(changes) - 1} more numbers of this case" if len(changes) > 1 else ""
    return dataclasses.replace(first, why=first.why + more, count=len(changes))


def _shared(base: Result, head: Result) -> dict[str, tuple[_Number, _Number]]:
    then, now = dict(_noise_free(base)), dict(_noise_free(head))
    return {name: (then[name], now[name]) for name in now if name in then}


def _numbers_changed(base: Result, head: Result) -> Iterator[Change]:
    lost = dict(_noise_free(base)).keys() - dict(_noise_free(head)).keys()
    for name in sorted(lost):
        yield Change(
            Kind.LOST, head.id, name, why="the baseline measured it, this record has not", reproduce=head.reproduce
        )
    for name, (then, now) in _shared(base, head).items():
        kind, ratio = _compare(then, now)
        why = f"{name}: {then.value:.6g} in the baseline, {now.value:.6g} now"
        yield Change(kind, head.id, name, then.value, now.value, ratio, why=why, reproduce=head.reproduce)


def _compare(base: _Number, head: _Number) -> tuple[Kind, float]:
    a, b = abs(base.value), abs(head.value)
    ratio = b / a if a else (1.0 if b == 0 else math.inf)
    if max(a, b) < max(base.floor, head.floor) / MARGIN:
        return Kind.SAME, ratio
    if (
        base.interval
        and head.interval
        and base.interval[0] <= head.interval[1]
        and head.interval[0] <= base.interval[1]
    ):
        return Kind.SAME, ratio
    grown = (head.value - base.value) * (1 if base.up else -1)
    if abs(grown) <= MARGIN * a:
        return Kind.SAME, ratio
    return (Kind.WORSE if grown > 0 else Kind.BETTER), ratio


def _noise_free(result: Result) -> Iterator[tuple[str, _Number]]:
    if result.check == THROUGHPUT:
        return  # its shares of a ceiling are timings
    rounding = _AMPLIFIED * _EPS.get(result.dtype, math.inf)  # of a precision it does not know it compares nothing
    for row in result.measurements:
        number = _of_row(row, rounding)
        if number is not None:
            yield row.name, number
    for data in result.data:
        if data.kind == "convergence":
            yield from _of_convergence(data)


def _of_row(row: MeasurementRow, floor: float) -> _Number | None:
    if row.origin not in ("truncation", "exact") or row.confidence is not None or not math.isfinite(row.value):
        return None
    interval = (float(row.interval[0]), float(row.interval[1])) if row.interval else None
    return _Number(float(row.value), row.relation == "at_most", floor, interval)


def _of_convergence(data: DataRow) -> Iterator[tuple[str, _Number]]:
    """Errors on every rung; a rung whose error was sampled is not noise-free, one without a floor says nothing."""
    floor = data.meta.get("floor")
    errors, steps = data.columns.get("error", []), data.columns.get("n", [])
    sampled = data.columns.get("error_low", [None] * len(errors))
    if not _is_number(floor):
        return
    label = str(data.meta.get("label", ""))
    label = data.title if label in data.title else f"{data.title}, {label}"
    for index, (error, low) in enumerate(zip(errors, sampled, strict=False)):
        if _is_number(error) and low is None:
            rung = steps[index] if index < len(steps) else index
            yield f"{label}, n = {rung}", _Number(error, True, floor)


def _is_number(value: object) -> TypeGuard[float]:
    """A record may come from anywhere: a column may hold anything."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
