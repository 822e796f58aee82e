"""Two-dimensional densities as heat maps, one per t: with the subject's samples on top, or beside the computed one."""

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
        .encode(
            x=x,
            x2=alt.X2("x1:Q"),
            y=y,
            y2=alt.Y2("y1:Q"),
            color=alt.Color("share:Q", legend=None, scale=alt.Scale(domain=[0, 1])),
        )
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


@cache
def _beside() -> dict[str, Any]:
    """A row for every t: exact, computed, and the error in units of its largest size at that t."""
    plain = alt.Axis(title=None, grid=False, tickCount=4)
    x = alt.X("x0:Q", scale=alt.Scale(nice=False, zero=False, padding=0), axis=plain)
    y = alt.Y("y0:Q", scale=alt.Scale(nice=False, zero=False, padding=0), axis=plain)
    cells = (
        alt.Chart(MAIN)
        .transform_filter("datum.part != 'error' && datum.share > 0.004")
        .mark_rect(style="cell")
        .encode(
            x=x,
            x2=alt.X2("x1:Q"),
            y=y,
            y2=alt.Y2("y1:Q"),
            color=alt.Color("share:Q", legend=None, scale=alt.Scale(domain=[0, 1])),
        )
    )
    signed = alt.Color(
        "share:Q", legend=None, scale=alt.Scale(domain=[-1, 0, 1], range=["#2f6fb5", "#e8e8e8", "#c2412d"])
    )
    errors = (
        alt.Chart(MAIN)
        .transform_filter("datum.part == 'error' && abs(datum.share) > 0.02")
        .mark_rect(style="cell")
        .encode(x=x, x2=alt.X2("x1:Q"), y=y, y2=alt.Y2("y1:Q"), color=signed)
    )
    size = [alt.param(name="dx", value=0.1), alt.param(name="dy", value=0.1)]
    label = alt.Header(title=None, labelAnchor="start")
    order = alt.EncodingSortField(field="order", op="min")
    panels = (
        alt.layer(cells, errors)
        .resolve_scale(color="independent")
        .facet(facet=alt.Facet("panel:N", header=label, sort=order), columns=3)
        # Before the facets are made, which need their field.
        .transform_filter("datum.exact >= 0 && isValid(datum.computed)")
        .transform_calculate(error="datum.computed - datum.exact", size="abs(datum.computed - datum.exact)")
        .transform_joinaggregate(top="max(exact)", worst="max(size)", groupby=["t"])
        .transform_fold(["exact", "computed", "error"], as_=["part", "value"])
        .transform_calculate(
            share="datum.part != 'error' ? datum.value / datum.top : datum.worst > 0 ? datum.value / datum.worst : 0",
            order="10 * datum.t + (datum.part == 'exact' ? 0 : datum.part == 'computed' ? 1 : 2) / 1000",
            panel="datum.part + ', t = ' + format(datum.t, '.3~r')",
            x0="datum.x - dx / 2",
            x1="datum.x + dx / 2",
            y0="datum.y - dy / 2",
            y1="datum.y + dy / 2",
        )
        .add_params(*size)
    )
    return specification(panels)


def _largest(data: Any) -> float:
    pairs = zip(data.columns["exact"], data.columns["computed"], strict=True)
    return max((abs(c - e) for e, c in pairs if c is not None and e is not None), default=0.0)


def _spacing(values: list[float]) -> float:
    distinct = sorted(set(values))
    return (distinct[-1] - distinct[0]) / (len(distinct) - 1) if len(distinct) > 1 else 1.0


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    data = sheets[0].data
    require_points([data], "t", "x", "y", "exact", positive=False)
    size = {"dx": _spacing(reals(data, "x")) * 1.04, "dy": _spacing(reals(data, "y")) * 1.04}
    if any(v is not None for v in data.columns.get("computed", ())):
        note = "Error: computed minus exact, red above and blue below, as a share of its largest size at that t; "
        return Drawing(
            spec=_beside(),
            params=size,
            notes=[f"Shade: density, as a share of the exact maximum at that t. {note}at most {_largest(data):.2g}."],
            shape="square-panels",
            panels=3 * max(1, len(times(data))),
            together=3,
        )
    samples = any(s.data.kind == "samples-2d" for s in sheets)
    return Drawing(
        spec=_spec(samples),
        params=size,
        notes=[
            "Shade: the closed form, as a share of its maximum at that t." + (" Dots: the samples." if samples else "")
        ],
        shape="square-panels",
        panels=max(1, len(times(data))),
    )


DRAWER = Drawer(
    kind="density-2d",
    heading="Densities in two dimensions",
    lead="Marginals at several t, with the subject's samples on top or its own density and error beside.",
    rank=50,
    columns=frozenset({"t", "x", "y", "exact"}),
    draw=_draw,
    companions=("samples-2d",),
    legend=False,
)
