"""A kernel that releases the GIL, over ranges of points, on as many threads as torch has."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

_TASKS = 4  # a thread: enough to even out what other processes take
_SMALLEST = 512  # points of a task, the least that is worth handing over
_BLOCK = 32  # points: two registers of float32, so that only the last task ends in a partial block


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kernel")


def over(n: int, run: Callable[[int, int], None]) -> None:
    """run(low, high) for ranges that cover 0 … n − 1. Compiled loops in numba's own threads would be optimised thrice.

    A worker of a run is given its share of the cores through torch.
    """
    threads = torch.get_num_threads()
    size = max(_SMALLEST, -(-n // (_TASKS * threads * _BLOCK)) * _BLOCK)
    if threads == 1 or n <= size:
        run(0, n)
        return
    starts = range(0, n, size)
    each_of(len(starts), lambda i: run(starts[i], min(n, starts[i] + size)))


def each_of(tasks: int, run: Callable[[int], None]) -> None:
    """run(0), …, run(tasks − 1)."""
    threads = torch.get_num_threads()
    if threads == 1:
        for task in range(tasks):
            run(task)
    else:
        list(_pool(threads).map(run, range(tasks)))
