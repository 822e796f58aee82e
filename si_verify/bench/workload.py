"""Workload: one implementation of a task, ready to be timed and to be told right from wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """A workload on a device with its inputs made.

    run     does the work once and returns its answer
    error   answer -> error in units of what is allowed (right iff at most 1), against the yardstick
    items   how many ``unit`` one run works through: points, particle-steps, cells
    bytes, flops, exps
            the least that any implementation of the task must move and compute in one run; 0: no such floor counted
    renew   draws fresh inputs of the same shape, so that no answer can be remembered
    """

    run: Callable[[], Any]
    error: Callable[[Any], float]
    items: float
    unit: str
    bytes: float = 0.0
    flops: float = 0.0
    exps: float = 0.0
    renew: Callable[[int], None] = lambda seed: None


@dataclass(frozen=True)
class Workload:
    """``name`` within its ``task``: all workloads of a task get the same inputs and are timed interleaved.

    ``load`` imports late: device, dtype names -> Job, or raises ``si_verify.subject.Unavailable``. ``peer`` marks what
    people use today, which ours are compared with. ``modules``: see ``Subject.modules``. ``target``: how many times
    faster than the best peer it is asked to be (0: not asked); shown beside what was measured, never judged.
    """

    name: str
    task: str
    load: Callable[[str, str], Job]
    peer: bool = False
    dtypes: tuple[str, ...] = ("float64", "float32")
    tags: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()
    target: float = 0.0
