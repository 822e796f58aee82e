"""History: every number of every case over the records of many commits, and where it stepped.

A step lies between two records if the later number is beyond the range of all since the last step, and the record
after it says so too, on the same side. A lone outlier is neither a step nor part of a level; a change that only the
last record shows is a step not yet confirmed. The range of a number is what the data cannot exclude of it:

- its interval, where it has one; for throughputs widened by PRACTICAL, or by what records of one commit differ
  among themselves (A/A) if that is more;
- for numbers free of noise the gate's MARGIN of itself, or the rounding floor where that is more;
- for sampled ones the smallest effect that the check would have seen; for rounding errors their bound.

A number with none of these has no known noise: it is drawn and never steps.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from si_verify.gate import Verdict
from si_verify.record import MeasurementRow, Record, Result

RULE = (
    "A step is a number beyond the range of all since the last step, confirmed by the record after it; "
    "what only the last record shows is not yet confirmed."
)
# What may differ between the records of one history: it is what a step may come from.
_MAY_CHANGE = ("torch", "numpy", "python", "driver", "cuda", "select")
_AMPLIFIED = 1e4  # where nothing else is known, so many eps are rounding after a solve (as for the gate)
_EPS = {name: float(np.finfo(name).eps) for name in ("float64", "float32", "float16")}
_BAD = (Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.ERROR)
_GOOD = (Verdict.PASSED, Verdict.EXPECTED_FAILURE)


@dataclass(frozen=True)
class Point:
    """One record's number; ``record`` is its place among the records given, ``low`` and ``high`` its range or NaN."""

    record: int
    verdict: Verdict
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Step:
    """``at``: the first point after it; ``worse``: whether the change is for the worse."""

    at: int
    before: float
    after: float
    worse: bool
    confirmed: bool


@dataclass(frozen=True)
class Series:
    """One measurement of one case, or its verdict (``name`` is ""), in the order in which the records were made."""

    case: str
    name: str
    unit: str
    points: tuple[Point, ...]
    steps: tuple[Step, ...] = ()

    @property
    def rank(self) -> tuple[int, str, str]:
        """Steps for the worse first, those that are confirmed before those that are not."""
        best = min((2 * (not s.worse) + (not s.confirmed) for s in self.steps), default=9)
        return best, self.case, self.name


def letter(index: int) -> str:
    """The short name of a record among several: A, B, … Z, A1, B1, …"""
    return chr(65 + index % 26) + (str(index // 26) if index >= 26 else "")


def timeline(records: Sequence[Record]) -> list[list[int]]:
    """Places of the records that share a history (machine, settings), each in the order in which they were made."""
    # Here and below: what imports torch waits until there are several records; a page of one does without.
    from si_verify.regression.comparable import conditions

    groups: dict[str, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        shared = {k: v for k, v in conditions(record).items() if k not in _MAY_CHANGE}
        groups[repr(sorted(shared.items()))].append(index)
    return [sorted(g, key=lambda i: (_made(records[i]), i)) for g in groups.values()]


def _made(record: Record) -> float:
    try:
        return datetime.fromisoformat(record.header.created).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.inf  # a record that does not say when comes last


def histories(records: Sequence[Record]) -> list[Series]:
    """Every series of two or more points, with its steps; worst first."""
    found: list[Series] = []
    for group in timeline(records):
        if len(group) > 1:
            found += _of_group(records, group)
    return sorted(found, key=lambda s: s.rank)


def _of_group(records: Sequence[Record], group: Sequence[int]) -> Iterable[Series]:
    from si_verify.bench.measure import CHECK as THROUGHPUT

    numbers: dict[tuple[str, str], list[tuple[Point, MeasurementRow]]] = defaultdict(list)
    verdicts: dict[str, list[Point]] = defaultdict(list)
    for index in group:
        for result in records[index].results:
            verdicts[result.id].append(Point(index, result.verdict, _grade(result.verdict), math.nan, math.nan))
            for row in result.measurements:
                value = float(row.value)
                low, high = _range(row, result)
                numbers[result.id, row.name].append((Point(index, result.verdict, value, low, high), row))
    speeds = {r.id for index in group for r in records[index].results if r.check == THROUGHPUT}
    for case, points in verdicts.items():
        if len(points) > 1:
            yield Series(case, "", "", tuple(points), tuple(_verdict_steps(points)))
    for (case, name), pairs in numbers.items():
        if len(pairs) < 2:
            continue
        timed = case in speeds and name != "error"
        given = [p for p, _ in pairs]
        points = _widened(given, records) if timed else given
        falls = timed or pairs[-1][1].relation == "at_least"
        yield Series(case, name, pairs[-1][1].unit, tuple(points), tuple(_steps(points, falls)))


def _grade(verdict: Verdict) -> float:
    return 1.0 if verdict in _BAD else 0.0 if verdict in _GOOD else 0.5


def _range(row: MeasurementRow, result: Result) -> tuple[float, float]:
    from si_verify.regression.accuracy import MARGIN

    value = float(row.value)
    if not math.isfinite(value):
        return math.nan, math.nan
    if row.interval is not None:
        return float(row.interval[0]), float(row.interval[1])
    half = math.nan
    if row.origin == "rounding":
        half = abs(float(row.bound)) / 2 if row.bound is not None else math.nan
    elif row.origin == "sampling" or row.confidence is not None:
        half = float(row.detectable) / 2 if row.detectable is not None else math.nan
    else:
        half = max(MARGIN * abs(value), _AMPLIFIED * _EPS.get(result.dtype, math.inf)) / 2
    return value - half, value + half


def _widened(points: Sequence[Point], records: Sequence[Record]) -> list[Point]:
    """Ranges of timings with what separate runs of one commit differ by, at least the practical margin."""
    from si_verify.regression.speed import PRACTICAL

    by_commit: dict[str, list[float]] = defaultdict(list)
    for p in points:
        if records[p.record].header.commit and p.value > 0:
            by_commit[records[p.record].header.commit].append(p.value)
    noise = max((max(v) / min(v) - 1 for v in by_commit.values()), default=0.0)
    over = math.sqrt(1 + max(PRACTICAL, noise))
    return [replace(p, low=p.low / over, high=p.high * over) for p in points]


def _side(level: Sequence[Point], p: Point) -> int:
    if p.low > max(q.high for q in level):
        return 1
    return -1 if p.high < min(q.low for q in level) else 0


def _steps(points: Sequence[Point], falls: bool) -> Iterable[Step]:
    known = [(i, p) for i, p in enumerate(points) if p.low <= p.value <= p.high]
    if len(known) < 2:
        return
    level = [known[0][1]]
    for place in range(1, len(known)):
        at, p = known[place]
        side = _side(level, p)
        if side == 0:
            level.append(p)
            continue
        last = place + 1 == len(known)
        if last or _side(level, known[place + 1][1]) == side:
            yield Step(at, _middle(level), p.value, (side < 0) == falls, not last)
            level = [p]


def _middle(level: Sequence[Point]) -> float:
    return float(np.median([p.value for p in level]))


def _verdict_steps(points: Sequence[Point]) -> Iterable[Step]:
    """Where a case changed between good, undecided and bad, and stayed there."""
    level = points[0].value
    for at in range(1, len(points)):
        grade = points[at].value
        last = at + 1 == len(points)
        if grade != level and (last or points[at + 1].value == grade):
            yield Step(at, level, grade, grade > level, not last)
            level = grade
