"""Error against the interpolant's clock; a logarithmic approach to both ends where the points go there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import focus, specification, superscript
from reports.figures.columns import gap_note, require_points, times
from reports.figures.drawer import Drawer, Drawing, Sheet
from reports.figures.error_curve import error_layers, has_bound, one_per_place, quantity_of, titled

_END = 15  # u = log10(t/(1−t)) is cut at ±15: beyond it 1 − t is below the spacing of float64
_PLACE = f"datum.t <= 0 ? -{_END} : datum.t >= 1 ? {_END} : clamp(log(datum.t / (1 - datum.t)) / LN10, -{_END}, {_END})"
_LABEL = (
    f"datum.value == 0 ? '½' : datum.value <= -{_END} ? '0' : datum.value >= {_END} ? '1'"
    f" : datum.value != round(datum.value) ? '' : datum.value < 0 ? '10' + {superscript('datum.value')}"
    f" : '1−10' + {superscript('(-datum.value)')}"
)


@cache
def _spec(ends: bool, line: bool, bound: bool) -> dict[str, Any]:
    if ends:
        axis = alt.Axis(
            title="t",
            labelExpr=_LABEL,
            tickMinStep=1,
            tickCount=10,
            labelOverlap="greedy",
            labelSeparation=10,
            grid=False,
        )
        x = alt.X("place:Q", scale=alt.Scale(nice=False, zero=False, padding=10), axis=axis)
    else:
        x = alt.X("place:Q", scale=alt.Scale(domain=[0, 1], padding=6), axis=alt.Axis(title="t", grid=False))
    place = _PLACE if ends else "datum.t"
    layers = error_layers(x, place, "isValid(datum.t) && isFinite(datum.place)", line, bound)
    return specification(alt.layer(*layers).add_params(focus()))


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([s.data for s in sheets], "error")
    inner = [t for s in sheets for t in times(s.data) if 0 < t < 1]
    ends = any(t < 1e-3 or t > 1 - 1e-3 for t in inner)
    notes = gap_note([s.data for s in sheets])
    if has_bound(sheets):
        notes.insert(0, "Dashed: the bound.")
    return Drawing(
        spec=titled(_spec(ends, one_per_place(sheets, "t"), has_bound(sheets)), quantity_of(sheets)),
        captions=[""] * len(sheets),
        notes=notes,
    )


DRAWER = Drawer(
    kind="error-vs-t",
    heading="Error against t",
    lead="Where along the path a field is least accurate. Close to the ends the axis counts decades from 0 and from 1.",
    rank=10,
    columns=frozenset({"t", "error"}),
    draw=_draw,
    overlay=True,
)
