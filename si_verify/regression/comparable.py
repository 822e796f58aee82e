"""Comparable: may two records be compared at all? What cannot be compared is refused, never passed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from si_verify.bench.measure import CHECK as THROUGHPUT
from si_verify.record import Record, RecordError


class NotComparable(RecordError):
    """Two records of different machines, versions or settings; the message names each difference."""


@dataclass(frozen=True)
class Difference:
    name: str
    base: Any
    head: Any

    def __str__(self) -> str:
        return f"{self.name}: {self.base!r} in the baseline, {self.head!r} here"


def is_bench(record: Record) -> bool:
    """A record of timings: the CPU and its threads count, which for an accuracy do not."""
    return any(r.check == THROUGHPUT for r in record.results)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def conditions(record: Record) -> dict[str, Any]:
    """What two records must share: device model, driver, versions, settings; for timings the CPU and its threads too.

    Python counts by its minor version; torch and numpy by all of theirs. A GPU is known by its model, not by its index.
    """
    header, machine = record.header, record.header.machine
    found: dict[str, Any] = {
        "device": header.device.partition(":")[0],
        "gpu": machine.get("gpu", ""),
        "driver": machine.get("driver", ""),
        "cuda": machine.get("cuda") or "",
        "python": _minor(str(machine.get("python", ""))),
        "torch": header.versions.get("torch", ""),
        "numpy": header.versions.get("numpy", ""),
        "profile": header.profile,
        "seed": header.seed,
        "select": header.select,
        "kind of record": "bench" if is_bench(record) else "accuracy",
    }
    if is_bench(record):
        found |= {name: machine.get(name, "") for name in ("cpu", "cores", "torch_threads")}
    return found


def key(record: Record) -> str:
    """A short name for the conditions: records with the same key are comparable. 16 hex digits."""
    return hashlib.sha256(json.dumps(conditions(record), sort_keys=True).encode()).hexdigest()[:16]


def differences(base: Record, head: Record) -> list[Difference]:
    """Every condition in which two records differ, and precisions that one of them left out."""
    ours, theirs = conditions(head), conditions(base)
    found = [
        Difference(name, theirs.get(name, ""), ours.get(name, ""))
        for name in sorted(ours.keys() | theirs.keys())
        if theirs.get(name, "") != ours.get(name, "")
    ]
    precisions = [sorted({r.dtype for r in record.results}) for record in (base, head)]
    if head.results and precisions[0] != precisions[1]:
        found.append(Difference("dtypes", *precisions))
    return found


def require_comparable(base: Record, head: Record) -> None:
    """Raises NotComparable with every difference, or for a record with damaged lines: they may hide a result."""
    for name, record in (("baseline", base), ("record", head)):
        if record.damaged:
            raise NotComparable(f"the {name} has {record.damaged} damaged lines; what they said is not known")
    found = differences(base, head)
    if found:
        raise NotComparable("not comparable with the baseline: " + "; ".join(map(str, found)))
