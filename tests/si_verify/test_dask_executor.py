"""Many machines, on loopback: a real dask scheduler and two workers, one of which is killed in mid-run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from si_verify.config import ConfigError
from si_verify.executors.choose import choose
from si_verify.executors.dask import DaskExecutor
from si_verify.executors.local import LocalExecutor
from si_verify.executors.slurm import SlurmExecutor
from si_verify.gate import Verdict
from si_verify.plan import Settings
from si_verify.record import read_record
from si_verify.run import run
from tests.si_verify.test_executors import case, name_of
from tests.si_verify.test_resume_kill import cheap_cases


@dataclasses.dataclass
class Cluster:
    address: str
    workers: list[subprocess.Popen[bytes]]


def _start(*words: str) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    sink = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], env=env,
                            stdout=sink, stderr=sink, start_new_session=True)  # fmt: skip


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A scheduler and its workers as processes of their own, as on machines of their own."""
    file = folder / "scheduler.json"
    common = ["--no-dashboard", "--scheduler-file", str(file)]
    scheduler = _start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common)
    running = [scheduler]
    try:
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        import json

        time.sleep(0.2)
        address = json.loads(file.read_text())["address"]
        more = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", str(folder)]
        running += [_start("dask_worker", *more, *common) for _ in range(workers)]
        yield Cluster(address, running[1:])
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_worker_killed_in_mid_run_loses_nothing(tmp_path):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    cases = [*cheap_cases(40), case("segfaults"), case("exits"), case("euler")]
    killed: list[int] = []
    with cluster(tmp_path) as found:
        from distributed import Client

        with Client(found.address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)

        class Killing(DaskExecutor):
            def execute(self, cases, started):
                for result in super().execute(cases, started):
                    if not killed:
                        victim = found.workers[0].pid
                        killed.extend(p.pid for p in psutil.Process(victim).children(recursive=True))
                        os.kill(victim, signal.SIGKILL)
                    yield result

        executor = Killing(found.address, LocalExecutor(timeout=60))
        record = run(cases, Settings(), executor, tmp_path / "record.jsonl")
        assert psutil.wait_procs([psutil.Process(p) for p in killed if psutil.pid_exists(p)], timeout=20)[1] == []
    assert [r.id for r in record.results] == [c.id for c in cases]
    by_name = {name_of(r): r for r in record.results}
    assert by_name["euler"].verdict is Verdict.PASSED
    assert "SIGSEGV" in by_name["segfaults"].reason
    assert "exited with status 0" in by_name["exits"].reason
    assert Verdict.ERROR not in {r.verdict for r in record.results}
    lines = (tmp_path / "record.jsonl").read_text().splitlines()
    assert len(lines) == 1 + len(cases)
    assert len(read_record(tmp_path / "record.jsonl").results) == len(cases)


def test_without_a_scheduler_there_is_one_sentence():
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    with pytest.raises(RuntimeError, match=r"no dask scheduler with a worker at tcp://127.0.0.1:9"):
        next(DaskExecutor("tcp://127.0.0.1:9", patience=1.0).execute([case("euler")], lambda c: None))


def test_a_name_chooses_an_executor_or_says_what_it_expected(tmp_path):
    local = LocalExecutor(jobs=4, timeout=7)
    assert choose("local", local, tmp_path) is local
    assert choose("dask://h:1", local, tmp_path) == DaskExecutor("tcp://h:1", LocalExecutor(1, 7))
    found = choose("slurm://gpu?chunk=9", local, tmp_path)
    assert isinstance(found, SlurmExecutor)
    assert (found.chunk, found.parameters) == (9, {"slurm_partition": "gpu"})
    for bad in ("dask://", "slurm://x?chunk=0", "slurm://x?n=1", "ftp://x", ""):
        with pytest.raises(ConfigError, match="executor: expected local"):
            choose(bad, local, tmp_path)
