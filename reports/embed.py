"""Embed: results and columns as compact JSON that is harmless inside a page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from reports.wording import printable, safe_link
from si_verify.record import Result


def embed_json(value: Any) -> str:
    """JSON for a ``<script type="application/json">``: pure ASCII, and without the characters that could end it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class Strings:
    """Interned strings: a check's claim stands in the page once, not in each of its thousand results."""

    def __init__(self) -> None:
        self.table: list[str] = []
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = len(self.table)
            self.table.append(printable(text))
        return self._known[text]


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")


def results_table(results: Sequence[Result], own: dict[int, list[int]], which: Sequence[int]) -> dict[str, Any]:
    """Columns of all results, as ``results.js`` reads them; strings by their index in ``strings``."""
    s = Strings()
    rows = [
        [
            printable(r.id),
            s(r.check),
            s(r.claim),
            s(r.subject),
            s(r.kind or "other"),
            s(r.problem),
            s(r.dtype),
            s(r.device),
            str(r.seed),
            r.alpha if math.isfinite(r.alpha) else 0,
            s(r.verdict.value),
            s(r.reason),
            s(safe_link(r.link)),
            [
                [
                    s(m.name),
                    _number(m.value),
                    _number(m.bound),
                    0 if m.relation == "at_most" else 1,
                    s(m.origin),
                    s(m.why),
                    [_number(v) for v in m.interval] if m.interval else 0,
                    _number(m.margin),
                    _number(m.detectable),
                    _number(m.confidence),
                    s(m.unit),
                    s(m.verdict.value if m.verdict else ""),
                ]
                for m in r.measurements
            ],
            [s(n) for n in r.notes],
            [s(t) for t in r.tags],
            s(json.dumps(r.claims, default=str)) if r.claims else -1,
            round(r.seconds, 3) if math.isfinite(r.seconds) else 0,
            printable(r.reproduce),
            printable(r.traceback),
            [s(f"{e.module} {e.version} · {e.path} · sha256 {e.sha256[:16]}") for e in r.evidence],
            own.get(i, []),
            which[i],
        ]
        for i, r in enumerate(results)
    ]
    return {"strings": s.table, "rows": rows}
