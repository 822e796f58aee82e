"""Drawer: what turns Data of one kind into a Vega-Lite specification, and the Drawing that it makes.

A specification names its data (``main``, or a table of ``Drawing.tables``) and never holds it: the page joins the two
in the browser, so that a thousand pictures share a few specifications and each column is embedded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from si_verify.record import DataRow, Result


@dataclass(frozen=True)
class Sheet:
    """One Data with the result that it belongs to; ``index`` is its place among the page's embedded data."""

    result: Result
    data: DataRow
    index: int


@dataclass(frozen=True)
class Drawing:
    """
    spec      Vega-Lite, without data; rows of ``main`` carry every column plus ``series``, the curve's name
    captions  one short text per sheet, shown in the legend
    tables    small derived tables, by the name the specification uses
    params    values of the specification's parameters, so that the specification itself can be shared
    notes     sentences under the picture
    shape     "curve", "tall", "square", "rows" (a row per statistic), "panels" or "square-panels": one per t
    panels    number of panels or rows
    together  so many panels in a row belong to each other and are not parted by the end of a line
    """

    spec: Mapping[str, Any]
    captions: Sequence[str] = ()
    tables: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    shape: str = "curve"
    panels: int = 1
    together: int = 1


@dataclass(frozen=True)
class Drawer:
    """
    kind        the ``Data.kind`` it draws
    heading     the heading of its group in the report
    lead        one sentence under that heading: how to read the pictures
    columns     columns without which the Data is shown as a table instead
    draw        sheets -> Drawing; the first sheet's result owns the picture. May raise ValueError on bad content
    overlay     several subjects of one check, problem and dtype share one picture
    companions  kinds of the same result drawn into the same picture
    legend      the page draws a legend of the sheets
    """

    kind: str
    heading: str
    lead: str
    rank: int
    columns: frozenset[str]
    draw: Callable[[Sequence[Sheet]], Drawing]
    overlay: bool = False
    companions: tuple[str, ...] = ()
    legend: bool = True
