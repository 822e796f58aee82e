"""What a check brings back: numbers with a bound, the bound's origin, and data for pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Origin = Literal["rounding", "truncation", "sampling", "exact"]
Relation = Literal["at_most", "at_least"]


@dataclass(frozen=True)
class Measurement:
    """One measured number and the claim it is held to.

    ``value`` stands in ``relation`` to ``bound``; ``bound=None`` marks a number that is shown, not judged.

    origin
        where the bound comes from: ``rounding`` (c·eps·condition number), ``truncation`` (the observed order of
        a refinement), ``sampling`` (a stated confidence out of the run's error budget) or ``exact`` (a count, an
        identity of integers: no tolerance at all).
    why
        the bound's derivation in one line, for the reader of the report.
    interval
        the values that the data cannot exclude; the point ``value`` when there is none. A claim fails only if
        the whole interval violates it.
    resolution
        the widest interval that still decides: a wider one is inconclusive, never a pass.
    confidence, detectable
        for ``sampling``: the confidence of the interval or of the bound, and the smallest effect (in the unit of
        ``value``) that would have been seen. A check that would have seen nothing says so here.
    """

    name: str
    value: float
    bound: float | None = None
    relation: Relation = "at_most"
    origin: Origin = "rounding"
    why: str = ""
    interval: tuple[float, float] | None = None
    resolution: float | None = None
    confidence: float | None = None
    detectable: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Data:
    """Columns behind one picture. ``kind`` chooses the drawing (see docs/record.md); equal-length columns."""

    kind: str
    title: str
    columns: Mapping[str, Sequence[Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns: expected equal lengths, got {lengths}")


@dataclass(frozen=True)
class Outcome:
    """Everything that one check measured on one subject and one problem."""

    measurements: tuple[Measurement, ...]
    data: tuple[Data, ...] = ()
    notes: tuple[str, ...] = ()
