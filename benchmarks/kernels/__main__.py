"""``python -m benchmarks.kernels RECORD [RECORD ...]``: the table of records of ``si-verify bench`` as Markdown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEAD = ("task", "dtype", "form", "ms", "throughput", "of ceiling", "over the best peer", "asked", "error")


def _named(result: dict[str, Any], prefix: str) -> dict[str, Any] | None:
    return next((m for m in result["measurements"] if m["name"].startswith(prefix)), None)


def row(result: dict[str, Any]) -> tuple[str, ...] | None:
    """One line of the table; None for what was not timed."""
    rate, share, times = (_named(result, p) for p in ("throughput", "fraction of ", "times faster than "))
    timing = next((d for d in result.get("data", ()) if d["kind"] == "timing"), None)
    error = _named(result, "error")
    if rate is None or timing is None or error is None:
        return None
    low, high = times["interval"] if times else (0.0, 0.0)
    found = f"{times['value']:.3g} ({low:.3g} to {high:.3g}) {times['name'].split()[-1]}" if times else ""
    asked = timing["meta"].get("target")
    return (
        result["problem"], result["dtype"], result["subject"] + ("" if result["verdict"] == "passed" else " (failed)"),
        f"{1e3 * timing['meta']['items'] / rate['value']:.3g}", f"{rate['value']:.3g} {rate['unit']}",
        f"{share['value']:.0%} of {share['name'].removeprefix('fraction of ')}" if share else "",
        found, f"{asked:g}" if asked else "", f"{error['value']:.2g}",
    )  # fmt: skip


def page(records: list[Path]) -> Iterator[str]:
    """The lines of the page."""
    lines = [json.loads(line) for path in records for line in path.read_text().splitlines()]
    results = [line for line in lines if "verdict" in line]
    loads = [d["meta"]["load"] for r in results for d in r.get("data", ()) if "load" in d["meta"]]
    yield f"Load average while it ran: {min(loads, default=0.0):.2f} to {max(loads, default=0.0):.2f}.\n"
    yield "| " + " | ".join(_HEAD) + " |"
    yield "| " + " | ".join("---" for _ in _HEAD) + " |"
    missing = []
    for result in results:
        found = row(result)
        if found:
            yield "| " + " | ".join(found) + " |"
        else:
            missing.append(f"- {result['subject']}, {result['problem']}, {result['dtype']}: {result['reason']}")
    if missing:
        yield "\nNot timed:\n"
        yield from missing


if __name__ == "__main__":
    print("\n".join(page([Path(a) for a in sys.argv[1:]])))
