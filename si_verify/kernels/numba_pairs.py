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

from si_verify.kernels.numba_lanes import fma, load, scratch, spread, store, width_of
from si_verify.kernels.numba_sums import accumulate, exponentials
from si_verify.kernels.numba_transpose import deliver, fetch

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)
# One compiled body for all products: inlining six of them costs seconds of compiling and gains nothing.
_product = njit(error_model="numpy", boundscheck=False)(accumulate.py_func)


@_inline
def _fill(registers: Any, numbers: Any) -> None:
    """A number of ``numbers`` in both registers of each pair."""
    w = width_of(registers)
    for c in range(len(numbers)):
        value = spread(numbers[c])
        store(registers, 2 * c * w, value)
        store(registers, (2 * c + 1) * w, value)


@_inline
def _clear(registers: Any, count: int) -> None:
    w = width_of(registers)
    for c in range(2 * count):
        store(registers, c * w, spread(registers.dtype.type(0)))


@_inline
def _shares(factors: Any, others: Any, count: int) -> Any:
    """factors ← factors · others; their two registers of totals."""
    w = width_of(factors)
    total0 = total1 = spread(factors.dtype.type(0))
    for c in range(count):
        e0 = load(factors, 2 * c * w) * load(others, 2 * c * w)
        e1 = load(factors, (2 * c + 1) * w) * load(others, (2 * c + 1) * w)
        store(factors, 2 * c * w, e0)
        store(factors, (2 * c + 1) * w, e1)
        total0, total1 = total0 + e0, total1 + e1
    return total0, total1


@njit(cache=True, error_model="numpy", boundscheck=False, nogil=True)
def evaluate(
    x: Any, low: int, high: int, centre: Any, left: Any, right: Any, left_bias: Any, right_bias: Any, joint: Any,
    joint_t: Any, left_field: Any, right_field: Any, slope: Any, floor: Any, out: Any, again: Any,
) -> None:  # fmt: skip
    """Rows low … high − 1 of x (N, D) -> out (N, D); again (N,): True where the sum of shares is below ``floor``.

    All C-contiguous and of one dtype; the GIL is released. centre (D,); left (D·K0), right (D·K1) and biases (K0,),
    (K1,), −∞ where an end is padded; joint R (K0·K1) and joint_t (K1·K0), 0 where padded; left_field (K0·D) and
    right_field (K1·D); slope, floor scalars. Blocks overlap as those of numba_fields.evaluate do.
    """
    n, dim = x.shape
    k0, k1 = len(left_bias), len(right_bias)
    w = width_of(x)
    one, least = x.dtype.type(1), spread(x.dtype.type(-np.inf))
    xs, ys = scratch(2 * dim * w, x), scratch(2 * dim * w, x)
    p, q = scratch(2 * k0 * w, x), scratch(2 * k1 * w, x)
    of_p, of_q = scratch(2 * k0 * w, x), scratch(2 * max(k1, dim) * w, x)
    totals = scratch(2 * w, x)
    for start in range(low, high, 2 * w):
        fetch(x, start, xs)
        for d in range(dim):
            middle = spread(centre[d])
            store(xs, 2 * d * w, load(xs, 2 * d * w) - middle)
            store(xs, (2 * d + 1) * w, load(xs, (2 * d + 1) * w) - middle)
        _fill(p, left_bias)
        _fill(q, right_bias)
        _product(xs, dim, left, 0, k0, p)
        _product(xs, dim, right, 0, k1, q)
        exponentials(p, k0, least, least)
        exponentials(q, k1, least, least)
        _clear(of_p, k0)
        _clear(of_q, k1)
        _product(q, k1, joint_t, 0, k0, of_p)
        _product(p, k0, joint, 0, k1, of_q)
        total0, total1 = _shares(p, of_p, k0)
        if floor > one:
            store(totals, 0, total0)
            store(totals, w, total1)
            for i in range(min(2 * w, n - start)):
                again[start + i] = not totals[i] >= floor
        share0, share1 = spread(one) / total0, spread(one) / total1
        _clear(ys, dim)
        _product(p, k0, left_field, 0, dim, ys)
        for d in range(dim):
            store(ys, 2 * d * w, load(ys, 2 * d * w) * share0)
            store(ys, (2 * d + 1) * w, load(ys, (2 * d + 1) * w) * share1)
        total0, total1 = _shares(q, of_q, k1)
        share0, share1 = spread(one) / total0, spread(one) / total1
        _clear(of_q, dim)
        _product(q, k1, right_field, 0, dim, of_q)
        steep = spread(slope)
        for d in range(dim):
            y0 = fma(load(of_q, 2 * d * w), share0, load(ys, 2 * d * w))
            y1 = fma(load(of_q, (2 * d + 1) * w), share1, load(ys, (2 * d + 1) * w))
            store(ys, 2 * d * w, fma(steep, load(xs, 2 * d * w), y0))
            store(ys, (2 * d + 1) * w, fma(steep, load(xs, (2 * d + 1) * w), y1))
        deliver(ys, out, start)
