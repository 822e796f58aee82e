"""``python -m benchmarks.pde``: everything side by side in one run -> reports/pde/record.jsonl and README.md."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pde.packages import packages
from benchmarks.pde.page import page
from benchmarks.pde.precision import advantage, race
from benchmarks.pde.relaxation import ours
from si_verify.bench.clock import Patience, clock_of, median
from si_verify.bench.measure import Bench, measure_task
from si_verify.device import commit, cores, machine_facts
from si_verify.gate import Verdict

_TASKS_SECONDS, _RACE_SECONDS = 6.0, 40.0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def steps(seconds: float) -> Iterator[dict[str, Any]]:
    """One row a form of a step; forms that are wrong are rows without a time."""
    from si_verify.bench.workloads.pde_steps import WORKLOADS

    for task in dict.fromkeys(w.task for w in WORKLOADS):
        mine = [w for w in WORKLOADS if w.task == task]
        for dtype in dict.fromkeys(d for w in mine for d in w.dtypes):
            bench = Bench("cpu", dtype, Patience(seconds), "standard")
            for result in measure_task(task, mine, bench):
                found = next((d for d in result.data if d.kind == "timing"), None)
                if result.verdict is not Verdict.PASSED or found is None:
                    _say(f"{task} {dtype} {result.subject}: {result.verdict.value} {result.reason}")
                    yield {"type": "missing", "reason": f"{task}, {dtype}, {result.subject}: {result.reason}"}
                    continue
                spent = median(np.asarray(found.columns["seconds"], dtype=float), 0.99)
                row = {
                    "type": "step", "task": task, "dtype": dtype, "name": result.subject, "seconds": spent.value,
                    "low": spent.low, "high": spent.high, "items": found.meta["items"],
                    "error": result.measurements[0].value, "samples": list(found.columns["seconds"]),
                }  # fmt: skip
                _say(f"{task} {dtype} {result.subject}: {1e3 * spent.value:.3g} ms")
                yield row


def races(seconds: float) -> Iterator[dict[str, Any]]:
    """One row a package and grid."""
    runs, missing = race([*ours(), *packages()], Patience(seconds, least=8), _say)
    for run in runs:
        better = None if run.own else advantage(run, runs)
        yield {
            "type": "run", "package": run.package, "setting": run.setting, "own": run.own, "error": run.error,
            "error_after": run.error_after, "seconds": run.seconds.value, "low": run.seconds.low,
            "high": run.seconds.high, "prepared": run.prepared, "advantage": better[1] if better else None,
            "against": f"{better[0].package}, {better[0].setting}" if better else "",
        }  # fmt: skip
    for reason in missing:
        yield {"type": "missing", "reason": reason}


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "record.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "README.md").write_text(page(rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pde", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("reports/pde"), help="folder of record.jsonl and README.md")
    parser.add_argument("--quick", action="store_true", help="a third of the time: wider intervals")
    parser.add_argument("--only", choices=("steps", "races"), help="half of it")
    given = parser.parse_args()
    import torch

    share = 1 / 3 if given.quick else 1.0
    facts = machine_facts("cpu")
    machine = {
        "type": "machine", "cpu": facts.get("cpu", "unknown CPU"), "cores": cores(), "threads": torch.get_num_threads(),
        "commit": commit(), "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_before": os.getloadavg()[0], "clock": clock_of("cpu")[0],
    }  # fmt: skip
    rows: list[dict[str, Any]] = [machine]
    # Written twice: the races take longer than the steps, and what is known is known if they are cut off.
    for part, seconds in ((steps, _TASKS_SECONDS), (races, _RACE_SECONDS)):
        if given.only in (None, part.__name__):
            rows += part(share * seconds)
        machine["load_after"] = os.getloadavg()[0]
        _write(given.output, rows)
    _say(f"{given.output / 'README.md'}")


if __name__ == "__main__":
    main()
