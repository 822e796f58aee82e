"""Seat: one isolated worker that stays alive between cases; what a machine of a cluster runs its cases in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from si_verify.case import Case
from si_verify.executors.local import LocalExecutor, Worker
from si_verify.record import Result


class Seat:
    """``run`` one case at a time, whoever asks: what is timed on a device shares it with nobody.

    One thread for life, since a worker process ends with the thread that made it.
    """

    def __init__(self, executor: LocalExecutor) -> None:
        self._executor = executor
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="si-verify-seat")
        self._worker: Worker | None = None

    def run(self, case: Case) -> Result:
        """The case's result, whatever the subject does. Raises ExecutorError if no worker can be started."""
        return self._thread.submit(self._run, case).result()

    def _run(self, case: Case) -> Result:
        worker, self._worker = self._worker, None
        result, self._worker = self._executor.one(case, worker)
        return result


_seats: dict[LocalExecutor, Seat] = {}
_lock = threading.Lock()


def seat(executor: LocalExecutor) -> Seat:
    """This process's seat with these limits, made on first use."""
    with _lock:
        return _seats.setdefault(executor, Seat(executor))
