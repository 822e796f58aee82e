"""The executor protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from si_verify.case import Case
from si_verify.record import Result


class ExecutorError(RuntimeError):
    """Nowhere to run: no scheduler, no Slurm, a missing extra, a worker that cannot start. Not measured (exit 4)."""


class Executor(Protocol):
    """Runs cases and yields each result as it comes, in any order; every case yields exactly one.

    ``started`` is told of each case as it begins (for progress). Closing the iterator stops the workers.
    """

    def execute(self, cases: Iterable[Case], started: Callable[[Case], None]) -> Iterator[Result]: ...
