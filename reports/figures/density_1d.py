"""One-dimensional densities at several t: closed form beside the subject's samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, specification
from reports.figures.columns import require_points, times
from reports.figures.drawer import Drawer, Drawing, Sheet

# "t = 0.25" above each small multiple, with no more digits than it has.
T_HEADER = alt.Header(title=None, labelExpr="'t = ' + format(datum.value, '~r')", labelAnchor="start")


@cache
def _spec(sampled: bool) -> dict[str, Any]:
    x = alt.X("x:Q", scale=alt.Scale(nice=False, zero=False), axis=alt.Axis(title=None, tickCount=4, grid=False))
    y = alt.Y("height:Q", axis=None)
    rows = alt.Chart(MAIN)
    exact = rows.transform_calculate(height="datum.exact").encode(x=x, y=y)
    layers = [exact.mark_area(style="exact-area", line=False), exact.mark_line(style="exact-line", strokeWidth=1.5)]
    if sampled:
        steps = rows.transform_filter("isValid(datum.sampled)").transform_calculate(height="datum.sampled")
        layers.append(steps.encode(x=x, y=y).mark_line(interpolate="step", strokeWidth=1.25, style="sampled-line"))
    panels = (
        alt.layer(*layers)
        .properties(height=110)
        .facet(facet=alt.Facet("t:O", header=T_HEADER), columns=3)
        .resolve_scale(y="independent")
    )
    return specification(panels)


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    data = sheets[0].data
    require_points([data], "t", "x", "exact", positive=False)
    sampled = any(v is not None for v in data.columns.get("sampled", ()))
    shown = "Area: the closed form. Steps: the subject's." if sampled else "Area: the closed form."
    return Drawing(
        spec=_spec(sampled),
        notes=[shown + " Each panel has its own height."],
        shape="panels",
        panels=max(1, len(times(data))),
    )


DRAWER = Drawer(
    kind="density-1d",
    heading="Densities in one dimension",
    lead="Marginals at several t.",
    rank=41,
    columns=frozenset({"t", "x", "exact"}),
    draw=_draw,
    legend=False,
)
