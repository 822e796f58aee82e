"""Error against step size, both logarithmic, beside the claimed orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, by_series, by_shape, dimmed, focus, log_x, log_y, series_scale, specification
from reports.figures.columns import gap_note, meta_number, meta_text, real, reals, require_points
from reports.figures.drawer import Drawer, Drawing, Sheet
from reports.wording import number

MAX_WIDTH = 4.0  # an interval of the order wider than this is no order


@cache
def _spec(x_label: str, guides: bool, floor: bool, interval: bool) -> dict[str, Any]:
    x, y = log_x("step", x_label), log_y("error", "error")
    points = alt.Chart(MAIN).transform_filter("datum.error > 0 && datum.step > 0")
    layers: list[alt.Chart] = []
    if guides:
        lines = alt.Chart(alt.NamedData(name="guides")).encode(
            x=alt.X("step:Q"), y=alt.Y("error:Q"), detail=alt.Detail("order:N")
        )
        layers.append(lines.mark_line(strokeDash=[5, 4], strokeWidth=1, style="guide", clip=True))
        tips = alt.Chart(alt.NamedData(name="tips")).encode(
            x=alt.X("step:Q"), y=alt.Y("error:Q"), text=alt.Text("label:N")
        )
        layers.append(tips.mark_text(style="side-note", align="left", dx=4, dy=9))
    if floor:
        rule = alt.Chart(alt.NamedData(name="floors")).encode(y=alt.Y("floor:Q"))
        layers.append(rule.mark_rule(strokeDash=[1, 3], style="guide"))
        layers.append(rule.mark_text(style="side-note", align="right", x="width", dy=-6, text="rounding floor"))
    if interval:
        bars = points.transform_filter("datum.error_low > 0 && datum.error_high > 0")
        layers.append(
            bars.mark_rule(strokeWidth=1).encode(
                x=x, y=alt.Y("error_low:Q"), y2=alt.Y2("error_high:Q"), color=by_series(), opacity=alt.value(0.5)
            )
        )
    curve = points.encode(x=x, y=y, color=by_series(), detail=alt.Detail("series:N"))
    layers.append(curve.mark_line(strokeWidth=1.5, opacity=dimmed(0.9)))
    dots = curve.encode(
        shape=by_shape(),
        fillOpacity=alt.condition("datum.used === false", alt.value(0), alt.value(1)),
        fill=alt.Fill("series:N", legend=None, sort=None, scale=series_scale()),
        tooltip=[alt.Tooltip(f"{n}:N") for n in ("series", "step", "n", "error", "used")],
    )
    layers.append(dots.mark_point(filled=False, size=44, strokeWidth=1.5, opacity=dimmed(1)))
    return specification(alt.layer(*layers).add_params(focus()))


def _used(sheet: Sheet) -> list[tuple[float, float]]:
    columns = sheet.data.columns
    used = columns.get("used") or [True] * len(columns["step"])
    rows = zip(map(real, columns["step"]), map(real, columns["error"]), used, strict=False)
    return [(h, e) for h, e, u in rows if h and e and h > 0 and e > 0 and u is not False]


def _shortfall(sheet: Sheet) -> float:
    order, claimed = meta_number(sheet.data, "order"), meta_number(sheet.data, "claimed")
    return math.inf if order is None or claimed is None else abs(order - claimed)


def _guides(sheets: Sequence[Sheet]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """One dashed line per claimed order, through the middle of a curve that claims it; and the labels."""
    lines: dict[str, list[Any]] = {"step": [], "error": [], "order": []}
    tips: dict[str, list[Any]] = {"step": [], "error": [], "label": []}
    ends: dict[float, tuple[float, float]] = {}
    everything = [math.log(e) for s in sheets for _, e in _used(s)] or [0.0]
    widest = max((h for s in sheets for h in reals(s.data, "step")), default=1.0)
    # The claim of an order is drawn through the curve that keeps it best.
    for sheet in sorted(sheets, key=_shortfall):
        order, rows = meta_number(sheet.data, "claimed"), sorted(_used(sheet))
        if order is None or order in ends or len(rows) < 2 or abs(order) > 50:
            continue
        (first, _), (h, e) = rows[0], rows[len(rows) // 2]
        # To the right end of the picture, unless that would be above all of it.
        room = (max(everything) - math.log(e)) / order if order > 0 else math.inf
        last = max(rows[-1][0], min(widest, h * _exp(room)))
        ends[order] = (last, math.log(e) + order * math.log(last / h))
        for step in (first, last):
            lines["step"].append(step)
            lines["error"].append(_exp(math.log(e) + order * math.log(step / h)))
            lines["order"].append(order)
    apart, above = (max(everything) - min(everything)) * 0.055, math.inf
    for order, (step, log_error) in sorted(ends.items(), key=lambda item: -item[1][1]):
        above = min(log_error, above - apart)
        for name, value in (("step", step), ("error", _exp(above)), ("label", f"order {number(order)}")):
            tips[name].append(value)
    return lines, tips


def _exp(power: float) -> float:
    return math.exp(max(-700.0, min(700.0, power)))


def _caption(sheet: Sheet) -> str:
    order, low, high, claimed = (meta_number(sheet.data, n) for n in ("order", "low", "high", "claimed"))
    fitted = "no fit" if order is None else f"fitted {order:.2f}"
    if order is not None and low is not None and high is not None:
        # Curves that are not straight give a number that means nothing.
        fitted = "no clear order" if high - low > MAX_WIDTH else f"{fitted} ({low:.2f} to {high:.2f})"
    words = f"{fitted}, claimed {number(claimed)}" if claimed is not None else f"{fitted}, nothing claimed"
    return words.replace("-", "−")


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([s.data for s in sheets], "step", "error")
    guides, tips = _guides(sheets)
    floors = [f for f in (meta_number(s.data, "floor") for s in sheets) if f is not None and f > 0]
    # A floor far below the data would only squeeze the curves together.
    lowest = min((e for s in sheets for _, e in _used(s)), default=1.0)
    floor = [max(floors)] if floors and max(floors) > lowest * 1e-3 else []
    interval = any({"error_low", "error_high"} <= set(s.data.columns) for s in sheets)
    hollow = sum(u is False for s in sheets for u in s.data.columns.get("used", ()))
    notes = gap_note([s.data for s in sheets])
    if hollow:
        notes.insert(0, "Hollow points did not enter the fit.")
    return Drawing(
        spec=_spec(meta_text(sheets[0].data, "x_label", "step size h"), bool(guides["step"]), bool(floor), interval),
        captions=[_caption(s) for s in sheets],
        tables={"guides": guides, "tips": tips, "floors": {"floor": floor}},
        notes=notes,
    )


DRAWER = Drawer(
    kind="convergence",
    heading="Order of convergence",
    lead="The slope of a curve is its order. Dashed: the claimed order, through the middle of the curve claiming it.",
    rank=30,
    columns=frozenset({"step", "error"}),
    draw=_draw,
    overlay=True,
)
