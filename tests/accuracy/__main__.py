"""`python -m tests.accuracy`: the accuracy claim over thousands of random cases, with a record.

    python -m tests.accuracy --cases 10000 --jobs 2 --output reports/accuracy
    python -m tests.accuracy --spec '{"coupling": ...}'     # one case again, as a failure prints it

Cases come in numbered chunks (tests/accuracy/draw.py); each finished case is a line of OUTPUT/cases.jsonl, so a
killed run goes on where it was. OUTPUT/accuracy.json and accuracy.md are written at the end. Exit 1 on any failure.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

# One thread a worker, set before NumPy is imported by anything below.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.accuracy.draw import chunk
from tests.accuracy.measure import timed
from tests.accuracy.record import commit, rows, summarise, table
from tests.cases import CaseSpec


def _measure(job: tuple[str, CaseSpec]) -> dict[str, Any]:
    case_id, spec = job
    """One finished line. An exception is a finding too, and no reason to stop a run of hours."""
    try:
        findings, seconds = timed(spec)
        rows = [f.to_json() for f in findings]
    except Exception as error:
        note = f"{type(error).__name__}: {error}"
        rows, seconds = [{"field": "case", "verdict": "error", "ratio": math.nan, "note": note}], 0.0
    return {"id": case_id, "spec": spec.to_json(), "seconds": round(seconds, 4), "findings": rows}


def _jobs(cases: int, first: int) -> Iterator[tuple[str, CaseSpec]]:
    """The first `cases` distinct specifications from chunk `first` on."""
    seen: set[CaseSpec] = set()
    for number in count(first):
        for index, spec in enumerate(chunk(number)):
            if spec not in seen:
                seen.add(spec)
                yield f"{number}:{index}", spec
                if len(seen) == cases:
                    return


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=300, help="how many distinct cases (default 300)")
    parser.add_argument("--first-chunk", type=int, default=0, help="number of the first chunk (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default 1)")
    parser.add_argument("--output", type=Path, default=Path("reports/accuracy"))
    parser.add_argument("--spec", help="measure this one case (JSON) and print its findings")
    options = parser.parse_args(arguments)
    if options.spec:
        findings, _ = timed(CaseSpec(**json.loads(options.spec)))
        for finding in findings:
            print(json.dumps(finding.to_json()))
        return 0 if all(f.passed for f in findings) else 1

    options.output.mkdir(parents=True, exist_ok=True)
    log = options.output / "cases.jsonl"
    done = {row["id"] for row in rows(log)}
    jobs = list(_jobs(options.cases, options.first_chunk))
    wanted = {case_id for case_id, _ in jobs}
    todo = [job for job in jobs if job[0] not in done]
    tested = commit()
    with log.open("a") as stream, ProcessPoolExecutor(options.jobs) as pool:
        for n, row in enumerate(pool.map(_measure, todo, chunksize=4), start=len(jobs) - len(todo) + 1):
            stream.write(json.dumps({**row, "commit": tested}) + "\n")
            stream.flush()
            if n % 100 == 0 or n == len(jobs):
                print(f"{n}/{len(jobs)}", file=sys.stderr)
    command = f"python -m tests.accuracy --cases {options.cases} --first-chunk {options.first_chunk}"
    summary = summarise((row for row in rows(log) if row["id"] in wanted), command)
    (options.output / "accuracy.json").write_text(json.dumps(summary, indent=1) + "\n")
    (options.output / "accuracy.md").write_text(table(summary))
    print(table(summary))
    return 1 if summary["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
