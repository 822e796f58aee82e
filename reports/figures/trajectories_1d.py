"""Paths in one dimension over t, with the closed-form marginals standing on the same axis."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, RAMP, specification
from reports.figures.columns import meta_text, require_points, times
from reports.figures.drawer import Drawer, Drawing, Sheet


@cache
def _spec(marginals: bool, sampled: bool, x_label: str) -> dict[str, Any]:
    t = alt.X(
        "t:Q",
        scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(title="t", grid=False, values=[0, 0.25, 0.5, 0.75, 1], format="~g"),
    )
    y = alt.Y("x:Q", scale=alt.Scale(nice=False, zero=False), axis=alt.Axis(title=x_label, grid=False))
    paths = (
        alt.Chart(MAIN)
        .transform_filter("datum.kind == 'trajectories-1d' && isValid(datum.x)")
        .transform_joinaggregate(last="argmax(t)", groupby=["path"])
        .transform_calculate(end="datum.last.x")
        .mark_line(strokeWidth=1, opacity=0.55)
        .encode(
            x=t,
            y=y,
            detail=alt.Detail("path:N"),
            order=alt.Order("t:Q"),
            color=alt.Color("end:Q", legend=None, scale=RAMP),
        )
    )
    layers: list[alt.Chart] = [paths]
    if marginals:
        ridges = (
            alt.Chart(MAIN)
            .transform_filter("datum.kind == 'density-1d' && datum.exact > 0")
            .transform_joinaggregate(top="max(exact)", groupby=["t"])
            .transform_filter("datum.exact > 0.002 * datum.top")
            .transform_calculate(
                ridge="datum.t + gap * datum.exact / datum.top",
                sampled_ridge="datum.t + gap * min(datum.sampled / datum.top, 1.15)",
            )
        )
        layers.append(
            ridges.mark_area(style="ridge-area", orient="horizontal", line=False).encode(
                x=alt.X("t:Q"), x2=alt.X2("ridge:Q"), y=y, detail=alt.Detail("t:N")
            )
        )
        if sampled:
            steps = ridges.transform_filter("isValid(datum.sampled)")
            layers.append(
                steps.mark_line(style="sampled-line", strokeWidth=1, interpolate="step").encode(
                    x=alt.X("sampled_ridge:Q"), y=y, detail=alt.Detail("t:N"), order=alt.Order("x:Q")
                )
            )
        layers.append(
            ridges.mark_line(style="exact-line", strokeWidth=1.25).encode(
                x=alt.X("ridge:Q"), y=y, detail=alt.Detail("t:N"), order=alt.Order("x:Q")
            )
        )
    return specification(alt.layer(*layers).add_params(alt.param(name="gap", value=0.15)))


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([sheets[0].data], "t", "x", positive=False)
    densities = [s.data for s in sheets if s.data.kind == "density-1d"]
    ts = times(densities[0]) if densities else []
    gap = 0.7 * min((b - a for a, b in pairwise(ts)), default=0.2)
    notes = ["Each path has the colour of the place where it ends."]
    sampled = bool(densities) and any(v is not None for v in densities[0].columns.get("sampled", ()))
    if densities:
        notes.append("Filled: the closed-form marginal at that t" + (", steps: the subject's." if sampled else "."))
    return Drawing(
        spec=_spec(bool(densities), sampled, meta_text(sheets[0].data, "x_label", "x")),
        params={"gap": gap},
        notes=notes,
        shape="tall",
    )


DRAWER = Drawer(
    kind="trajectories-1d",
    heading="Trajectories in one dimension",
    lead="Where the mass goes, and whether it arrives as the closed form says.",
    rank=40,
    columns=frozenset({"path", "t", "x"}),
    draw=_draw,
    companions=("density-1d",),
    legend=False,
)
