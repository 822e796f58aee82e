"""Statistics of the terminal law as shares of their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, by_series, by_shape, dimmed, focus, log_axis, series_scale, specification
from reports.figures.columns import require_points
from reports.figures.drawer import Drawer, Drawing, Sheet


@cache
def _spec() -> dict[str, Any]:
    rows = (
        alt.Chart(MAIN)
        .transform_filter("isValid(datum.value) && datum.bound > 0")
        .transform_calculate(share="max(abs(datum.value) / datum.bound, 0.001)", seen="datum.detectable / datum.bound")
    )
    x = alt.X("share:Q", scale=alt.Scale(type="log", nice=False, padding=14), axis=log_axis("share of the bound", "x"))
    y = alt.Y("statistic:N", sort=None, axis=alt.Axis(title=None, labelLimit=150, grid=True, ticks=False, domain=False))
    offset = alt.YOffset("series:N", sort=None, scale=series_scale())
    limit = alt.Chart(alt.NamedData(name="limit")).encode(x=alt.X("share:Q"))
    tips = [alt.Tooltip(f"{n}:N") for n in ("series", "statistic", "value", "bound", "detectable")]
    base = rows.encode(y=y, yOffset=offset, color=by_series())
    layers = [
        limit.mark_rule(strokeWidth=1.2, style="limit"),
        base.transform_filter("datum.seen > 0")
        .encode(x=alt.X("seen:Q"))
        .mark_tick(thickness=1.5, size=9, opacity=dimmed(0.7)),
        base.encode(x=x, shape=by_shape(), tooltip=tips).mark_point(filled=True, size=52, opacity=dimmed(1)),
    ]
    return specification(alt.layer(*layers).add_params(focus()))


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([s.data for s in sheets], "bound")
    require_points([s.data for s in sheets], "value", positive=False)
    statistics = list(dict.fromkeys(str(v) for s in sheets for v in s.data.columns["statistic"]))
    unbounded = sum(b is None for s in sheets for b in s.data.columns["bound"])
    notes = [
        "Right of the line at 1 a statistic violates its bound. Ticks: the smallest effect that would have been seen."
    ]
    if unbounded:
        notes.append(f"{unbounded} of the values are shown in the table only: they are not judged.")
    return Drawing(
        spec=_spec(),
        captions=[""] * len(sheets),
        tables={"limit": {"share": [1.0]}},
        notes=notes,
        shape="rows",
        panels=max(1, len(statistics) * (2 + len(sheets))),
    )


DRAWER = Drawer(
    kind="law",
    heading="Terminal law",
    lead="Does the law that a sampler ends in agree with the closed form, statistic by statistic?",
    rank=60,
    columns=frozenset({"statistic", "value", "bound"}),
    draw=_draw,
    overlay=True,
)
