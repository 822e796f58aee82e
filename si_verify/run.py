"""Run: the one loop that joins the nouns. Plan in, record out; each result is on disk before the next is awaited."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from si_verify.book import Book, begun
from si_verify.case import Case
from si_verify.device import commit, machine_facts, versions
from si_verify.executors.executor import Executor
from si_verify.plan import Settings
from si_verify.record import Header, Record, RecordError, RecordWriter, Result, read_record


class Progress(Protocol):
    """What a run tells whoever watches."""

    def planned(self, total: int, already: int) -> None: ...
    def started(self, case: Case) -> None: ...
    def finished(self, result: Result) -> None: ...


@dataclass
class Silent:
    """Watches nothing."""

    def planned(self, total: int, already: int) -> None:
        pass

    def started(self, case: Case) -> None:
        pass

    def finished(self, result: Result) -> None:
        pass


def make_header(settings: Settings, planned: int, command: str) -> Header:
    return Header(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        profile=settings.profile,
        seed=settings.seed,
        device=settings.device,
        budget=settings.budget,
        select=settings.select,
        planned=planned,
        commit=commit(),
        machine=machine_facts(settings.device),
        versions=versions(),
    )


def _resumed(path: Path, settings: Settings) -> Record:
    record = read_record(path)
    for name in ("profile", "seed", "device", "budget", "select"):
        then, now = getattr(record.header, name), getattr(settings, name)
        if then != now:
            raise RecordError(f"--resume: {path} was made with {name} {then!r}, this run has {now!r}")
    return record


def run(
    cases: Sequence[Case],
    settings: Settings,
    executor: Executor,
    path: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    command: str = "",
    until: Callable[[], bool] = lambda: False,
) -> Record:
    """Execute ``cases`` and return the record, results in the order of the plan.

    With ``path`` every result is appended and flushed as it comes. ``resume`` keeps what an earlier run of the same
    settings already measured (it must agree on profile, seed, device, budget and selection). Raises RecordError.
    """
    watcher: Progress = progress or Silent()
    book = _opened(path, settings, len(cases), resume, command)
    wanted = {case.id for case in cases}
    done = {r.id: r for r in book.kept if r.id in wanted}
    running: set[str] = set()

    def started(case: Case) -> None:
        running.add(case.id)
        watcher.started(case)

    watcher.planned(len(cases), len(done))
    try:
        for result in executor.execute([c for c in cases if c.id not in done], started):
            running.add(result.id)
            written = book.append(result, len(running))
            running.discard(result.id)
            done[result.id] = written
            watcher.finished(written)
            if until():
                break
    finally:
        book.close()
    return Record(header=book.header, results=tuple(done[c.id] for c in cases if c.id in done))


def _opened(path: Path | None, settings: Settings, planned: int, resume: bool, command: str) -> Book:
    if path is not None and resume and begun(path):
        earlier = _resumed(path, settings)
        return Book(path, earlier.header, list(earlier.results), RecordWriter.resume(path))
    header = make_header(settings, planned, command)
    return Book(path, header, [], RecordWriter.create(path, header) if path is not None else None)
