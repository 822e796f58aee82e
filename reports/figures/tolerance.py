"""Achieved error of an adaptive solver against the tolerance that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, by_series, by_shape, dimmed, focus, log_x, log_y, specification
from reports.figures.columns import gap_note, meta_number, reals, require_points
from reports.figures.drawer import Drawer, Drawing, Sheet
from reports.figures.error_curve import has_bound
from reports.wording import number


@cache
def _spec(bound: bool) -> dict[str, Any]:
    x, y = log_x("rtol", "tolerance asked for (rtol)"), log_y("error", "error achieved")
    rows = alt.Chart(MAIN).transform_filter("datum.rtol > 0")
    diagonal = alt.Chart(alt.NamedData(name="diagonal")).encode(x=alt.X("rtol:Q"), y=alt.Y("rtol:Q"))
    layers = [diagonal.mark_line(strokeDash=[5, 4], strokeWidth=1, style="guide")]
    if bound:
        held = rows.transform_filter("datum.bound > 0").encode(
            x=x, y=alt.Y("bound:Q"), color=by_series(), detail=alt.Detail("series:N")
        )
        layers.append(held.mark_line(strokeDash=[1, 3], strokeWidth=1.2, opacity=dimmed(0.8)))
    curve = rows.transform_filter("datum.error > 0").encode(x=x, y=y, color=by_series(), detail=alt.Detail("series:N"))
    layers.append(curve.mark_line(strokeWidth=1.5, opacity=dimmed(0.9)))
    dots = curve.encode(
        shape=by_shape(),
        size=alt.Size("evaluations:Q", legend=None, scale=alt.Scale(type="sqrt", zero=False, range=[24, 150])),
        tooltip=[alt.Tooltip(f"{n}:N") for n in ("series", "rtol", "error", "evaluations", "bound")],
    )
    layers.append(dots.mark_point(filled=True, opacity=dimmed(0.95)))
    return specification(alt.layer(*layers).add_params(focus()))


def _caption(sheet: Sheet) -> str:
    pairs = [(e / r) for r, e in zip(reals(sheet.data, "rtol"), reals(sheet.data, "error"), strict=False) if r > 0]
    atol = meta_number(sheet.data, "atol")
    worst = f"worst {number(max(pairs), 2)} × the tolerance" if pairs else ""
    return worst + (f", atol {number(atol)}" if atol is not None else "")


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([s.data for s in sheets], "rtol", "error")
    rtol = [r for s in sheets for r in reals(s.data, "rtol") if r > 0]
    notes = ["Dashed diagonal: the error is the tolerance. Larger points took more evaluations."]
    if has_bound(sheets):
        notes.append("Dotted: the bound.")
    return Drawing(
        spec=_spec(has_bound(sheets)),
        captions=[_caption(s) for s in sheets],
        tables={"diagonal": {"rtol": [min(rtol), max(rtol)] if rtol else []}},
        notes=notes + gap_note([s.data for s in sheets]),
    )


DRAWER = Drawer(
    kind="tolerance",
    heading="Error achieved against tolerance asked for",
    lead="A curve far above the diagonal promises an accuracy that it does not give.",
    rank=35,
    columns=frozenset({"rtol", "error"}),
    draw=_draw,
    overlay=True,
)
