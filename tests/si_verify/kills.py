"""kill −9 of a runner at random moments, then --resume: nothing lost, nothing doubled, the same final record.

python -m tests.si_verify.kills --kills 50               the runner's loop and file; seconds
python -m tests.si_verify.kills --kills 50 --command     the whole command with its isolated workers; minutes
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from si_verify.executors.inline import InlineExecutor
from si_verify.plan import Settings
from si_verify.record import Record, Result, read_record
from si_verify.run import Silent, run

_HOSTILE = Path(__file__).with_name("hostile.py")
# Some 170 results and a minute or two of work, so that most runners are killed at it; none that times anything.
_COMMAND = [
    sys.executable, "-m", "si_verify", "check", "ode", f"{_HOSTILE}:euler", "--order", "1", "--jobs", "1",
    "--profile", "standard",
    "--select", "(check=ode-* and not check=ode-work-precision or check=law-moments) and not problem=2d-ring*",
]  # fmt: skip

_AT_WORK = 0.7


@dataclass
class Tally:
    """``acknowledged``: results of which the runner had said that they are done when it was killed; ``working``: kills
    of runners that had written results."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    changed: int = 0
    working: int = 0


@dataclass
class _Telling(Silent):
    """Says the id of every result that is done through a pipe, which survives the kill."""

    pipe: int = -1

    def finished(self, result: Result) -> None:
        os.write(self.pipe, result.id.encode() + b"\n")


def content(record: Record) -> dict[str, Any]:
    """What must be the same however often a run was killed: all but the time it took."""
    return {r.id: json.loads(r.model_copy(update={"seconds": 0.0}).model_dump_json()) for r in record.results}


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def _look(path: Path, before: list[bytes], acknowledged: set[str], tally: Tally) -> None:
    """The file after a kill: earlier lines stand where they did, no id twice, and all that was acknowledged."""
    lines = _lines(path)
    whole = [line for line in lines if line.endswith(b"\n")]
    tally.torn += len(lines) - len(whole)
    tally.changed += whole[: len(before)] != before
    tally.working += len(whole) > max(1, len(before))
    ids = [json.loads(line)["id"] for line in whole[1:]]
    tally.doubled += len(ids) - len(set(ids))
    tally.lost += len(acknowledged - set(ids))
    tally.acknowledged = len(acknowledged)


def kill_loop(start: Callable[[int], int], path: Path, kills: int, rng: random.Random, within: float) -> Tally:
    """``start(pipe) -> pid`` of a runner that resumes ``path``; each is killed within so many seconds of its start,
    or (most) of its first result."""
    tally, acknowledged, before = Tally(), set[str](), list[bytes]()
    for _ in range(kills):
        ours, theirs = os.pipe()
        pid = start(theirs)
        os.close(theirs)
        if rng.random() < _AT_WORK:
            select.select([ours], [], [], 60.0)
        time.sleep(rng.uniform(0, within))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(ours, "rb") as f:
            acknowledged |= {line.decode() for line in f.read().splitlines()}
        tally.kills += 1
        _look(path, before, acknowledged, tally)
        before = [line for line in _lines(path) if line.endswith(b"\n")]
    return tally


def kill_loops(cases: list[Any], path: Path, kills: int, seed: int, within: float) -> tuple[Tally, Record]:
    """The loop of ``run`` in forked processes: killed at any point of plan, measurement, write and flush."""

    def start(pipe: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            run(cases, Settings(), InlineExecutor(), path, resume=True, progress=_Telling(pipe))
        finally:
            os._exit(0)

    tally = kill_loop(start, path, kills, random.Random(seed), within)
    return tally, run(cases, Settings(), InlineExecutor(), path, resume=True)


def kill_commands(folder: Path, kills: int, seed: int, within: float) -> tuple[Tally, Record]:
    """The command with its worker processes."""

    def start(pipe: int) -> int:
        words = [*_COMMAND, "--resume", "--output", str(folder)]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid

    tally = kill_loop(start, folder / "record.jsonl", kills, random.Random(seed), within)
    subprocess.run([*_COMMAND, "--resume", "--output", str(folder)], stdout=subprocess.DEVNULL)
    return tally, read_record(folder / "record.jsonl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--within", type=float, default=0.0, help="seconds a runner lives at most")
    parser.add_argument("--command", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.command:
            tally, found = kill_commands(folder / "killed", given.kills, given.seed, given.within or 12.0)
            subprocess.run([*_COMMAND, "--output", str(folder / "whole")], stdout=subprocess.DEVNULL)
            whole = read_record(folder / "whole" / "record.jsonl")
        else:
            from tests.si_verify.test_resume_kill import cheap_cases

            cases = cheap_cases(1500)
            tally, found = kill_loops(cases, folder / "r.jsonl", given.kills, given.seed, given.within or 0.03)
            whole = run(cases, Settings(), InlineExecutor())
    same = content(found) == content(whole)
    print(f"{tally}; {len(found.results)} results; the same final record: {same}")
    sys.exit(not (same and tally.lost == tally.doubled == tally.changed == 0))


if __name__ == "__main__":
    main()
