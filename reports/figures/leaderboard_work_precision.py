"""Error of a sampler against its work, in the measure and the unit of work that the reader chooses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, by_series, by_shape, dimmed, focus, log_x, log_y, specification
from reports.figures.columns import gap_note, reals, require_points
from reports.figures.drawer import Drawer, Drawing, Sheet
from reports.wording import number

_MEASURES = {
    "error_w2": "Wasserstein distance of the law",
    "error_energy": "energy distance of the law",
    "distance": "Kolmogorov distance of the law",
    "error_rms": "root mean square path error",
}
_WORK = {"nfe": "evaluations of the model", "seconds": "seconds"}


def _choice(name: str, options: dict[str, str], label: str) -> alt.Parameter:
    bind = alt.binding_select(options=list(options), labels=list(options.values()), name=label)
    return alt.param(name=name, value=next(iter(options)), bind=bind)


@cache
def _spec() -> dict[str, Any]:
    chosen = alt.Chart(MAIN).transform_calculate(shown="datum[measure]", spent="datum[work]")
    rows = chosen.transform_filter("datum.shown > 0 && datum.spent > 0")
    x, y = log_x("spent", "work"), log_y("shown", "error")
    curve = rows.encode(x=x, y=y, color=by_series(), detail=alt.Detail("series:N"))
    line = curve.mark_line(strokeWidth=1.5, opacity=dimmed(0.9))
    shown = ("series", "nfe", "seconds", *_MEASURES)
    dots = curve.encode(shape=by_shape(), tooltip=[alt.Tooltip(f"{n}:N") for n in shown])
    chart = alt.layer(line, dots.mark_point(filled=True, size=44, opacity=dimmed(1)))
    return specification(
        chart.add_params(focus(), _choice("measure", _MEASURES, "Error "), _choice("work", _WORK, "Work "))
    )


def _caption(sheet: Sheet) -> str:
    errors, spent = reals(sheet.data, "error_w2"), reals(sheet.data, "nfe")
    return f"{number(errors[-1], 2)} at {number(spent[-1])} evaluations" if errors and spent else ""


def _draw(sheets: Sequence[Sheet]) -> Drawing:
    require_points([s.data for s in sheets], "nfe", "error_w2")
    return Drawing(
        spec=_spec(),
        captions=[_caption(s) for s in sheets],
        notes=[
            "Errors over the spread of the exact law. Seconds are those of one process, model included.",
            *gap_note([s.data for s in sheets], "error_w2"),
        ],
    )


DRAWER = Drawer(
    kind="work-precision",
    heading="Error against work",
    lead="Lower and further left is better; the measure of error and of work are chosen under each picture.",
    rank=33,
    columns=frozenset({"nfe", "error_w2"}),
    draw=_draw,
    overlay=True,
)
