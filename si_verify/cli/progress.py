"""Progress on stderr: what runs, how many are left, how long. Nothing at all when stderr is no terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from si_verify.case import Case
from si_verify.gate import Verdict
from si_verify.record import Result

_BAD = (Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.ERROR)


class RichProgress:
    """A watcher of ``run.run`` that draws one bar and prints each failure as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[str, str] = {}
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("starting workers", total=None)

    def __enter__(self) -> RichProgress:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._bar.stop()

    def planned(self, total: int, already: int) -> None:
        self._bar.update(self._task, total=total, completed=already)

    def started(self, case: Case) -> None:
        self._running[case.id] = f"{case.check} · {case.subject}"
        self._show()

    def finished(self, result: Result) -> None:
        self._running.pop(result.id, None)
        if result.verdict in _BAD and self._console.is_terminal:
            self._bar.console.print(f"{result.verdict}: {result.id}", style="red", markup=False, highlight=False)
        self._bar.advance(self._task)
        self._show()

    def _show(self) -> None:
        self._bar.update(self._task, description=" | ".join(self._running.values())[:60].ljust(60))
