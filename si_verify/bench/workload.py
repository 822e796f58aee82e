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
    arithmetic
            which multiply-add ceiling bounds ``flops``: "" (the dtype's own), or on CUDA "tf32" (tensor cores)
    renew   draws fresh inputs of the same shape, so that no answer can be remembered
    """

    run: Callable[[], Any]
    error: Callable[[Any], float]
    items: float
    unit: str
    bytes: float = 0.0
    flops: float = 0.0
    exps: float = 0.0
    arithmetic: str = ""
    renew: Callable[[int], None] = lambda seed: None


@dataclass(frozen=True)
class Goal:
    """What is asked of a kernel on a GPU, in items a second, from the ceilings measured beside it.

    share of a bound  ``share`` of what ``bytes`` (copy bandwidth) or ``slots`` (issue slots: one multiply-add each, in
                      float32) an item allow, whichever is less
    rate              ``rate`` items a second where float32 multiply-adds reach 60 TFLOP/s (an H100), else in proportion
    """

    share: float = 0.0
    bytes: float = 0.0
    slots: float = 0.0
    rate: float = 0.0

    def items_per_s(self, bytes_per_s: float, flops_per_s: float) -> float:
        """The goal where so many bytes and float32 flops a second are the ceilings."""
        if self.rate:
            return self.rate * flops_per_s / _H100_FLOPS
        bounds = [bytes_per_s / self.bytes] if self.bytes else []
        bounds += [flops_per_s / (2.0 * self.slots)] if self.slots else []
        return self.share * min(bounds)


_H100_FLOPS = 60e12


@dataclass(frozen=True)
class Workload:
    """``name`` within its ``task``: all workloads of a task get the same inputs and are timed interleaved.

    ``load`` imports late: device, dtype names -> Job, or raises ``si_verify.subject.Unavailable``. ``peer`` marks what
    people use today, which ours are compared with. ``modules``: see ``Subject.modules``. ``target``: how many times
    faster than the best peer it is asked to be (0: not asked), ``goal``: how fast; shown beside what was measured and
    never judged. device: "cpu" or "cuda" where it is for one of them only.
    """

    name: str
    task: str
    load: Callable[[str, str], Job]
    peer: bool = False
    dtypes: tuple[str, ...] = ("float64", "float32")
    tags: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()
    target: float = 0.0
    device: str = ""
    goal: Goal | None = None
