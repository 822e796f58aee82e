"""A whole bench: every selected task in turn, each result on disk before the next task starts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from si_verify.bench.clock import Patience
from si_verify.bench.measure import Bench, measure_task
from si_verify.bench.workload import Workload
from si_verify.plan import Settings
from si_verify.record import Record, RecordWriter, Result
from si_verify.run import make_header
from si_verify.select import Labels, parse

PATIENCE = {
    "quick": Patience(seconds=1.5, width=0.05),
    "standard": Patience(seconds=10.0, width=0.01),
    "full": Patience(seconds=60.0, width=0.005),
}


def tasks(
    workloads: Iterable[Workload], select: str, dtypes: tuple[str, ...], device: str = "cpu"
) -> list[tuple[str, str, list[Workload]]]:
    """(task, dtype, its workloads): a selection names workloads (subject=), tasks (problem=) or tags; those that are
    for another kind of device than ``device`` are left out.
    """
    chosen = parse(select)
    found: dict[tuple[str, str], list[Workload]] = defaultdict(list)
    for w in workloads:
        if not device.startswith(w.device):
            continue
        for dtype in w.dtypes:
            labels: Labels = {"subject": (w.name,), "problem": (w.task,), "tag": w.tags, "dtype": (dtype,)}
            if (not dtypes or dtype in dtypes) and chosen(labels):
                found[w.task, dtype].append(w)
    return [(task, dtype, rows) for (task, dtype), rows in found.items()]


def bench(
    plan: list[tuple[str, str, list[Workload]]],
    settings: Settings,
    path: Path,
    command: str,
    watch: Callable[[Result], None] = lambda result: None,
) -> Record:
    """Measure ``plan`` and return the record. Raises RecordError if ``path`` cannot be written."""
    header = make_header(settings, sum(len(rows) for _, _, rows in plan), command)
    results: list[Result] = []
    with RecordWriter.create(path, header) as writer:
        for task, dtype, rows in plan:
            given = Bench(settings.device, dtype, PATIENCE[settings.profile], settings.profile, settings.seed)
            for result in measure_task(task, rows, given):
                writer.append(result)
                results.append(result)
                watch(result)
    return Record(header=header, results=tuple(results))
