"""Memory for large answers, kept when an answer dies and given to the next one.

An array of megabytes comes fresh from the system, which clears its pages when they are first written: 10 of the 60 ns
that a point of N = 1e6, D = 16 in float64 then took. What is handed out holds whatever was there before.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Any

import numpy as np

LEAST = 2**20  # bytes; the C library keeps what is smaller
MOST = 2**28  # bytes kept for answers to come, in all

# Appended to and popped from only, one step each: an answer can die in any thread, and inside these functions.
_free: deque[np.ndarray] = deque()


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """As ``numpy.empty``; from ``LEAST`` bytes on in memory that goes back as the last view of it dies."""
    numbers = math.prod(shape)
    size = numbers * np.dtype(dtype).itemsize
    if size < LEAST:
        return np.empty(shape, dtype)
    block = _take(size)
    # Of a buffer, not a view of the block: NumPy then takes it for the base of its own views, which keep it alive.
    answer = np.frombuffer(block.data, dtype, numbers)
    weakref.finalize(answer, _give, block).atexit = False
    return answer.reshape(shape)


def _take(size: int) -> np.ndarray:
    for _ in range(len(_free)):
        try:
            block = _free.popleft()
        except IndexError:  # another thread was quicker
            break
        if size <= block.size <= 2 * size:
            return block
        _free.append(block)
    return np.empty(size, np.uint8)


def _give(block: np.ndarray) -> None:
    if block.size > MOST:
        return
    _free.append(block)
    while sum(kept.size for kept in tuple(_free)) > MOST:
        try:
            _free.popleft()
        except IndexError:
            break
