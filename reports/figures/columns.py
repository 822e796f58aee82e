"""Reading columns that a record may have got wrong, and thinning what is too long to draw."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from typing import Any

from si_verify.record import DataRow

MAX_ROWS = 4_000
MAX_GRID = 24_000


def real(value: Any) -> float | None:
    """``value`` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def reals(data: DataRow, name: str) -> list[float]:
    """The finite numbers of a column, in order; empty if there is no such column."""
    return [v for v in map(real, data.columns.get(name, ())) if v is not None]


def unplotted(data: DataRow, name: str, positive: bool = True) -> tuple[int, int]:
    """How many entries of a column cannot be drawn: not finite, and (on a logarithmic axis) not positive."""
    numbers = [real(v) for v in data.columns.get(name, ())]
    lost = sum(v is None for v in numbers)
    return lost, sum(v is not None and v <= 0 for v in numbers) if positive else 0


def require_points(sheets: Sequence[DataRow], *names: str, positive: bool = True) -> None:
    """ValueError unless some row has a finite (and, on logarithmic axes, positive) number in each of these columns."""
    for data in sheets:
        for row in zip(*(data.columns.get(n, ()) for n in names), strict=False):
            numbers = [real(v) for v in row]
            if all(v is not None and (v > 0 or not positive) for v in numbers):
                return
    raise ValueError(f"no row has a number that can be drawn in each of {', '.join(names)}")


def gap_note(sheets: Sequence[DataRow], name: str = "error") -> list[str]:
    """Sentences on points that a logarithmic picture leaves out."""
    lost = sum(unplotted(s, name)[0] for s in sheets)
    zero = sum(unplotted(s, name)[1] for s in sheets)
    notes = []
    if zero:
        notes.append(f"{zero} of the points are not above zero and have no place on a logarithmic axis.")
    if lost:
        notes.append(f"{lost} of the points are not finite and are left out.")
    return notes


def times(data: DataRow) -> list[float]:
    """The distinct values of column t, sorted."""
    return sorted(set(reals(data, "t")))


def meta_number(data: DataRow, name: str) -> float | None:
    """A number of ``meta``, or None."""
    return real(data.meta.get(name))


def meta_text(data: DataRow, name: str, default: str = "") -> str:
    """A string of ``meta``, or the default."""
    value = data.meta.get(name)
    return value if isinstance(value, str) and value else default


def _compact(value: Any, exact: bool) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value if exact else float(f"{value:.6g}")
    # A record may hold anything: what is no single value is shown as text, however deep it is and whatever is in it.
    return reprlib.repr(value) if isinstance(value, (list, tuple, dict)) else value


def _evenly(count: int, limit: int) -> list[int]:
    return sorted({round(i * (count - 1) / (limit - 1)) for i in range(limit)})


def embeddable(data: DataRow) -> tuple[dict[str, list[Any]], int]:
    """Columns as the page embeds them, thinned evenly (whole paths, whole times) and to six digits; rows left out.

    ``t`` keeps all its digits: 1 − 1e-12 is a different time from 1.
    """
    lengths = {len(c) for c in data.columns.values()}
    rows = min(lengths) if lengths else 0
    keep: Sequence[int] = range(rows)
    limit = MAX_GRID if data.kind.startswith("density") else MAX_ROWS
    if rows > limit:
        name = "path" if "path" in data.columns else "t" if data.kind.startswith("density") else ""
        if name:
            column = [str(v) for v in data.columns[name][:rows]]
            groups = list(dict.fromkeys(column))
            fit = max(1, int(limit * len(groups) / rows))
            chosen = {groups[i] for i in (_evenly(len(groups), fit) if fit > 1 else [0])}
            keep = [i for i, v in enumerate(column) if v in chosen]
        if len(keep) > limit:
            keep = [keep[i] for i in _evenly(len(keep), limit)]
    exact = {"t"}
    return {k: [_compact(c[i], k in exact) for i in keep] for k, c in data.columns.items()}, rows - len(keep)
