"""``si-verify compare``: several records, of devices, versions or commits, on one page and in one table."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from si_verify.cli.gate import record_at
from si_verify.gate import Exit, Verdict, exit_code
from si_verify.record import Record, RecordError, Result, read_record
from si_verify.regression.comparable import differences
from si_verify.regression.history import RULE, Series, histories, letter


def compare(paths: Sequence[Path], target: Path, json: bool) -> int:
    """Draw compare.html and print where the records disagree; the worst exit code of them. Raises RecordError."""
    records = [read_record(record_at(path)) for path in paths]
    page = target / "compare.html" if target.suffix != ".html" else target
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(import_module("reports.render").render(records), encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot write {page}: {error.strerror or error}") from error
    rows = table(records)
    found = [series for series in histories(records) if series.steps]
    code = max((exit_code([r.verdict for r in record.results]) for record in records), default=Exit.NOTHING)
    if json:
        print(
            json_module.dumps(
                {
                    "page": str(page),
                    "records": _summaries(paths, records),
                    "rows": rows,
                    "steps": _steps(records, found),
                }
            )
        )
        return code
    _print(paths, records, rows)
    _print_steps(_steps(records, found), len(records))
    print(f"report: {page}")
    return code


def table(records: Sequence[Record]) -> list[dict[str, object]]:
    """One row a case: its verdict in each record ("" where it is not), and its worst margin; differences come first."""
    found: dict[str, list[Result | None]] = {}
    for index, record in enumerate(records):
        for result in record.results:
            found.setdefault(result.id, [None] * len(records))[index] = result
    rows: list[dict[str, object]] = []
    for name, results in found.items():
        verdicts = [r.verdict.value if r else "" for r in results]
        rows.append({"id": name, "verdicts": verdicts, "margins": [_worst(r) for r in results]})
    return sorted(rows, key=lambda row: len(set(row["verdicts"])) == 1)  # type: ignore[arg-type,call-overload]


def _worst(result: Result | None) -> float | None:
    margins = [float(m.margin) for m in result.measurements if m.verdict is not None] if result else []
    worst = max((m for m in margins if m == m), default=None)
    return None if worst is None else min(worst, 1e300)


def _steps(records: Sequence[Record], found: Sequence[Series]) -> list[dict[str, object]]:
    """Every step of the history, worst first; ``record`` is the place of the first record after it."""
    rows: list[dict[str, object]] = []
    for series in found:
        for step in series.steps:
            before, after = series.points[step.at - 1], series.points[step.at]
            verdict = not series.name
            rows.append(
                {
                    "id": series.case,
                    "what": series.name or "verdict",
                    "record": after.record,
                    "commit": records[after.record].header.commit,
                    "before": before.verdict.value if verdict else step.before,
                    "after": after.verdict.value if verdict else step.after,
                    "worse": step.worse,
                    "confirmed": step.confirmed,
                }
            )
    return rows


def _summaries(paths: Sequence[Path], records: Sequence[Record]) -> list[dict[str, object]]:
    return [
        {
            "path": str(path),
            "device": record.header.device,
            "commit": record.header.commit,
            "created": record.header.created,
            "damaged": record.damaged,
            "counts": Counter(r.verdict.value for r in record.results),
            "differs from the first in": [str(d) for d in differences(records[0], record)],
        }
        for path, record in zip(paths, records, strict=True)
    ]


def _print_steps(steps: Sequence[dict[str, object]], records: int) -> None:
    if records < 3 or not steps:
        return  # of two records the table of verdicts says it all
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=RULE, title_justify="left", title_style="")
    for column in ("since", "case", "what", "before", "after", ""):
        view.add_column(column, overflow="fold")
    for row in steps[:60]:
        values = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in (row["before"], row["after"]))
        said = ("worse" if row["worse"] else "better") + ("" if row["confirmed"] else ", not yet confirmed")
        since = f"{letter(int(str(row['record'])))} {str(row['commit'])[:8]}"
        view.add_row(since, str(row["id"]), str(row["what"]), *values, said)
    console.print(view, markup=False)
    console.print(f"{len(steps)} steps in the history")


def _print(paths: Sequence[Path], records: Sequence[Record], rows: Sequence[dict[str, object]]) -> None:
    console = Console(highlight=False, width=None if Console().is_terminal else 160)
    heads = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "record", "device", "commit", *(v.value.replace("_", " ") for v in Verdict)):
        heads.add_column(column, overflow="fold")
    for index, (path, record) in enumerate(zip(paths, records, strict=True)):
        counts = Counter(r.verdict for r in record.results)
        model = str(record.header.machine.get("gpu") or record.header.machine.get("cpu") or record.header.device)
        heads.add_row(letter(index), str(path), model, record.header.commit, *(str(counts[v]) for v in Verdict))
    console.print(heads, markup=False)
    apart = [row for row in rows if len(set(row["verdicts"])) > 1]  # type: ignore[call-overload]
    if not apart:
        console.print(f"the same verdict in all records on {len(rows)} cases")
        return
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    view.add_column("case", overflow="fold")
    for index in range(len(records)):
        view.add_column(letter(index))
    for row in apart[:200]:
        view.add_row(str(row["id"]), *(v or "–" for v in row["verdicts"]))  # type: ignore[attr-defined]
    console.print(view, markup=False)
    console.print(f"{len(apart)} of {len(rows)} cases differ")
