"""Parts that the drawers share: named data, axes in powers of ten, curves by series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

MAIN = alt.NamedData(name="main")

# Readable on a white and on a black page alike.
RAMP = alt.Scale(range=["#2f6fb5", "#35988f", "#c98a1b"])

_DIGITS = "['⁰','¹','²','³','⁴','⁵','⁶','⁷','⁸','⁹']"


def superscript(exponent: str) -> str:
    """Vega expression: the integer expression ``exponent`` in superscript digits."""
    size = f"abs({exponent})"
    return (
        f"(({exponent}) < 0 ? '⁻' : '') + ({size} >= 100 ? {_DIGITS}[floor({size} / 100)] : '')"
        f" + ({size} >= 10 ? {_DIGITS}[floor({size} / 10) % 10] : '') + {_DIGITS}[{size} % 10]"
    )


_EXPONENT = "round(log(datum.value) / LN10)"
_IS_POWER = f"abs(log(datum.value) / LN10 - {_EXPONENT}) < 0.001"
_PLAIN = "datum.value >= 0.001 && datum.value < 10000 ? format(datum.value, '~g') : format(datum.value, '.0e')"
_LEADING = "round(datum.value / pow(10, floor(log(datum.value) / LN10 + 0.001)))"


def _power_label(scale: str) -> str:
    """Vega expression: powers of ten; on an axis too short for two of them also 2 and 5, since none would be left."""
    power = f"(abs({_EXPONENT}) < 3 ? format(datum.value, '~g') : '10' + {superscript(_EXPONENT)})"
    short = f"domain('{scale}')[1] / domain('{scale}')[0] < 60 && ({_LEADING} == 2 || {_LEADING} == 5)"
    return f"{_IS_POWER} ? {power} : {short} ? ({_PLAIN}) : ''"


def log_axis(title: str | None, scale: str) -> alt.Axis:
    """An axis labelled in powers of ten, with grid lines only there; ``scale`` is ``x`` or ``y``."""
    grid = alt.condition(_IS_POWER, alt.value(1), alt.value(0))
    return alt.Axis(
        title=title,
        labelExpr=_power_label(scale),
        labelOverlap="greedy",
        tickCount=8,
        gridOpacity=grid,
        tickOpacity=grid,
    )


def log_x(field: str, title: str) -> alt.X:
    """Logarithmic x of a column."""
    return alt.X(f"{field}:Q", scale=alt.Scale(type="log", nice=False, padding=12), axis=log_axis(title, "x"))


def log_y(field: str, title: str | None) -> alt.Y:
    """Logarithmic y of a column, its title written above the axis by the page."""
    return alt.Y(f"{field}:Q", scale=alt.Scale(type="log", nice=False, padding=12), axis=log_axis(title, "y"))


def focus() -> alt.Parameter:
    """The series that the reader points at in the legend: the page sets it."""
    return alt.param(name="focus", value="")


def series_scale() -> alt.Scale:
    """A scale over the series: the page puts their names, in its legend's order, in place of the mark."""
    return alt.Scale(domain=["$series"])


def by_series() -> alt.Color:
    """Colour by series, in the order and palette that the page's legend uses."""
    return alt.Color("series:N", legend=None, sort=None, scale=series_scale())


def by_shape() -> alt.Shape:
    """Shape by series, so that colour is never alone."""
    return alt.Shape("series:N", legend=None, sort=None, scale=series_scale())


def dimmed(full: float) -> alt.ExprRef:
    """Opacity of a mark: ``full``, or faint while another series is pointed at."""
    return alt.ExprRef(f"focus == '' || datum.series == focus ? {full} : {full * 0.12:.3g}")


def specification(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """Vega-Lite of a chart without Altair's default configuration: the page brings its own, light or dark."""
    spec: dict[str, Any] = chart.to_dict(validate=False)  # type: ignore[attr-defined]
    spec.pop("config", None)
    return spec


def with_words(spec: Any, words: Mapping[str, str]) -> Any:
    """A copy of ``spec`` with texts in place of their ``$names``: what differs only in a title is made once."""
    if isinstance(spec, dict):
        return {k: with_words(v, words) for k, v in spec.items()}
    if isinstance(spec, list):
        return [with_words(v, words) for v in spec]
    return words.get(spec, spec) if isinstance(spec, str) else spec
