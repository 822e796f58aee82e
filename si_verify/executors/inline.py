"""Cases in this process, one after another: for functions that cannot travel, and for debuggers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from si_verify.case import Case
from si_verify.execute import run_case
from si_verify.record import Result
from si_verify.subject import Subject


@dataclass(frozen=True)
class InlineExecutor:
    """No isolation: a subject that hangs or dies takes the run with it. ``overlay`` maps names to live subjects."""

    overlay: Mapping[str, Subject] = field(default_factory=dict)

    def execute(self, cases: Iterable[Case], started: Callable[[Case], None]) -> Iterator[Result]:
        for case in cases:
            started(case)
            yield run_case(case, self.overlay)
