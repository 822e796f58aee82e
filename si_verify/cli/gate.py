"""``si-verify gate`` and ``baseline accept``: did this change make anything wrong or slow?"""

from __future__ import annotations

import dataclasses
import json as json_module
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from si_verify.config import Config, ConfigError
from si_verify.device import resolve_device
from si_verify.gate import Exit
from si_verify.record import Record, RecordError, read_record
from si_verify.regression.baseline import accept, find
from si_verify.regression.change import RED, Change, Kind, exit_of
from si_verify.regression.judge import judge_records
from si_verify.regression.sides import SideProcess, Tree, built
from si_verify.regression.speed import PATIENCE, Sides, Task, judge_speed
from si_verify.select import parse
from si_verify.summary import pie

_QUIET = (Kind.SAME, Kind.NEW)
_COLOURS = dict.fromkeys(RED, "#c0322b") | {
    Kind.ERROR: "#8a3ba8",
    Kind.AMBIGUOUS: "#d9a441",
    Kind.SAME: "#1b7a4b",
    Kind.BETTER: "#2f6fb5",
    Kind.FASTER: "#1f8a80",
    Kind.NEW: "#b4bbc2",
}


@dataclass(frozen=True)
class Output:
    json: bool = False
    github_summary: bool = False
    strict: bool = False


def record_at(path: Path) -> Path:
    """A record's file, given it or its folder."""
    return path / "record.jsonl" if path.is_dir() else path


def gate_record(record: Path, baseline: Path | None, folder: Path, output: Output) -> int:
    """Judge a record against the one named, or the accepted baseline of its conditions; the exit code."""
    head = read_record(record_at(record))
    if baseline is None:
        path, base = find(head, folder)
    else:
        path, base = record_at(baseline), read_record(record_at(baseline))
    return report(judge_records(base, head), f"baseline {path}", output)


def gate_against(
    revision: str, config: Config, output: Output, workloads: Sequence[str], accuracy: bool, isolated: bool
) -> int:
    """Build the revision and the working tree, compare what they measure and how long they take; the exit code."""
    device = resolve_device(config.device)
    changes: list[Change] = []
    errors = Console(stderr=True)
    with built(revision, Path.cwd(), isolated) as (base, head):
        if accuracy:
            folder = Path(config.output)
            records = [_measured(tree, config, folder / name) for tree, name in ((base, "base"), (head, "head"))]
            if records[0] is not None and records[1] is not None:
                changes += judge_records(records[0], records[1])
                if output.github_summary:  # an SVG and a PNG for the artifact; reports lie above, looked up late
                    import_module("reports.still").write_overview(records[1], folder / "head")
        tasks = _tasks(head, config, device, workloads)
        with _kept(Path(config.output), changes) as log:
            for i, task in enumerate(tasks, 1):
                # Minutes a task, and hours for all of them: a log without a terminal needs to say so too.
                errors.print(f"timing {i} of {len(tasks)}: {task.id}", markup=False)
                changes.append(judge_speed(task, Sides(base, head), PATIENCE[config.profile], config.seed))
                _keep(log, changes[-1])
        return report(changes, f"base {base.name}", output)


def _kept(folder: Path, changes: Sequence[Change]) -> TextIO:
    """``changes.jsonl``: what has been judged, a line a change, also of a gate that is ended in mid-run."""
    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / "changes.jsonl").open("w", encoding="utf-8")
    for change in changes:
        _keep(log, change)
    return log


def _keep(log: TextIO, change: Change) -> None:
    log.write(json_module.dumps(dataclasses.asdict(change)) + "\n")
    log.flush()


def _measured(tree: Tree, config: Config, folder: Path) -> Record | None:
    """The record that ``tree`` makes of its built-in subjects; None if it has nothing of the selection."""
    words = ["run", "--profile", config.profile, "--device", config.device, "--seed", str(config.seed)]
    words += ["--select", config.select, "--dtype", config.dtype, "--timeout", str(config.timeout)]
    words += ["--jobs", str(config.jobs), "--output", str(folder.resolve()), "--no-strict", "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "si_verify", *words], env=tree.environment(), capture_output=True, text=True
    )
    if done.returncode == Exit.NOTHING:
        return None
    if done.returncode in (Exit.PASSED, Exit.FAILED, Exit.UNMEASURED) and (folder / "record.jsonl").exists():
        return read_record(folder / "record.jsonl")
    why = done.stderr.strip().splitlines()[-1:] or [""]
    raise RecordError(f"{tree.name}: si-verify run ended with status {done.returncode}: {why[0]}")


def _tasks(head: Tree, config: Config, device: str, workloads: Sequence[str]) -> list[Task]:
    dtypes = ("float64", "float32") if config.dtype == "all" else (config.dtype,)
    if workloads:
        return [Task(_absolute(spec), "", dtypes[0], device) for spec in workloads]
    chosen = parse(config.select)
    with SideProcess(head) as side:
        answer = side.ask("tasks", device=device)
    if "tasks" not in answer:
        raise RecordError(f"{head.name}: cannot list its workloads: {answer.get('failed')}")
    return [
        Task(name, task, dtype, device)
        for name, task, dtype, tags, peer in answer["tasks"]
        if not peer
        and dtype in dtypes
        and chosen({"subject": (name,), "problem": (task,), "tag": frozenset(tags), "dtype": (dtype,)})
    ]


def _absolute(spec: str) -> str:
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ConfigError(f"--workload: expected 'module:OBJECT' or 'path/to/file.py:OBJECT', got {spec!r}")
    return f"{Path(where).resolve()}:{name}" if where.endswith(".py") else spec


def report(changes: Sequence[Change], against: str, output: Output) -> int:
    """Print the changes, or JSON; append to the step's summary on GitHub; the exit code."""
    code = exit_of(changes, output.strict)
    if output.github_summary and "GITHUB_STEP_SUMMARY" in os.environ:
        with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as f:
            f.write(markdown(changes, against))
    if output.json:
        print(json_module.dumps(_as_json(changes, against, code)))
        return code
    print(headline(changes, against))
    _print_table(changes)
    return code


def headline(changes: Sequence[Change], against: str) -> str:
    """What a tired person reads: red or green, how many, against what."""
    red = [c for c in changes if c.kind in RED]
    counts = ", ".join(f"{n} {kind}" for kind, n in sorted(Counter(c.kind.value for c in changes).items()))
    word = "RED" if red else ("NOT MEASURED" if exit_of(changes) else "GREEN")
    return f"{word} against {against}: {counts or 'nothing was compared'}"


def _print_table(changes: Sequence[Change]) -> None:
    shown = [c for c in changes if c.kind not in _QUIET or (c.kind is Kind.SAME and not math.isnan(c.ratio))]
    if not shown:
        return
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("verdict", "what", "why"):
        table.add_column(column, overflow="fold")
    for c in sorted(shown, key=lambda c: (list(Kind).index(c.kind), c.id)):
        again = f"\n{c.reproduce}" if c.reproduce and c.kind in RED else ""
        table.add_row(c.kind.value, c.id, c.why + again)
    console.print(table, markup=False)


def markdown(changes: Sequence[Change], against: str) -> str:
    """The same for $GITHUB_STEP_SUMMARY; names are code, so that none of them is read as HTML or a link."""
    rows = [f"## si-verify gate\n\n{_code(headline(changes, against))}\n"]
    found = Counter(c.kind for c in changes)
    if found:
        rows += ["", pie("cases compared", [(k.value, n, _COLOURS[k]) for k, n in found.items()])]
    shown = [c for c in changes if c.kind not in _QUIET][:100]
    if shown:
        rows += ["", "| verdict | what | why |", "| --- | --- | --- |"]
        rows += [f"| {c.kind.value} | {_code(c.id)} | {_code(c.why)} |" for c in shown]
    return "\n".join(rows) + "\n"


def _code(text: str) -> str:
    clean = "".join(ch if ch.isprintable() else " " for ch in text)
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("`", "&#96;")):
        clean = clean.replace(raw, safe)
    return f"<code>{clean}</code>"


def _as_json(changes: Sequence[Change], against: str, code: int) -> dict[str, Any]:
    rows = [{k: None if v != v else v for k, v in dataclasses.asdict(c).items()} for c in changes]
    counts = Counter(c.kind.value for c in changes)
    return {"exit_code": int(code), "passed": code == 0, "against": against, "counts": counts, "changes": rows}


def accept_baseline(record: Path, folder: Path, why: str, who: str, json: bool) -> int:
    """Make a record the baseline of its conditions."""
    path, given = accept(record_at(record), folder, why, who)
    if json:
        print(json_module.dumps({"path": str(path), **dataclasses.asdict(given)}))
    else:
        print(f"{path}\naccepted by {given.who}, from {given.commit or 'no commit'}: {given.why}")
    return Exit.PASSED
