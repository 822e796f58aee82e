"""Error on a logarithmic axis against one coordinate, with its bound: what error-vs-t and error-vs-tail share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from reports.figures.chart import MAIN, by_series, by_shape, dimmed, log_y, with_words
from reports.figures.columns import meta_text
from reports.figures.drawer import Sheet

MAX_JOINED = 120
TITLE = "$error"


def titled(spec: dict[str, Any], quantity: str, **more: str) -> dict[str, Any]:
    """``spec`` with the error's title, and what ``more`` says for other ``$names``."""
    words = {TITLE: f"error of the {quantity}" if quantity else "error"}
    filled: dict[str, Any] = with_words(spec, words | {f"${k}": v for k, v in more.items()})
    return filled


def error_layers(x: alt.X, place: str, keep: str, line: bool, bound: bool) -> list[alt.Chart]:
    """Layers of one picture; ``TITLE`` stands for what its error is of (``titled``).

    ``place`` is the x field as a Vega expression (``datum.…``), ``keep`` an expression for the rows that have a place
    on the axis; ``line`` joins the points (one per coordinate); ``bound`` draws the column of that name dashed.
    """
    rows = alt.Chart(MAIN).transform_calculate(place=place).transform_filter(keep)
    layers: list[alt.Chart] = []
    if bound:
        held = rows.transform_filter("datum.bound > 0").encode(
            x=x, y=alt.Y("bound:Q"), color=by_series(), detail=alt.Detail("series:N"), order=alt.Order("place:Q")
        )
        layers.append(held.mark_line(strokeDash=[4, 4], strokeWidth=1, opacity=dimmed(0.75)))
    seen = rows.transform_filter("datum.error > 0").encode(
        x=x,
        y=log_y("error", TITLE),
        color=by_series(),
        detail=alt.Detail("series:N"),
    )
    if line:
        layers.append(seen.mark_line(strokeWidth=1.5, opacity=dimmed(0.9)).encode(order=alt.Order("place:Q")))
    size = 26 if line else 14
    dots = seen.encode(
        shape=by_shape(), tooltip=[alt.Tooltip(f"{n}:N") for n in ("series", "t", "distance", "error", "bound")]
    )
    layers.append(dots.mark_point(filled=True, size=size, opacity=dimmed(0.9 if line else 0.6)))
    return layers


def one_per_place(sheets: Sequence[Sheet], column: str) -> bool:
    """True if no curve has two points at one coordinate, nor so many that they are a cloud: a line is then honest."""
    for sheet in sheets:
        values = [v for v in sheet.data.columns[column] if v is not None]
        if len(values) > MAX_JOINED or len(values) != len(set(map(str, values))):
            return False
    return True


def has_bound(sheets: Sequence[Sheet]) -> bool:
    """True if any sheet states a bound."""
    return any(v is not None for s in sheets for v in s.data.columns.get("bound", ()))


def quantity_of(sheets: Sequence[Sheet]) -> str:
    """What the error is of, if the sheets agree on it."""
    names = {meta_text(s.data, "quantity") for s in sheets}
    return names.pop() if len(names) == 1 else ""
