"""What a core's registers can do: fused multiply-adds and exponentials with nothing read from memory."""

from __future__ import annotations

from typing import Any

from numba import njit

from si_verify.kernels.numba_elementary import exp2
from si_verify.kernels.numba_lanes import fma, load, spread, store, width_of


@njit(cache=True, error_model="numpy", nogil=True)
def multiply_adds(numbers: Any, low: int, high: int, rounds: int) -> None:
    """(high − low) · rounds · 12 registers of multiply-adds in twelve chains; a task has its register of numbers."""
    for task in range(low, high):
        w = width_of(numbers)
        x, y = load(numbers, task * w), spread(numbers.dtype.type(0.5))
        # Twelve different numbers: equal chains would be merged into one.
        a, b, c, d, e, f = x, x + y, x - y, x * x, x * y, y * y
        g, h, i, j, k, m = a + b, b + c, c + d, d + e, e + f, f + b
        for _ in range(rounds):
            a, b, c, d = fma(a, y, x), fma(b, y, x), fma(c, y, x), fma(d, y, x)
            e, f, g, h = fma(e, y, x), fma(f, y, x), fma(g, y, x), fma(h, y, x)
            i, j, k, m = fma(i, y, x), fma(j, y, x), fma(k, y, x), fma(m, y, x)
        store(numbers, task * w, (a + b + c + d) + (e + f + g + h) + (i + j + k + m))


@njit(cache=True, error_model="numpy", nogil=True)
def exponentials(numbers: Any, low: int, high: int, rounds: int) -> None:
    """(high − low) · rounds · 4 registers of 2^x, each of its own argument."""
    for task in range(low, high):
        w = width_of(numbers)
        step = spread(numbers.dtype.type(-1e-3))
        a = load(numbers, task * w)
        b, c, d = a + step, a - step, a * step
        total = a
        for _ in range(rounds):
            total = total + ((exp2(a) + exp2(b)) + (exp2(c) + exp2(d)))
            a, b, c, d = a + step, b + step, c + step, d + step
        store(numbers, task * w, total)
