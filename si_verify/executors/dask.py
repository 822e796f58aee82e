"""Cases on the workers of a dask cluster, each in an isolated process of its machine (extra ``dask``).

    si-verify run --executor dask://scheduler:8786

Start the workers where si-verify is installed, one for each GPU or each share of cores, with ``--nthreads 1``. The
cases of a worker take turns (``Seat``), so that what is timed on a device shares it with nobody. A case whose worker is
lost is given to another; after ``attempts`` lost workers it is an error of its own and the run goes on.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

from si_verify.case import Case
from si_verify.execute import result_of
from si_verify.executors.executor import ExecutorError
from si_verify.executors.local import LocalExecutor
from si_verify.executors.seat import seat
from si_verify.gate import Verdict
from si_verify.record import Result

_AHEAD = 16  # cases a worker has queued, so that it never waits for the network; few, so that the scheduler holds few


def run_there(case: Case, executor: LocalExecutor) -> str:
    """On a dask worker: the result as JSON."""
    import multiprocessing

    # A nanny starts its worker as a daemon, which may have no children. Isolation needs one; it dies with its parent.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    return seat(executor).run(case).model_dump_json()


@dataclass(frozen=True)
class DaskExecutor:
    """``address`` of the scheduler, e.g. ``tcp://host:8786``; ``local`` bounds a case on the machine it runs on."""

    address: str
    local: LocalExecutor = field(default_factory=LocalExecutor)
    attempts: int = 3
    patience: float = 60.0

    def execute(self, cases: Iterable[Case], started: Callable[[Case], None]) -> Iterator[Result]:
        """Raises ExecutorError without the extra, without a scheduler, or without a worker within ``patience`` s."""
        try:
            from distributed import Client, as_completed
        except ImportError as error:
            raise ExecutorError(
                f"the dask executor needs the extra: pip install 'si-verify[dask]' ({error})"
            ) from error
        waiting, names = iter(cases), dict[str, Case]()
        mark, number = uuid.uuid4().hex[:8], count()
        try:
            client = Client(self.address, timeout=self.patience, set_as_default=False)
            client.wait_for_workers(1, timeout=self.patience)
        except (OSError, TimeoutError) as error:
            raise ExecutorError(f"no dask scheduler with a worker at {self.address}: {error}") from error
        with client:

            def submit(n: int) -> list[Any]:
                futures = []
                for case in islice(waiting, n):
                    started(case)
                    key = f"si-verify-{mark}-{next(number)}"
                    names[key] = case
                    futures.append(
                        client.submit(run_there, case, self.local, key=key, pure=False, retries=self.attempts)
                    )
                return futures

            done = as_completed(submit(_AHEAD * max(1, len(client.nthreads()))), loop=client.loop)
            for future in done:
                yield self._result(names.pop(future.key), future)
                future.release()
                for new in submit(1):
                    done.add(new)

    def _result(self, case: Case, future: Any) -> Result:
        try:
            return Result.model_validate_json(future.result())
        except Exception as error:
            why = f"no answer from the cluster: {type(error).__name__}: {error}"
            return result_of(case, Verdict.ERROR, why[:500])
