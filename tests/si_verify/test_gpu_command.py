"""``python -m benchmarks.gpu``: what it says without a GPU, its limits, its files, and that a crash loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu import PARTS, Part

ROOT = Path(__file__).parents[2]
_HEAD, _RIGHT = '{"schema": 1}', '{"verdict": "passed", "id": "a", "reason": ""}'
_WRONG = '{"verdict": "failed", "id": "b/c", "reason": "off by 3"}'
_ABSENT = '{"verdict": "skipped", "id": "d", "reason": "no such package"}'


def _writes(*lines: str, then: str = "") -> tuple[str, ...]:
    """A part that writes a record line by line, and does something else."""
    code = f"""
import sys, time, signal, pathlib
path = pathlib.Path(sys.argv[1])
with (path / "record.jsonl").open("w") as f:
    for line in {lines!r}:
        print(line, file=f, flush=True)
print("said", path.name, flush=True)
{then}
"""
    return ("-c", code, "{folder}")


@pytest.fixture(autouse=True)
def _a_device(monkeypatch):
    monkeypatch.setattr(gpu, "missing_device", lambda: "")
    monkeypatch.setattr(gpu, "_POLL", 0.1)


def _summary(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text())


def test_without_a_gpu_it_says_so_and_runs_nothing(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    command = [sys.executable, "-m", "benchmarks.gpu", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == gpu.NO_DEVICE == 3
    assert done.stdout.startswith("no CUDA device: nothing was run (torch ")
    assert _summary(tmp_path / "out")["device"] is False
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["summary.json"]


def test_what_runs_fails_and_is_skipped_is_said(tmp_path):
    parts = (
        Part("right", _writes(_HEAD, _RIGHT), 1.0, {"record.jsonl": "right.jsonl"}),
        Part("wrong", _writes(_HEAD, _RIGHT, _WRONG, _ABSENT, then="sys.exit(1)"), 1.0),
        Part("crash", _writes(_RIGHT, '{"ver', then="import os; os.abort()"), 1.0, {"record.jsonl": "c.jsonl"}),
    )  # fmt: skip
    assert gpu.main(tmp_path, 1.0, parts) == 1
    right, wrong, crash = _summary(tmp_path)["parts"]
    assert [p["state"] for p in (right, wrong, crash)] == ["ran", "failed", "failed"]
    assert (right["exit"], wrong["exit"], crash["exit"]) == (0, 1, -6)
    assert wrong["verdicts"] == {"passed": 1, "failed": 1, "skipped": 1}
    assert wrong["failures"] == ["b/c: off by 3"]
    assert wrong["skipped"] == {"no such package": 1}
    assert crash["verdicts"] == {"passed": 1}
    assert (tmp_path / "c.jsonl").read_text().startswith(_RIGHT)
    log = (tmp_path / "log.txt").read_text()
    assert [log.count(f"said {p.name}") for p in parts] == [1, 1, 1]
    with tarfile.open(tmp_path / "rest.tar.gz") as bundle:
        assert {"parts/wrong/record.jsonl", "parts/right/record.jsonl"} <= set(bundle.getnames())
    assert gpu.main(tmp_path / "again", 1.0, parts[:1]) == 0


def test_a_part_past_its_limit_is_cut_and_the_rest_still_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "_GRACE", 0.5)
    deaf = (
        "import os; print('pid', os.getpid(), flush=True); signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    )
    parts = (
        Part("deaf", _writes(_RIGHT, then=deaf), 1.0, {"record.jsonl": "deaf.jsonl"}),
        Part("next", _writes(_RIGHT), 1.0),
    )
    began = time.monotonic()
    assert gpu.main(tmp_path, 0.15, parts) == 1
    assert time.monotonic() - began < 9.0 + 3.0
    deaf_row, next_row = _summary(tmp_path)["parts"]
    assert (deaf_row["state"], deaf_row["exit"], next_row["state"]) == ("cut", None, "ran")
    assert deaf_row["limit_s"] == pytest.approx(0.9 * 9 / 2, rel=0.2)
    assert next_row["limit_s"] > deaf_row["limit_s"] / 4
    assert (tmp_path / "deaf.jsonl").read_text().strip() == _RIGHT
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "log.txt").read_text().partition("pid ")[2].split()[0]), 0)


def test_a_record_is_in_out_while_it_grows_and_a_killed_command_keeps_it(tmp_path):
    code = """
import signal, sys
from pathlib import Path
import tests.si_verify.test_gpu_command as t
from benchmarks import gpu
signal.signal(signal.SIGTERM, gpu._interrupt)
gpu.missing_device, gpu._POLL = lambda: "", 0.1
slow = gpu.Part("slow", t._writes(t._RIGHT, then="time.sleep(60)"), 1.0, {"record.jsonl": "slow.jsonl"})
sys.exit(gpu.main(Path(sys.argv[1]), 1.0, (slow,)))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment)
    until = time.monotonic() + 60
    while not (tmp_path / "slow.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert (tmp_path / "slow.jsonl").read_text().strip() == _RIGHT
    child.terminate()
    assert child.wait(timeout=30) != 0
    assert _summary(tmp_path)["parts"] == [{"name": "slow", "state": "not started"}]
    with tarfile.open(tmp_path / "rest.tar.gz") as bundle:
        assert "parts/slow/record.jsonl" in bundle.getnames()


def test_when_time_is_up_what_is_left_is_named(tmp_path):
    parts = (Part("one", _writes(_RIGHT), 1.0), Part("two", _writes(_RIGHT), 1.0))
    assert gpu.main(tmp_path, 0.0, parts) == 1
    assert [p["state"] for p in _summary(tmp_path)["parts"]] == ["not started", "not started"]


def test_the_parts_leave_at_most_eight_files():
    kept = {target for part in PARTS for target in part.kept.values()}
    assert len(kept | {"log.txt", "summary.json", "rest.tar.gz"}) <= 8
    assert all("{folder}" in " ".join(p.command) for p in PARTS if p.name != "facts")
    assert len({p.name for p in PARTS}) == len(PARTS)


def test_its_benches_select_every_workload_of_a_gpu_once():
    from si_verify import discovery
    from si_verify.bench.session import tasks

    rows = [w for w in discovery.workloads().values() if w.device == "cuda"]
    found = []
    for part in PARTS:
        if "bench" in part.command:
            select, dtype = (part.command[part.command.index(flag) + 1] for flag in ("--select", "--dtype"))
            plan = tasks([replace(w, device="") for w in rows], select, () if dtype == "all" else (dtype,))
            found += [(w.name, task, d) for task, d, group in plan for w in group]
    assert sorted(found) == sorted((w.name, w.task, d) for w in rows for d in w.dtypes)


def test_tests_that_need_a_gpu_are_all_in_the_command():
    """Modules that skip themselves for want of one, and whatever is marked; the children that interpret need none."""
    needing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path != Path(__file__) and ("pytest.skip(\"no GPU" in path.read_text() or "mark.cuda" in path.read_text())
    }  # fmt: skip
    assert needing == set(gpu.TESTS)


def test_without_what_draws_the_bench_still_writes_its_record(tmp_path):
    code = (
        "import sys; sys.modules['altair'] = None; sys.modules['vl_convert'] = None;"
        "from si_verify.cli import main; main()"
    )
    select = "subject=torch/gemm and problem=score-iso-k4-d2*"
    arguments = ["bench", "--dtype", "float32", "--select", select, "--device", "cpu", "-o", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "report: not drawn" in done.stdout
    assert len((tmp_path / "record.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "junit.xml").exists()
