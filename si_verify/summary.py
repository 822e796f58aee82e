"""A record in words: counts, failures first, each with the line that reproduces it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from si_verify.gate import Exit, Verdict, exit_code
from si_verify.record import MeasurementRow, Record, Result

_ATTENTION = (Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.ERROR, Verdict.INCONCLUSIVE)


def counts(record: Record) -> dict[str, int]:
    """Number of results by verdict, in the order of Verdict, zeros left out."""
    seen = Counter(r.verdict for r in record.results)
    return {str(v): seen[v] for v in Verdict if seen[v]}


def attention(record: Record) -> list[Result]:
    """What a person must look at, worst first."""
    return sorted(
        (r for r in record.results if r.verdict in _ATTENTION), key=lambda r: (_ATTENTION.index(r.verdict), r.id)
    )


def headline(record: Record) -> str:
    """One line: the verdict and the counts."""
    code = exit_code([r.verdict for r in record.results])
    word = {Exit.PASSED: "PASSED", Exit.FAILED: "FAILED", Exit.NOTHING: "NOTHING SELECTED"}.get(code, "NOT MEASURED")
    return f"{word}: " + (", ".join(f"{n} {v.replace('_', ' ')}" for v, n in counts(record).items()) or "no results")


def text(record: Record, limit: int = 20) -> str:
    """Headline, then up to ``limit`` results that need a look."""
    lines = [headline(record)]
    shown = attention(record)
    for result in shown[:limit]:
        lines += ["", f"{result.verdict.upper().replace('_', ' ')} {result.id}", f"  {result.reason}"]
        lines += [f"  reproduce: {result.reproduce}"] if result.reproduce else []
    if len(shown) > limit:
        lines += ["", f"... and {len(shown) - limit} more in the report"]
    return "\n".join(lines)


def as_json(record: Record, code: int, files: dict[str, str]) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "schema_version": record.header.schema_version,
        "exit_code": code,
        "passed": record.passed,
        "counts": counts(record),
        "attention": [
            {"id": r.id, "verdict": str(r.verdict), "reason": r.reason, "reproduce": r.reproduce}
            for r in attention(record)
        ],
        "files": files,
    }


def _cell(value: str) -> str:
    for old, new in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("\n", " "), ("`", "'")):
        value = value.replace(old, new)
    return value[:300]


# GitHub shows of a step's summary what it shows of any Markdown, sanitized: no data: URIs, no inline SVG, no styles,
# and images only from addresses that its proxy can fetch, which an artifact has not. Fenced Mermaid it draws itself.
# So the picture here is Mermaid and text; the same as SVG and PNG lies beside the record, for the artifact.
_COLOURS = {
    Verdict.PASSED: "#1b7a4b",
    Verdict.FAILED: "#c0322b",
    Verdict.ERROR: "#8a3ba8",
    Verdict.INCONCLUSIVE: "#d9a441",
    Verdict.SKIPPED: "#b4bbc2",
    Verdict.EXPECTED_FAILURE: "#7d8894",
    Verdict.UNEXPECTED_PASS: "#e0703a",
}
_BAR = 12  # blocks of the longest bar


def pie(title: str, slices: Sequence[tuple[str, int, str]]) -> str:
    """A Mermaid pie of (name, count, colour), largest first: Mermaid gives its colours in the order of size.

    Names must be the program's own words, never text of a record: nothing here is escaped.
    """
    ordered = [s for s in sorted(slices, key=lambda s: -s[1]) if s[1] > 0]
    colours = {f"pie{i}": colour for i, (_, _, colour) in enumerate(ordered, 1)}
    theme = json.dumps({"theme": "base", "themeVariables": colours | {"pieOpacity": "1", "pieStrokeWidth": "1px"}})
    rows = [f'    "{name}" : {count}' for name, count, _ in ordered]
    return "\n".join(["```mermaid", f"%%{{init: {theme}}}%%", f"pie showData title {title}", *rows, "```"])


def _bar(margin: float) -> str:
    """How far outside its bound, as a bar in powers of two: one block is on the bound, two twice outside."""
    if not math.isfinite(margin):
        return "█" * _BAR
    return "█" * max(1, min(_BAR, round(math.log2(max(margin, 1.0))) + 1))


def _worst(result: Result) -> MeasurementRow | None:
    judged = [m for m in result.measurements if m.verdict is Verdict.FAILED]
    return max(judged, key=lambda m: math.inf if math.isnan(m.margin) else m.margin, default=None)


def markdown(record: Record, limit: int = 20) -> str:
    """A summary for $GITHUB_STEP_SUMMARY: the counts as a picture, then what needs a look."""
    found = Counter(r.verdict for r in record.results)
    lines = [f"### si-verify: {_cell(headline(record))}", ""]
    if found:
        slices = [(v.value.replace("_", " "), n, _COLOURS[v]) for v, n in found.items()]
        lines += [pie(f"{len(record.results)} results", slices), ""]
    shown = attention(record)
    if shown:
        lines += ["| verdict | case | why | of its bound | reproduce |", "| --- | --- | --- | --- | --- |"]
        for r in shown[:limit]:
            worst = _worst(r)
            size = f"{_bar(worst.margin)} {worst.margin:.3g}×" if worst else ""
            lines.append(f"| {r.verdict} | {_cell(r.id)} | {_cell(r.reason)} | {size} | `{_cell(r.reproduce)}` |")
        if len(shown) > limit:
            lines += ["", f"... and {len(shown) - limit} more in the report."]
    return "\n".join(lines) + "\n"
