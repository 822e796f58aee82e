"""log ρ and affine-per-component fields of a mixture in one pass over points, everything of a block in registers or L1.

    l_k = log2 w_k N(x; m_k, C_k),   r = softmax,   f(x) = Σ r_k (a_k + B_k x),   log ρ = ln 2 · log2 Σ 2^l

Score (B = −C⁻¹) and velocity (B = A C⁻¹) are both of this form (MATH.md section 3), and so is b ± ε s. A block of two
registers of points goes through three loops over a chunk of components: base-2 logits, exponentials, and the product of
exponentials (points × K) with the components' numbers (K × columns). Between chunks the running maximum rescales what
was summed, and the chunk's own sums join it with their rounding kept (numba_sums.py). Columns: a of every field (F·D),
then B of every field: F (isotropic), F·D (diagonal) or F·D² (full).

Distances are formed from differences, or from W x − W m, never as |x|² − 2x·m + |m|²: rounding then amounts to a few
units in the last place of x, m and C. Error bound: 100·eps·K(t, x) (si_verify/fields/conditioning.py), the one that
field-pointwise enforces over the catalogue. Where every logit overflows the answers are NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from si_verify.kernels.numba_elementary import exp2_below, log2
from si_verify.kernels.numba_lanes import fma, load, scratch, spread, store, width_of
from si_verify.kernels.numba_logits import diagonal, full, isotropic
from si_verify.kernels.numba_sums import accumulate, exponentials, join, settle, two_sum
from si_verify.kernels.numba_transpose import deliver, expect, fetch

ISOTROPIC, DIAGONAL, FULL = 0, 1, 2
LN2 = float(np.log(2.0))
# Components between two joins: their logits of a block are half of a 32 KiB L1, and their sequential sums lose about
# √128 units in the last place of Σ r |a| (found: 27 of the 100 units of eps·K that are allowed, K to 1e5).
CHUNK = 128

# Coordinates from which on rows are asked for ahead of time; fewer are a stream that the machine sees by itself.
FAR = 8

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)


@_inline
def mix(xs: Any, sums: Any, field: int, fields: int, d: int, kind: int, dim: int) -> Any:
    """Σ_k e_k (a_k + B_k x), coordinate d of a field."""
    w = width_of(xs)
    column = field * dim + d
    y0, y1 = load(sums, 2 * column * w), load(sums, (2 * column + 1) * w)
    slopes = fields * dim
    if kind == FULL:
        at = slopes + column * dim
        for j in range(dim):
            y0 = fma(load(sums, 2 * (at + j) * w), load(xs, 2 * j * w), y0)
            y1 = fma(load(sums, (2 * (at + j) + 1) * w), load(xs, (2 * j + 1) * w), y1)
        return y0, y1
    at = slopes + (field if kind == ISOTROPIC else column)
    y0 = fma(load(sums, 2 * at * w), load(xs, 2 * d * w), y0)
    y1 = fma(load(sums, (2 * at + 1) * w), load(xs, (2 * d + 1) * w), y1)
    return y0, y1


@njit(cache=True, error_model="numpy", boundscheck=False, nogil=True)
def evaluate(
    x: Any, low: int, high: int, kind: int, count: int, bias: Any, scale: Any, place: Any, table: Any, columns: int,
    logs: Any, first_out: Any, second_out: Any, fields: int,
) -> None:  # fmt: skip
    """Rows low … high − 1 of x (N, D) -> logs (N,) unless empty, and ``fields`` of first_out, second_out (N, D).

    All C-contiguous and of one dtype; the GIL is released. count: K; bias (K'), scale, place: see numba_logits, K' = K
    rounded up to a multiple of four; table (K·columns). A block at ``high`` that is not the end overlaps the next
    range unless high − low is a multiple of two registers: it writes the same numbers.
    """
    n, dim = x.shape
    w = width_of(x)
    one = x.dtype.type(1)
    xs = scratch(2 * dim * w, x)
    logits = scratch(2 * (min(count, CHUNK) + 3) * w, x)
    sums = scratch(2 * columns * w, x)
    parts = 2 * columns if count > CHUNK else 0
    part, carry = scratch(parts * w, x), scratch(parts * w, x)
    for c in range(parts):
        store(part, c * w, spread(x.dtype.type(0)))
    own = part if count > CHUNK else sums
    ys = scratch(2 * max(1, dim) * w, x)
    for start in range(low, high, 2 * w):
        fetch(x, start, xs)
        if fields > 0 and dim >= FAR:
            expect(x, first_out, start)
        top0 = top1 = spread(x.dtype.type(-np.inf))
        zero = spread(x.dtype.type(0))
        total0 = total1 = lost0 = lost1 = zero
        if count > CHUNK:
            for c in range(2 * columns):
                store(sums, c * w, zero)
                store(carry, c * w, zero)
        for chunk in range(0, count, CHUNK):
            size = min(CHUNK, count - chunk)
            if kind == ISOTROPIC:
                isotropic(xs, chunk, size, dim, bias, scale, place, logits)
            elif kind == DIAGONAL:
                diagonal(xs, chunk, size, dim, bias, scale, place, logits)
            else:
                full(xs, chunk, size, dim, bias, scale, place, logits)
            last0, last1 = top0, top1
            top0, top1, sum0, sum1 = exponentials(logits, size, last0, last1)
            accumulate(logits, size, table, chunk, columns, own, count > CHUNK)
            if count <= CHUNK:
                total0, total1 = sum0, sum1
            else:
                f0, f1 = exp2_below(last0, top0), exp2_below(last1, top1)
                total0, e0 = two_sum(total0 * f0, sum0)
                total1, e1 = two_sum(total1 * f1, sum1)
                lost0, lost1 = fma(lost0, f0, e0), fma(lost1, f1, e1)
                join(sums, carry, part, columns, f0, f1)
        if count > CHUNK:
            total0, total1 = total0 + lost0, total1 + lost1
            settle(sums, carry, columns)
        if len(logs) > 0:
            ln2 = spread(x.dtype.type(LN2))
            store(ys, 0, (log2(total0) + top0) * ln2)
            store(ys, w, (log2(total1) + top1) * ln2)
            for i in range(min(2 * w, n - start)):
                logs[start + i] = ys[i]
        inverse0, inverse1 = spread(one) / total0, spread(one) / total1
        for field in range(fields):
            for d in range(dim):
                y0, y1 = mix(xs, sums, field, fields, d, kind, dim)
                store(ys, 2 * d * w, y0 * inverse0)
                store(ys, (2 * d + 1) * w, y1 * inverse1)
            deliver(ys, first_out if field == 0 else second_out, start)
