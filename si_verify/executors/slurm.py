"""Cases as a job array of a Slurm cluster through submitit (extra ``slurm``).

    si-verify run --executor slurm://partition?chunk=64

A job takes ``chunk`` cases and runs them in isolated processes of its node, one at a time, so that what is timed shares
its device with nobody. Results come as jobs end; a job that is lost (no answer, and neither queued nor running for
``patience`` seconds) costs an error for each of its cases.
"""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from si_verify.case import Case
from si_verify.execute import result_of
from si_verify.executors.executor import ExecutorError
from si_verify.executors.local import LocalExecutor
from si_verify.gate import Verdict
from si_verify.record import Result

_POLL_SECONDS, _LOOK_SECONDS = 1.0, 15.0


def run_chunk(cases: tuple[Case, ...], executor: LocalExecutor) -> list[str]:
    """On a node: the results of a chunk as JSON."""
    return [result.model_dump_json() for result in executor.execute(cases, lambda case: None)]


@dataclass(frozen=True)
class SlurmExecutor:
    """``parameters`` go to submitit (slurm_partition, gpus_per_node, ...); ``folder`` is seen by all nodes.

    ``cluster`` is "slurm", or "local" for processes of this machine through the same path.
    """

    folder: Path
    local: LocalExecutor = field(default_factory=LocalExecutor)
    chunk: int = 64
    cluster: str = "slurm"
    parameters: dict[str, Any] = field(default_factory=dict)
    patience: float = 60.0

    def execute(self, cases: Iterable[Case], started: Callable[[Case], None]) -> Iterator[Result]:
        """Raises ExecutorError without the extra or without Slurm's commands."""
        try:
            import submitit
        except ImportError as error:
            raise ExecutorError(
                f"the slurm executor needs the extra: pip install 'si-verify[slurm]' ({error})"
            ) from error
        waiting = list(cases)
        chunks = [tuple(waiting[i : i + self.chunk]) for i in range(0, len(waiting), self.chunk)]
        try:
            pool = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster)
        except RuntimeError as error:
            raise ExecutorError(f"no Slurm here: {error}") from error
        minutes = 1 + int(self.chunk * self.local.timeout / 60)
        pool.update_parameters(**{"name": "si-verify", "timeout_min": minutes, **self.parameters})
        with pool.batch():
            jobs = [(pool.submit(run_chunk, chunk, self.local), chunk) for chunk in chunks]
        for case in waiting:
            started(case)
        queue = _Queue(self.patience)
        try:
            while jobs:
                ended = [pair for pair in jobs if pair[0].done()]
                jobs = [pair for pair in jobs if pair not in ended]
                for job, chunk in ended:
                    yield from _results(job, chunk)
                if ended or self.cluster != "slurm":
                    time.sleep(0.0 if ended else _POLL_SECONDS)
                    continue
                lost = queue.left([job.job_id for job, _ in jobs])
                for job, chunk in jobs:
                    if job.job_id in lost:
                        job.cancel()
                        yield from _lost(job, chunk, "it left the queue without an answer")
                jobs = [pair for pair in jobs if pair[0].job_id not in lost]
                time.sleep(_POLL_SECONDS)
        finally:
            for job, _ in jobs:
                job.cancel()


def _results(job: Any, chunk: tuple[Case, ...]) -> list[Result]:
    try:
        return [Result.model_validate_json(text) for text in job.result()]
    except Exception as error:
        return _lost(job, chunk, f"{type(error).__name__}: {error}")


def _lost(job: Any, chunk: tuple[Case, ...], why: str) -> list[Result]:
    return [result_of(case, Verdict.ERROR, f"the job {job.job_id} was lost: {why}"[:500]) for case in chunk]


@dataclass
class _Queue:
    """Jobs neither queued nor running any more. submitit asks sacct, which knows nothing without accounting."""

    patience: float
    looked: float = -math.inf
    missed: dict[str, float] = field(default_factory=dict)

    def left(self, jobs: list[str]) -> set[str]:
        """Those that were not in the queue at any look for ``patience`` seconds: an answer's file may come late."""
        now = time.monotonic()
        if now < self.looked + min(_LOOK_SECONDS, self.patience):
            return set()
        self.looked = now
        words = ["squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}"]
        try:
            seen = subprocess.run(words, capture_output=True, text=True, timeout=60.0)
        except subprocess.TimeoutExpired:
            return set()
        if seen.returncode != 0:
            return set()
        there = set(seen.stdout.split())
        self.missed = {job: self.missed.get(job, now) for job in jobs if job not in there}
        return {job for job, since in self.missed.items() if now >= since + self.patience}
