"""Two records to changes: refuse what is not comparable, then accuracy or speed."""

from __future__ import annotations

from si_verify.record import Record
from si_verify.regression.accuracy import compare_accuracy
from si_verify.regression.change import Change
from si_verify.regression.comparable import is_bench, require_comparable
from si_verify.regression.speed import compare_throughput


def judge_records(base: Record, head: Record) -> list[Change]:
    """Raises NotComparable (exit 4) for records of other devices, versions or settings."""
    require_comparable(base, head)
    changes = compare_accuracy(base, head)
    return changes + compare_throughput(base, head) if is_bench(head) else changes
