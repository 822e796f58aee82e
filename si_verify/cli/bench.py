"""``si-verify bench``: the table of throughputs beside ceilings and peers."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from si_verify import discovery, summary
from si_verify.bench.session import bench, tasks
from si_verify.cli.session import command_line, settings_of, write_files
from si_verify.config import Config
from si_verify.gate import Exit, exit_code
from si_verify.record import MeasurementRow, Record, Result


def run_bench(config: Config, json: bool) -> int:
    """Time what is selected, write the three files, print the table; returns the exit code."""
    settings = settings_of(config, "")
    errors = Console(stderr=True)
    plan = tasks(discovery.workloads().values(), settings.select, settings.dtypes, settings.device)
    if not plan:
        errors.print(f"nothing selected (select={settings.select!r})", markup=False)
        return Exit.NOTHING
    total = sum(len(rows) for _, _, rows in plan)
    done = 0

    def watch(result: Result) -> None:
        nonlocal done
        done += 1
        if errors.is_terminal:
            errors.print(f"{done}/{total} {result.problem} {result.subject} {result.verdict.value}", markup=False)

    folder = Path(config.output)
    record = bench(plan, settings, folder / "record.jsonl", command_line(), watch)
    files = write_files(record, folder)
    code = exit_code([r.verdict for r in record.results], config.strict)
    if json:
        print(json_module.dumps(summary.as_json(record, int(code), files)))
        return code
    print_table(record)
    print(f"\nreport: {files['report']}\nrecord: {files['record']}")
    return code


def print_table(record: Record) -> None:
    """One block a task: throughput with its interval, share of the ceiling that binds, ratio to the best peer."""
    console = Console(highlight=False, width=None if Console().is_terminal else 180)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("task", "implementation", "throughput", "±", "of ceiling", "over the best peer", "target", ""):
        table.add_column(name, no_wrap=True)
    task = ""
    for r in record.results:
        label = f"{r.problem}, {r.dtype}"
        table.add_row("" if label == task else label, r.subject, *_cells(r))
        task = label
    console.print(table, markup=False)


def _cells(result: Result) -> tuple[str, ...]:
    rows = {m.name.partition(" ")[0]: m for m in result.measurements}
    rate, share, times = rows.get("throughput"), rows.get("fraction"), rows.get("times")
    note = "" if result.verdict == "passed" else f"{result.verdict.value}: {result.reason}"[:60]
    return (
        f"{rate.value:.3g} {rate.unit}" if rate else "",
        _spread(rate),
        f"{share.value:.1%} of {share.name.removeprefix('fraction of ')}" if share else "",
        f"{times.value:.2f} ({_interval(times)}) {times.name.removeprefix('times faster than ')}" if times else "",
        "; ".join(_asked(d.meta) for d in result.data),
        note,
    )


def _asked(meta: Mapping[str, Any]) -> str:
    """Times the best peer, items a second, or both."""
    goal = f"{meta['goal']:.3g}/s" if "goal" in meta else ""
    return "; ".join(word for word in (f"{meta['target']:g}" if "target" in meta else "", goal) if word)


def _spread(row: MeasurementRow | None) -> str:
    return f"{(row.interval[1] - row.interval[0]) / (2 * row.value):.1%}" if row and row.interval else ""


def _interval(row: MeasurementRow | None) -> str:
    return f"{row.interval[0]:.3g} to {row.interval[1]:.3g}" if row and row.interval else ""
