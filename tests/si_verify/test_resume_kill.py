"""A runner killed at random moments and resumed: no result lost, none doubled, the same final record."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from si_verify.case import Case
from si_verify.executors.inline import InlineExecutor
from si_verify.plan import Settings
from si_verify.record import read_record
from si_verify.run import run
from tests.si_verify.kills import Tally, _look, content, kill_loops
from tests.si_verify.test_executors import HOSTILE, case

KILLS = int(os.environ.get("SI_VERIFY_KILLS", "12"))  # the full count: python -m tests.si_verify.kills


def cheap_cases(n: int) -> list[Case]:
    """n cases of a few milliseconds each: a solver that fails at its first call, with a traceback to write down."""
    return [dataclasses.replace(case("raises"), problem="gaussian-1d", subject=f"raises-{i}") for i in range(n)]


def test_a_runner_killed_at_random_moments_loses_and_doubles_nothing(tmp_path):
    cases = cheap_cases(300)
    tally, found = kill_loops(cases, tmp_path / "r.jsonl", KILLS, seed=1, within=0.03)
    assert (tally.kills, tally.lost, tally.doubled, tally.changed) == (KILLS, 0, 0, 0), tally
    assert tally.acknowledged > 0
    record = read_record(tmp_path / "r.jsonl")
    assert (record.damaged, len(record.results)) == (0, len(cases))
    assert content(found) == content(record) == content(run(cases, Settings(), InlineExecutor()))


def test_the_tally_sees_a_lost_a_doubled_and_a_changed_result(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"type":"header"}\n{"id":"a"}\n{"id":"a"}\n{"id":"to')
    tally = Tally()
    _look(path, [b'{"type":"header"}\n', b'{"id":"b"}\n'], {"a", "b"}, tally)
    assert (tally.lost, tally.doubled, tally.torn, tally.changed) == (1, 1, 1, 1)


def _runner(folder: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "si_verify", "check", "ode", f"{HOSTILE}:hangs", "--order", "1", "--jobs", "1"]
    words += ["--select", "check=ode-order and problem=correlated-2d", "--dtype", "float64", "--output", str(folder)]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(HOSTILE.parents[2])}, preexec_fn=_heed_interrupts,
    )  # fmt: skip


def _heed_interrupts() -> None:
    """A suite started in the background is told to ignore them, and what it starts inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _workers(runner: int) -> list[psutil.Process]:
    """The runner's worker once it is at work: it has imported torch."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = [p for p in psutil.Process(runner).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
        if found and all(p.memory_info().rss > 150 * 2**20 for p in found):
            return found
        time.sleep(0.1)
    raise AssertionError("no worker came up")


def test_a_killed_runner_takes_a_subject_that_hangs_with_it(tmp_path):
    runner = _runner(tmp_path)
    workers = _workers(runner.pid)
    runner.kill()
    runner.communicate()
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert gone
    assert alive == []


def test_an_interrupt_ends_the_run_and_says_how_to_go_on(tmp_path):
    runner = _runner(tmp_path)
    workers = _workers(runner.pid)
    time.sleep(1)
    os.kill(runner.pid, signal.SIGINT)
    _, said = runner.communicate(timeout=60)
    assert runner.returncode == 130, said
    assert "go on with --resume" in " ".join(said.decode().split())
    assert b"Traceback" not in said
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert read_record(tmp_path / "record.jsonl").damaged == 0
