"""Bench: a wrong workload is never timed, one above the hardware is suspect, and intervals mean what they say."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from si_verify import discovery
from si_verify.bench import measure
from si_verify.bench.ceilings import Ceilings
from si_verify.bench.clock import Patience, interleave, median, ratio
from si_verify.bench.measure import Bench, measure_task
from si_verify.bench.session import tasks
from si_verify.bench.workload import Job, Workload
from si_verify.cli.bench import print_table
from si_verify.gate import Verdict
from si_verify.subject import Unavailable

BENCH = Bench("cpu", "float64", Patience(seconds=0.2, width=0.5), "quick")


def _workload(name: str, seconds: float = 2e-3, error: float = 0.0, peer: bool = False, **least: float) -> Workload:
    job = Job(lambda: time.sleep(seconds), lambda answer: error, items=100, unit="points", **least)
    return Workload(name, "sleep", lambda device, dtype: job, peer=peer)


@pytest.fixture(autouse=True)
def _known_ceilings(monkeypatch):
    monkeypatch.setattr(measure, "ceilings", lambda device, dtype: Ceilings(1e9, 1e9, 1e9))


def _rows(result):
    return {m.name: m for m in result.measurements}


def test_the_interval_of_a_median_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    trials = [median(rng.exponential(size=31), 0.9) for _ in range(2000)]
    covered = np.mean([e.low <= np.log(2) <= e.high for e in trials])
    assert 0.9 - 4 * np.sqrt(0.09 / 2000) <= covered


def test_a_disturbance_that_hits_all_alike_cancels_in_the_ratio():
    speed = {"now": 1.0}

    def sample(cost):
        def run():
            speed["now"] = 1.0 if run.calls % 7 else 5.0
            run.calls += 1
            return cost * speed["now"]

        run.calls = 0
        return run

    found = interleave({"a": sample(1.0), "b": sample(2.0)}, Patience(0.01, 1e-9), np.random.default_rng(0))
    assert ratio(found["b"], found["a"], 0.99).value == pytest.approx(2.0)


def test_a_wrong_workload_fails_and_has_no_throughput():
    wrong, right = measure_task("sleep", [_workload("wrong", error=1.5), _workload("right")], BENCH)
    assert (wrong.verdict, right.verdict) == (Verdict.FAILED, Verdict.PASSED)
    assert set(_rows(wrong)) == {"error"}
    assert not wrong.data
    assert _rows(right)["throughput"].value == pytest.approx(100 / 2e-3, rel=0.5)


def test_nan_and_exceptions_fail_and_absence_is_a_skip():
    def broken(device, dtype):
        raise RuntimeError("no such kernel")

    def absent(device, dtype):
        raise Unavailable("no compiler")

    group = [
        _workload("nan", error=float("nan")),
        Workload("broken", "sleep", broken),
        Workload("absent", "sleep", absent),
    ]
    found = {r.subject: r for r in measure_task("sleep", group, BENCH)}
    assert {k: r.verdict for k, r in found.items()} == {
        "nan": Verdict.FAILED,
        "broken": Verdict.FAILED,
        "absent": Verdict.SKIPPED,
    }
    assert "no such kernel" in found["broken"].reason


def test_faster_than_the_hardware_is_suspect_and_fails():
    (result,) = measure_task("sleep", [_workload("magic", bytes=1e9)], BENCH)
    assert result.verdict is Verdict.FAILED
    assert "copy bandwidth" in result.reason
    (honest,) = measure_task("sleep", [_workload("honest", bytes=1e5)], BENCH)
    assert honest.verdict is Verdict.PASSED
    assert _rows(honest)["fraction of copy bandwidth"].value == pytest.approx(0.05, rel=0.5)


def test_the_ratio_is_to_the_best_peer_of_the_same_run():
    group = [_workload("ours", 2e-3), _workload("slow", 12e-3, peer=True), _workload("quick", 6e-3, peer=True)]
    found = {r.subject: _rows(r) for r in measure_task("sleep", group, BENCH)}
    assert found["ours"]["times faster than quick"].value == pytest.approx(3.0, rel=0.4)
    assert not any(name.startswith("times") for name in found["quick"])


def test_a_target_is_shown_beside_the_ratio_and_never_judged(capsys):
    group = [replace(_workload("ours", 6e-3), target=4.0), _workload("quick", 6e-3, peer=True)]
    results = measure_task("sleep", group, BENCH)
    assert {r.verdict for r in results} == {Verdict.PASSED}
    print_table(SimpleNamespace(results=results))
    row = next(line for line in capsys.readouterr().out.splitlines() if "ours" in line)
    assert row.split()[-1] == "4"


def test_an_answer_that_turns_wrong_after_timing_fails():
    calls = []

    def error(answer):
        calls.append(1)
        return 0.0 if len(calls) == 1 else 2.0

    job = Job(lambda: None, error, items=1, unit="points")
    (result,) = measure_task("sleep", [Workload("stale", "sleep", lambda device, dtype: job)], BENCH)
    assert result.verdict is Verdict.FAILED


@pytest.mark.parametrize("task", ["score-iso-k64-d16-n20000", "velocity-iso-k4-d2-n100000"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_built_in_field_workloads_are_right_and_a_small_error_is_seen(task, dtype):
    for _, _, group in tasks(discovery.workloads().values(), f"problem={task}", (dtype,)):
        for workload in group:
            if "compiled" in workload.name or "pykeops" in workload.name:  # minutes of C++
                continue
            try:
                job = workload.load("cpu", dtype)
            except Unavailable:
                continue
            job.renew(3)
            answer = job.run()
            assert job.error(answer) <= 1.0, workload.name
            eps = torch.finfo(answer.dtype).eps
            assert job.error(answer * (1 + 1e5 * eps)) > 1.0, workload.name


def test_the_command_prints_a_table_and_leaves_a_record(tmp_path):
    args = ["bench", "--dtype", "float64", "--select", "subject=torch/gemm and problem=score-iso-k64-d16*"]
    command = [sys.executable, "-m", "si_verify", *args, "--json", "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert len((tmp_path / "record.jsonl").read_text().splitlines()) == 2


def test_nothing_selected_is_exit_five(tmp_path):
    command = [sys.executable, "-m", "si_verify", "bench", "--select", "subject=nobody", "-o", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 5
