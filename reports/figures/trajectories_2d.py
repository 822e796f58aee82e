"""Paths in the plane, coloured by t from start to end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, RAMP, specification
from reports.figures.columns import require_points
from reports.figures.drawer import Drawer, Drawing, Sheet


@cache
def _spec() -> dict[str, Any]:
    plain = alt.Axis(title=None, grid=False, tickCount=5)
    x = alt.X("x:Q", scale=alt.Scale(zero=False), axis=plain)
    y = alt.Y("y:Q", scale=alt.Scale(zero=False), axis=plain)
    rows = alt.Chart(MAIN).transform_filter("isValid(datum.x) && isValid(datum.y)")
    # A line has one colour in Vega: each path is drawn as its segments, so that t can be read off it.
    segments = (
        rows.transform_window(
            next_x="lead(x)", next_y="lead(y)", groupby=["path"], sort=[alt.SortField("t")], frame=[None, None]
        )
        .transform_filter("isValid(datum.next_x)")
        .mark_rule(strokeWidth=1.1, opacity=0.6, strokeCap="round")
        .encode(x=x, y=y, x2=alt.X2("next_x:Q"), y2=alt.Y2("next_y:Q"), color=alt.Color("t:Q", legend=None, scale=RAMP))
    )
    ends = rows.transform_joinaggregate(first="min(t)", last="max(t)", groupby=["path"]).encode(x=x, y=y)
    layers = [
        segments,
        ends.transform_filter("datum.t == datum.first").mark_point(size=16, style="path-start"),
        ends.transform_filter("datum.t == datum.last").mark_point(size=16, filled=True, style="path-end"),
    ]
    return specification(alt.layer(*layers))


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([sheets[0].data], "t", "x", "y", positive=False)
    return Drawing(spec=_spec(), notes=["From ring (start) to dot (end); the colour is t."], shape="square")


DRAWER = Drawer(
    kind="trajectories-2d",
    heading="Trajectories in two dimensions",
    lead="How the mass travels in the plane.",
    rank=51,
    columns=frozenset({"path", "t", "x", "y"}),
    draw=_draw,
    legend=False,
)
