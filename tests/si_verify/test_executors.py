"""A hostile subject costs its own verdict; the rest of the run finishes."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import psutil
import pytest

from si_verify.case import Case, Target
from si_verify.executors.inline import InlineExecutor
from si_verify.executors.local import LocalExecutor
from si_verify.gate import Verdict
from si_verify.plan import Settings
from si_verify.record import read_record
from si_verify.run import run

HOSTILE = Path(__file__).with_name("hostile.py")
EXPECTED = {
    "segfaults": "SIGSEGV",
    "exits": "exited with status 0",
    "exits_politely": "SystemExit",
    "interrupts": "exited with status",
    "raises": "RuntimeError: boom",
    "returns_nan": "",
    "wrong_shape": "expected shape",
    "wrong_dtype": "expected dtype",
    "not_a_tensor": "expected a torch.Tensor",
    "changes_its_input": "changed its input",
    "prints_a_lot": "",
    "missing": "could not be loaded",
}


def case(name: str, check: str = "ode-order") -> Case:
    target = Target("ode", f"{HOSTILE}:{name}", (("order", 1.0),))
    return Case(check, target.spec, "gaussian-1d", "float64", "cpu", 0, "quick", 1e-9, target)


def name_of(result) -> str:
    return result.subject.rpartition(":")[2]


def test_every_hostile_subject_gets_its_own_verdict_and_the_right_one_still_passes(tmp_path):
    cases = [case(name) for name in (*EXPECTED, "euler")]
    record = run(cases, Settings(), LocalExecutor(jobs=2, timeout=60), tmp_path / "record.jsonl")
    by_name = {name_of(r): r for r in record.results}
    assert by_name.pop("euler").verdict is Verdict.PASSED
    for name, reason in EXPECTED.items():
        assert by_name[name].verdict is Verdict.FAILED, name
        assert reason in by_name[name].reason, name
    assert {r.id for r in read_record(tmp_path / "record.jsonl").results} == {c.id for c in cases}


def test_the_libraries_of_a_worker_start_no_more_threads_than_it_is_given(monkeypatch):
    """Seen: numba's pool of two in a worker of one thread; the second spun, and a run took twice its time."""
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    (result,) = LocalExecutor(jobs=1, threads=1).execute([case("minds_its_threads")], lambda c: None)
    assert result.verdict is Verdict.PASSED, result.reason


def test_a_subject_that_hangs_is_ended_with_all_its_children(monkeypatch):
    mark = uuid.uuid4().hex
    monkeypatch.setenv("SI_VERIFY_TEST_RUN", mark)  # inherited by every process of this test and by no other
    cases = [case("leaves_a_child"), case("euler")]
    results = list(LocalExecutor(jobs=1, timeout=15).execute(cases, lambda c: None))
    assert [r.verdict for r in results] == [Verdict.FAILED, Verdict.PASSED]
    assert "no answer within 15 s" in results[0].reason
    time.sleep(0.2)
    assert [p for p in psutil.process_iter() if p.pid != os.getpid() and _marked(p, mark)] == []


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get("SI_VERIFY_TEST_RUN") == mark and "tracker" not in " ".join(process.cmdline())
    except psutil.Error:
        return False


def test_resuming_measures_only_what_is_missing(tmp_path):
    path = tmp_path / "record.jsonl"
    cases = [case("euler"), case("raises"), case("wrong_shape")]
    ran: list[str] = []

    class Counting(InlineExecutor):
        def execute(self, cases, started):
            return super().execute(cases, lambda c: ran.append(c.id))

    run(cases, Settings(), Counting(), path, until=lambda: True)
    assert len(read_record(path).results) == 1
    with path.open("a") as f:
        f.write('{"type": "result", "id": "torn')
    record = run(cases, Settings(), Counting(), path, resume=True)
    assert [r.id for r in record.results] == [c.id for c in cases]
    assert sorted(ran) == sorted(c.id for c in cases)
    assert read_record(path).damaged == 0


def test_a_resumed_run_must_be_the_same_run(tmp_path):
    path = tmp_path / "record.jsonl"
    run([case("euler")], Settings(), InlineExecutor(), path)
    with pytest.raises(Exception, match="seed 0, this run has 1"):
        run([case("euler")], Settings(seed=1), InlineExecutor(), path, resume=True)


def test_inline_and_isolated_runs_measure_the_same():
    inline = next(InlineExecutor().execute([case("euler")], lambda c: None))
    isolated = next(LocalExecutor().execute([case("euler")], lambda c: None))
    assert [m.value for m in inline.measurements] == [m.value for m in isolated.measurements]
    assert inline.measurements
