"""KL against the diffusion ε of the generating SDE, beside that of the flow, ε = 0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, by_series, by_shape, dimmed, focus, log_x, log_y, specification
from reports.figures.columns import gap_note, require_points
from reports.figures.drawer import Drawer, Drawing, Sheet


@cache
def _spec(bound: bool, error: bool) -> dict[str, Any]:
    sde = alt.Chart(MAIN).transform_filter("datum.epsilon > 0 && datum.kl > 0")
    x, y = log_x("epsilon", "ε"), log_y("kl", "KL(ρ(1)‖ρ̂(1))")
    curve = sde.encode(x=x, y=y, color=by_series(), detail=alt.Detail("series:N"))
    layers: list[alt.Chart] = [curve.mark_line(strokeWidth=1.5, opacity=dimmed(0.9))]
    if error:
        bars = sde.transform_filter("datum.error > 0").transform_calculate(
            low="max(datum.kl - datum.error, datum.kl / 10)", high="datum.kl + datum.error"
        )
        layers.append(
            bars.mark_rule(strokeWidth=1).encode(
                x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=by_series(), opacity=alt.value(0.5)
            )
        )
    if bound:
        above = alt.Chart(MAIN).transform_filter("datum.epsilon > 0 && datum.bound > 0")
        layers.append(
            above.mark_line(strokeDash=[5, 4], strokeWidth=1, opacity=dimmed(0.7)).encode(
                x=x, y=alt.Y("bound:Q"), color=by_series(), detail=alt.Detail("series:N")
            )
        )
    tips = [alt.Tooltip(f"{n}:N") for n in ("series", "epsilon", "kl", "error", "bound")]
    layers.append(
        curve.encode(shape=by_shape(), tooltip=tips).mark_point(filled=True, size=44, opacity=dimmed(1))
    )  # fmt: skip
    flow = alt.Chart(MAIN).transform_filter("datum.epsilon === 0 && datum.kl > 0")
    layers.append(
        flow.mark_rule(strokeDash=[2, 3], strokeWidth=1.5, opacity=dimmed(0.9)).encode(y=y, color=by_series())
    )
    return specification(alt.layer(*layers).add_params(focus()))


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([s.data for s in sheets], "epsilon", "kl")
    has = {name: any(name in s.data.columns for s in sheets) for name in ("bound", "error")}
    notes = gap_note([s.data for s in sheets], "kl")
    notes.insert(0, "Dotted: the flow, ε = 0." + (" Dashed: the Fokker–Planck bound." if has["bound"] else ""))
    return Drawing(spec=_spec(has["bound"], has["error"]), captions=[""] * len(sheets), notes=notes)


DRAWER = Drawer(
    kind="kl-vs-epsilon",
    heading="KL against diffusion",
    lead="How far the law that a learned model generates is from its target, by the SDE with diffusion ε or the flow.",
    rank=35,
    columns=frozenset({"epsilon", "kl"}),
    draw=_draw,
    overlay=True,
)
