"""``si-verify report``: the page of a record again, and its pictures as files."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from si_verify.record import read_record


def report(record: Path, output: Path | None, figures: Path | None, limit: int) -> None:
    """Draw the page beside the record or to ``output``; into ``figures``, if given, at most ``limit`` pictures."""
    path = record / "record.jsonl" if record.is_dir() else record
    target = output or path.with_name("report.html")
    if target.is_dir():
        target = target / "report.html"
    loaded = read_record(path)
    print(loaded.to_html(target))
    if figures is not None:
        # Reports lie above this package: looked up late, never imported here.
        made, left_out = import_module("reports.still").write_figures(loaded, figures, limit)
        print(f"{len(made)} files in {figures}" + (f", {left_out} pictures left out" if left_out else ""))
    if loaded.damaged:
        print(f"{loaded.damaged} damaged lines were left out", file=sys.stderr)
