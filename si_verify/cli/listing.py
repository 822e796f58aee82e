"""What ``list`` and ``doctor`` print."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from analytic import problems
from si_verify import discovery
from si_verify.backends import backends
from si_verify.doctor import diagnose
from si_verify.plan import problem_labels
from si_verify.select import Labels, parse

Row = dict[str, Any]
_UNBROKEN = 10_000


def _tags(tags: Iterable[str]) -> str:
    return " ".join(sorted(tags))


def _rows(what: str) -> list[tuple[Labels, Row]]:
    if what == "problems":
        return [
            (problem_labels(p), {"name": p.name, "family": p.family, "regime": p.regime, "tags": _tags(p.tags)})
            for p in problems.all()
        ]
    if what == "subjects":
        return [
            (
                {"subject": (s.name,), "kind": (s.kind,), "tag": s.tags},
                {"name": s.name, "kind": s.kind, "summary": s.summary, "tags": _tags(s.tags)},
            )
            for s in discovery.subjects().values()
        ]
    if what == "checks":
        return [
            (
                {"check": (c.name,), "kind": c.kinds, "tag": c.tags},
                {"name": c.name, "kinds": _tags(c.kinds), "claim": c.claim, "tags": _tags(c.tags)},
            )
            for c in discovery.checks().values()
        ]
    if what == "faults":
        return [
            (
                {"subject": (f.name,), "kind": (f.subject.kind,), "check": f.caught_by},
                {"name": f.name, "caught_by": ", ".join(f.caught_by), "story": f.story, "source": f.source},
            )
            for f in discovery.faults().values()
        ]
    return [({"subject": (b.name,)}, {**asdict(b), "available": b.available}) for b in backends()]


def print_listing(what: str, select: str, json: bool) -> None:
    """A table, or JSON: one object a row."""
    chosen = parse(select)
    rows = [row for labels, row in _rows(what) if chosen(labels)]
    if json:
        print(json_module.dumps(rows))
        return
    # Into a pipe each row is one line, for grep.
    console = Console() if sys.stdout.isatty() else Console(width=_UNBROKEN)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows[0] if rows else ("name",):
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column == "name")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table, markup=False)
    console.print(f"{len(rows)} {what}")


def print_diagnosis(device: str, json: bool) -> None:
    """Facts about this machine, or JSON."""
    facts = diagnose(device)
    if json:
        print(json_module.dumps(facts))
        return
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    for key, value in {"device": device, **facts["machine"]}.items():
        table.add_row(key.replace("_", " "), str(value))
    table.add_row("clock MHz, load", f"{facts['clock_mhz']}, {facts['load_1min']}")
    for name, version in facts["versions"].items():
        table.add_row(name, version)
    for backend in facts["backends"]:
        state = backend["reason"] or f"available {backend['version']}"
        table.add_row(f"backend {backend['name']}", state)
    console.print(table)
    floor = facts["noise_floor"]
    console.print(
        f"noise floor: an A/A run of {floor['pairs']} pairs gives a ratio of {floor['ratio']:.4f}, "
        f"interval {floor['low']:.4f} to {floor['high']:.4f}; differences under {floor['floor']:.1%} are noise here"
    )
