"""Two-dimensional densities as heat maps, one per t, with the subject's samples on top."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, specification
from reports.figures.columns import reals, require_points, times
from reports.figures.density_1d import T_HEADER
from reports.figures.drawer import Drawer, Drawing, Sheet


@cache
def _spec(samples: bool) -> dict[str, Any]:
    plain = alt.Axis(title=None, grid=False, tickCount=4)
    x = alt.X("x0:Q", scale=alt.Scale(nice=False, zero=False, padding=0), axis=plain)
    y = alt.Y("y0:Q", scale=alt.Scale(nice=False, zero=False, padding=0), axis=plain)
    cells = (
        alt.Chart(MAIN)
        .transform_filter("datum.kind == 'density-2d' && datum.exact >= 0")
        .transform_joinaggregate(top="max(exact)", groupby=["t"])
        .transform_calculate(
            share="datum.exact / datum.top",
            x0="datum.x - dx / 2",
            x1="datum.x + dx / 2",
            y0="datum.y - dy / 2",
            y1="datum.y + dy / 2",
        )
        .transform_filter("datum.share > 0.004")
        .mark_rect(style="cell")
        .encode(x=x, x2="x1:Q", y=y, y2="y1:Q", color=alt.Color("share:Q", legend=None, scale=alt.Scale(domain=[0, 1])))
    )
    layers: list[alt.Chart] = [cells]
    if samples:
        dots = (
            alt.Chart(MAIN).transform_filter("datum.kind == 'samples-2d'").mark_point(style="sample-dot", filled=True)
        )
        layers.append(dots.encode(x=alt.X("x:Q", axis=plain), y=alt.Y("y:Q", axis=plain)))
    size = [alt.param(name="dx", value=0.1), alt.param(name="dy", value=0.1)]
    panels = alt.layer(*layers).facet(facet=alt.Facet("t:O", header=T_HEADER), columns=3).add_params(*size)
    return specification(panels)


def _spacing(values: list[float]) -> float:
    distinct = sorted(set(values))
    return (distinct[-1] - distinct[0]) / (len(distinct) - 1) if len(distinct) > 1 else 1.0


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    data = sheets[0].data
    require_points([data], "t", "x", "y", "exact", positive=False)
    samples = any(s.data.kind == "samples-2d" for s in sheets)
    return Drawing(
        spec=_spec(samples),
        params={"dx": _spacing(reals(data, "x")) * 1.04, "dy": _spacing(reals(data, "y")) * 1.04},
        notes=[
            "Shade: the closed form, as a share of its maximum at that t." + (" Dots: the samples." if samples else "")
        ],
        shape="square-panels",
        panels=max(1, len(times(data))),
    )


DRAWER = Drawer(
    kind="density-2d",
    heading="Densities in two dimensions",
    lead="Marginals at several t, with the subject's samples on top.",
    rank=50,
    columns=frozenset({"t", "x", "y", "exact"}),
    draw=_draw,
    companions=("samples-2d",),
    legend=False,
)
