"""The history on a page of several records: steps in words, a picture of every series that steps, and all series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, log_y, specification
from reports.gallery import Gallery
from reports.wording import number, printable
from si_verify.record import Record, Result
from si_verify.regression.history import Series, Step, histories, letter

MAX_PLATES = 60  # pictures of steps; the rest are in the table
MAX_SERIES = 20_000  # series in the page's table, those with steps first
_LOGARITHMIC = 20.0  # numbers that differ by more than this factor are shown on a logarithmic axis


@dataclass(frozen=True)
class Marked:
    """A step in words. ``where``: the record after it; ``owner``: the result there."""

    series: Series
    step: Step
    where: int
    owner: Result
    before: str
    after: str
    confirmed: str


@dataclass(frozen=True)
class History:
    """``plates``: pictures of series with steps; ``rows``: all series as the page's script reads them."""

    steps: tuple[Marked, ...]
    plates: tuple[int, ...]
    rows: tuple[tuple[Any, ...], ...]
    left_out: int


@cache
def _spec(logarithmic: bool, ranges: bool) -> dict[str, Any]:
    place = alt.Axis(title=None, labelAngle=0, grid=False)
    x = alt.X("place:O", sort=alt.EncodingSortField(field="order", op="min"), axis=place, scale=alt.Scale(padding=0.5))
    plain = alt.Y("value:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(title="value", tickCount=6))
    y = log_y("value", "value") if logarithmic else plain
    points = alt.Chart(MAIN).transform_filter("isValid(datum.value)")
    layers: list[alt.Chart] = [
        points.transform_filter("datum.stepped").mark_rule(style="limit", strokeDash=[4, 3]).encode(x=x)
    ]
    if ranges:
        positive = " && datum.low > 0" if logarithmic else ""
        bars = points.transform_filter("isValid(datum.low) && isValid(datum.high)" + positive)
        layers.append(
            bars.mark_rule(strokeWidth=5, opacity=0.25, style="exact-line").encode(
                x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q")
            )
        )
    line = points.encode(x=x, y=y, detail=alt.Detail("level:N"))
    layers.append(line.mark_line(strokeWidth=1.5, style="exact-line"))
    tips = [alt.Tooltip(f"{n}:N") for n in ("record", "commit", "made", "value", "low", "high", "verdict")]
    layers.append(line.encode(tooltip=tips).mark_point(filled=True, size=50, style="history-point"))
    return specification(alt.layer(*layers))


def _columns(series: Series, records: Sequence[Record]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        n: [] for n in ("record", "commit", "made", "verdict", "value", "low", "high", "stepped")
    }
    columns |= {"place": [], "order": [], "level": []}
    level = 0
    for i, p in enumerate(series.points):
        header = records[p.record].header
        stepped = any(s.at == i for s in series.steps)
        level += stepped
        row = {
            "record": letter(p.record),
            "commit": printable(header.commit[:8]) or "–",
            "made": printable(header.created[:10]),
            "verdict": p.verdict.value,
            **{n: v if math.isfinite(v) else None for n, v in (("value", p.value), ("low", p.low), ("high", p.high))},
            "stepped": stepped,
            "place": f"{letter(p.record)} {printable(header.commit[:7])}".strip(),
            "order": i,
            "level": level,
        }
        for name, value in row.items():
            columns[name].append(value)
    return columns


def _words(series: Series, step: Step) -> tuple[str, str]:
    if series.name:
        unit = f" {series.unit}" if series.unit else ""
        return number(step.before) + unit, number(step.after) + unit
    before, after = (series.points[i].verdict.value.replace("_", " ") for i in (step.at - 1, step.at))
    return before, after


def _plate(gallery: Gallery, series: Series, owner: int, result: Result, records: Sequence[Record]) -> int:
    values = [p.value for p in series.points if math.isfinite(p.value)]
    spread = max(values) / min(values) if values and min(values) > 0 else 0.0
    ranges = any(p.low <= p.high for p in series.points)
    gallery.data.append({"columns": _columns(series, records), "thinned": 0})
    told = []
    for step in series.steps:
        before, after = _words(series, step)
        said = "confirmed by the record after it" if step.confirmed else "not yet confirmed"
        word = "worse" if step.worse else "better"
        told.append(f"{letter(series.points[step.at].record)}: {before} → {after}, {word}, {said}.")
    gallery.plates.append(
        {
            "kind": "history",
            "title": printable(series.name),
            "check": result.check,
            "problem": result.problem,
            "dtype": result.dtype,
            "notes": [printable(t) for t in told],
            "sheets": [[len(gallery.data) - 1, "", "history"]],
            "owners": [owner],
            "captions": [],
            "legend": False,
            "spec": gallery.spec(_spec(spread > _LOGARITHMIC, ranges)),
            "shape": "curve",
            "panels": 1,
            "together": 1,
            "tables": {},
            "params": {},
        }
    )
    return len(gallery.plates) - 1


def build(records: Sequence[Record], results: Sequence[Result], which: Sequence[int], gallery: Gallery) -> History:
    """The history of ``records``; its pictures are added to ``gallery``. Empty for records without a common past."""
    found = histories(records)
    owner = {(r.id, n): i for i, (r, n) in enumerate(zip(results, which, strict=True))}
    steps: list[Marked] = []
    plates: list[int] = []
    rows: list[tuple[Any, ...]] = []
    for series in found:
        for step in series.steps:
            where = series.points[step.at].record
            before, after = _words(series, step)
            said = "" if step.confirmed else "not yet confirmed"
            steps.append(Marked(series, step, where, results[owner[series.case, where]], before, after, said))
        last = owner[series.case, series.points[-1].record]
        if series.steps and series.name and len(plates) < MAX_PLATES:
            plates.append(_plate(gallery, series, last, results[last], records))
        if series.name and len(rows) < MAX_SERIES:
            values = [p.value if math.isfinite(p.value) else None for p in series.points]
            at = [s.at if s.worse else -s.at for s in series.steps]
            where_at = [p.record for p in series.points]
            rows.append((last, printable(series.name), printable(series.unit), where_at, values, at))
    named = sum(bool(s.name) for s in found)
    # A failure that is new tells more than the number behind it.
    steps.sort(key=lambda m: (not m.step.worse, not m.step.confirmed, bool(m.series.name)))
    return History(tuple(steps), tuple(plates), tuple(rows), named - len(rows))
