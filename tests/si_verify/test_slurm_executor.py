"""Cases as jobs of a real slurmctld on loopback, and through submitit alone where there is none."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from si_verify.executors.local import LocalExecutor
from si_verify.executors.slurm import SlurmExecutor, _Queue
from si_verify.gate import Verdict
from si_verify.plan import Settings
from si_verify.record import read_record
from si_verify.run import run
from tests.si_verify.slurm_loopback import settle, slurm
from tests.si_verify.test_executors import case, name_of

pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")
pytestmark = pytest.mark.xdist_group("slurm")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # Its socket's path must be short.
    with slurm(tmp_path_factory.mktemp("s") / "d"):
        yield


def _chunks(folder: Path, kind: str) -> None:
    cases = [case("segfaults"), case("euler"), case("raises")]
    executor = SlurmExecutor(folder / "jobs", LocalExecutor(timeout=60), chunk=2, cluster=kind)
    record = run(cases, Settings(), executor, folder / "record.jsonl")
    assert [(name_of(r), r.verdict) for r in record.results] == [
        ("segfaults", Verdict.FAILED), ("euler", Verdict.PASSED), ("raises", Verdict.FAILED),
    ]  # fmt: skip


def test_chunks_go_through_submitit_in_processes_of_this_machine(tmp_path):
    _chunks(tmp_path, "local")


@pytest.mark.usefixtures("cluster")
def test_chunks_go_through_slurm(tmp_path):
    _chunks(tmp_path, "slurm")


def test_a_job_is_lost_once_it_was_missing_for_all_the_patience_and_never_for_a_queue_that_does_not_answer(
    tmp_path, monkeypatch
):
    squeue, clock = tmp_path / "squeue", [0.0]
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("si_verify.executors.slurm.time.monotonic", lambda: clock[0])
    queue = _Queue(patience=10.0)

    def look(says: str, seconds: float) -> set[str]:
        squeue.write_text(f"#!/bin/sh\n{says}\n")
        squeue.chmod(0o755)
        clock[0] += seconds
        return queue.left(["1_0", "1_1"])

    assert look("echo 1_0; echo 1_1", 20.0) == set()
    assert look("echo 1_0", 20.0) == set()  # just missed for the first time
    assert look("exit 1", 20.0) == set()
    assert look("echo 1_0; echo 1_1", 20.0) == set()  # back: what was missed is forgotten
    assert look("echo 1_0", 20.0) == set()
    assert look("echo 1_0", 11.0) == {"1_1"}


def _cancel_the_first_running(found: list[str], env: dict[str, str]) -> None:
    end = time.monotonic() + 60.0
    while not found and time.monotonic() < end:
        words = ["squeue", "-h", "-r", "-t", "R", "-o", "%i"]
        rows = subprocess.run(words, env=env, capture_output=True, text=True)
        found.extend(sorted(rows.stdout.split(), key=int)[:1])
        time.sleep(0.2)
    time.sleep(2.0)
    subprocess.run(["scancel", *found], env=env)


@pytest.mark.usefixtures("cluster")
def test_a_job_that_is_cancelled_in_mid_run_is_an_error_for_its_cases_and_no_other_result_is_lost(tmp_path):
    """This cluster keeps no accounts, so that sacct never says that the job is over."""
    settle()
    cancelled: list[str] = []
    threading.Thread(target=_cancel_the_first_running, args=(cancelled, dict(os.environ)), daemon=True).start()
    executor = SlurmExecutor(tmp_path / "jobs", LocalExecutor(timeout=300), chunk=1, patience=3.0)
    record = run([case("hangs"), case("euler")], Settings(), executor, tmp_path / "record.jsonl")
    by_name = {name_of(r): r for r in record.results}
    assert by_name["euler"].verdict is Verdict.PASSED
    assert by_name["hangs"].verdict is Verdict.ERROR
    assert f"the job {cancelled[0]} was lost" in by_name["hangs"].reason
    assert len(read_record(tmp_path / "record.jsonl").results) == 2
