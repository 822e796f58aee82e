"""Fields of mixtures whose logits factorise (pack_pairs.py): K0 + K1 exponentials a point, then products with R.

    P = 2^(left_bias + y·left),  Q = 2^(right_bias + y·right),   p_i = P_i (R Q)_i,   q_j = Q_j (Rᵀ P)_j
    f(x) = Σ p_i a'_i / Σ p_i + Σ q_j b'_j / Σ q_j + slope y

Each sum is divided by the total of its own rounded shares, so that what all of them lose alike cancels. A block of two
registers of points keeps 4 (K0 + K1) registers in L1 and L2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from si_verify.kernels.numba_fields import FAR
from si_verify.kernels.numba_lanes import load, scratch, spread, spread_at, store, width_of
from si_verify.kernels.numba_sums import accumulate, exponentials
from si_verify.kernels.numba_transpose import deliver, expect, fetch

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)
# One compiled body for all products: inlining six of them costs seconds of compiling and gains nothing.
_product = njit(error_model="numpy", boundscheck=False)(accumulate.py_func)


@_inline
def _fill(registers: Any, numbers: Any) -> None:
    """A number of ``numbers`` in both registers of each pair."""
    w = width_of(registers)
    for c in range(len(numbers)):
        value = spread_at(numbers, c)
        store(registers, 2 * c * w, value)
        store(registers, (2 * c + 1) * w, value)


@_inline
def _shares(factors: Any, others: Any, count: int) -> Any:
    """others ← factors · others over their sum; the two registers of sums."""
    w = width_of(factors)
    total0 = total1 = spread(factors.dtype.type(0))
    for c in range(count):
        e0 = load(factors, 2 * c * w) * load(others, 2 * c * w)
        e1 = load(factors, (2 * c + 1) * w) * load(others, (2 * c + 1) * w)
        store(others, 2 * c * w, e0)
        store(others, (2 * c + 1) * w, e1)
        total0, total1 = total0 + e0, total1 + e1
    one = spread(factors.dtype.type(1))
    share0, share1 = one / total0, one / total1
    for c in range(count):
        store(others, 2 * c * w, load(others, 2 * c * w) * share0)
        store(others, (2 * c + 1) * w, load(others, (2 * c + 1) * w) * share1)
    return total0, total1


@njit(cache=True, error_model="numpy", boundscheck=False, nogil=True)
def evaluate(
    x: Any, low: int, high: int, centre: Any, ends: Any, bias: Any, joint: Any, joint_t: Any, field: Any, slope: Any,
    floor: Any, k0: int, out: Any, again: Any,
) -> None:  # fmt: skip
    """Rows low … high − 1 of x (N, D) -> out (N, D); again (N,): True where the sum of shares is below ``floor``.

    All C-contiguous and of one dtype; the GIL is released. centre (D,); ends (D·(K0 + K1)), left beside right, and
    their biases (K0 + K1,), −∞ where an end is padded; joint R (K0·K1) and joint_t (K1·K0), 0 where padded; field
    ((K0 + K1)·D), a' above b'; slope, floor scalars. Blocks overlap as those of numba_fields.evaluate do.
    """
    n, dim = x.shape
    k = len(bias)
    k1 = k - k0
    w = width_of(x)
    one, least = x.dtype.type(1), spread(x.dtype.type(-np.inf))
    xs, ys = scratch(2 * dim * w, x), scratch(2 * dim * w, x)
    powers, shares = scratch(2 * k * w, x), scratch(2 * k * w, x)
    cut = 2 * k0 * w
    p, q, of_p, of_q = powers[:cut], powers[cut:], shares[:cut], shares[cut:]
    totals = scratch(2 * w, x)
    steep = spread(slope)
    for start in range(low, high, 2 * w):
        fetch(x, start, xs)
        if dim >= FAR:
            expect(x, out, start)
        for d in range(dim):
            middle = spread_at(centre, d)
            store(xs, 2 * d * w, load(xs, 2 * d * w) - middle)
            store(xs, (2 * d + 1) * w, load(xs, (2 * d + 1) * w) - middle)
        _fill(powers, bias)
        _product(xs, dim, ends, 0, k, powers, True)
        exponentials(p, k0, least, least)
        exponentials(q, k1, least, least)
        _product(q, k1, joint_t, 0, k0, of_p, False)
        _product(p, k0, joint, 0, k1, of_q, False)
        total0, total1 = _shares(p, of_p, k0)
        _shares(q, of_q, k1)
        if floor > one:
            store(totals, 0, total0)
            store(totals, w, total1)
            for i in range(min(2 * w, n - start)):
                again[start + i] = not totals[i] >= floor
        for d in range(0, 2 * dim * w, w):
            store(ys, d, steep * load(xs, d))
        _product(shares, k, field, 0, dim, ys, True)
        deliver(ys, out, start)
