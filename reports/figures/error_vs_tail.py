"""Error against distance into the tail of the law."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import focus, log_x, specification
from reports.figures.columns import gap_note, meta_text, reals, require_points
from reports.figures.drawer import Drawer, Drawing, Sheet
from reports.figures.error_curve import error_layers, has_bound, one_per_place, quantity_of, titled


@cache
def _spec(log: bool, line: bool, bound: bool) -> dict[str, Any]:
    if log:
        x, keep = log_x("place", "$place"), "datum.place > 0"
    else:
        axis = alt.Axis(title="$place", grid=False, tickCount=8)
        x, keep = alt.X("place:Q", scale=alt.Scale(nice=False, padding=10), axis=axis), "isValid(datum.place)"
    layers = error_layers(x, "datum.distance", keep, line, bound)
    return specification(alt.layer(*layers).add_params(focus()))


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([s.data for s in sheets], "error")
    distances = [d for s in sheets for d in reals(s.data, "distance")]
    log = bool(distances) and min(distances) > 0 and max(distances) > 1e3 * max(1.0, min(distances))
    notes = gap_note([s.data for s in sheets])
    if has_bound(sheets):
        notes.insert(0, "Dashed: the bound.")
    x_label = meta_text(sheets[0].data, "x_label", "standard deviations from the nearest component")
    return Drawing(
        spec=titled(
            _spec(log, one_per_place(sheets, "distance"), has_bound(sheets)), quantity_of(sheets), place=x_label
        ),
        captions=[""] * len(sheets),
        notes=notes,
    )


DRAWER = Drawer(
    kind="error-vs-tail",
    heading="Error into the tails",
    lead="Accuracy far from the mass, where exponentials under- and overflow first.",
    rank=20,
    columns=frozenset({"distance", "error"}),
    draw=_draw,
    overlay=True,
)
