"""What a case costs beyond its own work: python -m si_verify.executors.overhead --cases 2000 [--executor dask://...]

The cases name a target that is not there, so that a case is all loading, guarding, judging, writing and travel.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from si_verify.case import Case, Target
from si_verify.executors.choose import choose
from si_verify.executors.executor import Executor
from si_verify.executors.inline import InlineExecutor
from si_verify.executors.local import LocalExecutor
from si_verify.plan import Settings
from si_verify.run import Silent, run


class _Clock(Silent):
    """Time of every result since the first: starting workers is paid once and not by each case."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def finished(self, result: object) -> None:
        self.times.append(time.perf_counter())


def cases(n: int) -> list[Case]:
    target = Target("ode", "math:not_there", (("order", 1.0),))
    return [
        Case("ode-order", f"absent-{i}", "gaussian-1d", "float64", "cpu", 0, "quick", 1e-9, target) for i in range(n)
    ]


def per_case(executor: Executor, n: int, folder: Path) -> dict[str, float]:
    """Seconds a case once the workers are up, and until the first result; bytes of record a case."""
    clock, path, begin = _Clock(), folder / "record.jsonl", time.perf_counter()
    run(cases(n), Settings(), executor, path, progress=clock)
    return {
        "seconds a case": (clock.times[-1] - clock.times[0]) / (n - 1),
        "seconds to the first": clock.times[0] - begin,
        "record bytes a case": path.stat().st_size / n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        executor = choose(given.executor, LocalExecutor(jobs=given.jobs), folder)
        found = {
            where: per_case(e, given.cases, folder) for where, e in (("inline", InlineExecutor()), ("there", executor))
        }
    print(json.dumps({"cases": given.cases, "executor": given.executor, "jobs": given.jobs, **found}, indent=1))


if __name__ == "__main__":
    main()
