"""A record in words: counts, failures first, each with the line that reproduces it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from si_verify.gate import Exit, Verdict, exit_code
from si_verify.record import Record, Result

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


def markdown(record: Record, limit: int = 20) -> str:
    """A summary for $GITHUB_STEP_SUMMARY."""
    lines = [f"### si-verify: {_cell(headline(record))}", ""]
    shown = attention(record)
    if shown:
        lines += ["| verdict | case | why | reproduce |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {r.verdict} | {_cell(r.id)} | {_cell(r.reason)} | `{_cell(r.reproduce)}` |" for r in shown[:limit]
        ]
        if len(shown) > limit:
            lines += ["", f"... and {len(shown) - limit} more in the report."]
    return "\n".join(lines) + "\n"
