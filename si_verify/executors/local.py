"""Cases in isolated worker processes: one that hangs, crashes or exits costs its own verdict and nothing else."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from si_verify.case import Case
from si_verify.execute import result_of
from si_verify.executors.executor import ExecutorError
from si_verify.executors.worker import serve
from si_verify.gate import Verdict
from si_verify.record import Result

_START_SECONDS = 120.0  # imports of torch and its like on a cold disk
_POLL_SECONDS = 0.2
_LEAVE_SECONDS = 10.0  # for its exit handlers, or to be dead once its pipe is closed, on a loaded machine


@dataclass
class Worker:
    """A worker process, the case it has, and until when it may have it."""

    process: Any
    pipe: Connection
    case: Case | None = None
    deadline: float = 0.0
    ready: bool = False
    since: float = field(default_factory=time.monotonic)

    def give(self, case: Case, timeout: float) -> None:
        self.case = case
        self.since = time.monotonic()
        self.deadline = self.since + timeout
        with contextlib.suppress(OSError):
            self.pipe.send(case)

    def retire(self) -> None:
        """Let an idle worker leave by itself, so that what it had registered is cleared; then see that it is gone."""
        with contextlib.suppress(OSError):
            self.pipe.close()
        self.process.join(_LEAVE_SECONDS)
        self.end()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.pipe.close()
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join(5)


def _death(exitcode: int | None) -> str:
    if exitcode is None:
        return "closed its pipe"
    if exitcode < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-exitcode).name}"
    return f"exited with status {exitcode}"


@dataclass(frozen=True)
class LocalExecutor:
    """``jobs`` workers; a case gets ``timeout`` seconds; a dead worker is replaced and its case judged failed.

    ``memory_gib`` bounds what the cases of one worker may allocate on the host (0: no bound).
    """

    jobs: int = 1
    timeout: float = 300.0
    threads: int = 1
    memory_gib: float = 0.0

    def _spawn(self) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.threads, self.memory_gib, os.getpid()), daemon=False)
        process.start()
        theirs.close()
        return Worker(process, ours, deadline=time.monotonic() + _START_SECONDS)

    def execute(self, cases: Iterable[Case], started: Callable[[Case], None]) -> Iterator[Result]:
        waiting = deque(cases)
        workers = [self._spawn() for _ in range(min(self.jobs, len(waiting)))]
        try:
            while workers:
                for worker in list(workers):
                    if worker.ready and worker.case is None:
                        if not waiting:
                            workers.remove(worker)
                            worker.retire()
                            continue
                        started(waiting[0])
                        worker.give(waiting.popleft(), self.timeout)
                for worker, result in self._collect(workers):
                    if result is not None:
                        yield result
                    if not worker.ready or worker.case is not None:  # died or overran: replace it
                        lost = worker.case
                        worker.end()
                        workers.remove(worker)
                        if lost is None and not worker.ready:
                            raise ExecutorError("a worker process could not start: " + _death(worker.process.exitcode))
                        if waiting:
                            workers.append(self._spawn())
        finally:
            for worker in workers:
                worker.end()

    def one(self, case: Case, worker: Worker | None) -> tuple[Result, Worker | None]:
        """One case in ``worker``, or in a new one; its result, and the worker if it lives to take another."""
        worker = worker or self._spawn()
        given = False
        while True:
            if worker.ready and not given:
                worker.give(case, self.timeout)
                given = True
            for _, result in self._collect([worker]):
                if not worker.ready or result is None:
                    worker.end()
                    raise ExecutorError("a worker process could not start: " + _death(worker.process.exitcode))
                if worker.case is None:
                    return result, worker
                worker.end()
                return result, None

    def _collect(self, workers: list[Worker]) -> list[tuple[Worker, Result | None]]:
        """Events since the last look. A worker that comes back with its case still set is to be replaced."""
        events: list[tuple[Worker, Result | None]] = []
        readable = set(wait([w.pipe for w in workers], timeout=_POLL_SECONDS))
        now = time.monotonic()
        for worker in workers:
            if worker.pipe in readable:
                try:
                    message = worker.pipe.recv()
                except (EOFError, OSError):
                    worker.process.join(_LEAVE_SECONDS)
                    how = _death(worker.process.exitcode)
                    events.append((worker, self._lost(worker, f"the subject's process {how}")))
                    continue
                if message is None:
                    worker.ready = True
                    continue
                worker.case = None
                events.append((worker, Result.model_validate_json(message)))
            elif now > worker.deadline and (worker.case is not None or not worker.ready):
                why = f"no answer within {self.timeout:g} s (--timeout); the process was ended"
                events.append((worker, self._lost(worker, why)))
        return events

    def _lost(self, worker: Worker, reason: str) -> Result | None:
        if worker.case is None:
            return None
        return result_of(worker.case, Verdict.FAILED, reason, seconds=time.monotonic() - worker.since)
