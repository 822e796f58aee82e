"""Two-dimensional samples at several t, where no closed-form grid comes with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, specification
from reports.figures.columns import require_points, times
from reports.figures.density_1d import T_HEADER
from reports.figures.drawer import Drawer, Drawing, Sheet


@cache
def _spec() -> dict[str, Any]:
    plain = alt.Axis(title=None, grid=False, tickCount=4)
    scale = alt.Scale(zero=False)
    dots = (
        alt.Chart(MAIN)
        .mark_point(style="sample-dot", filled=True)
        .encode(x=alt.X("x:Q", scale=scale, axis=plain), y=alt.Y("y:Q", scale=scale, axis=plain))
    )
    return specification(dots.facet(facet=alt.Facet("t:O", header=T_HEADER), columns=3))


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([sheets[0].data], "t", "x", "y", positive=False)
    return Drawing(spec=_spec(), shape="square-panels", panels=max(1, len(times(sheets[0].data))))


DRAWER = Drawer(
    kind="samples-2d",
    heading="Samples in two dimensions",
    lead="Where the samples lie at several t.",
    rank=52,
    columns=frozenset({"t", "x", "y"}),
    draw=_draw,
    legend=False,
)
