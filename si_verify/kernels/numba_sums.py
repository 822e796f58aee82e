"""Exponentials of a block's logits and their product with the components' numbers, sums held in registers.

One running sum over K components rounds at the size of its partial sums, which where components are ordered, or where
Σ r a and Σ r B x cancel, is up to K times the answer's. Longer mixtures are therefore summed chunk by chunk from zero,
and a chunk joins the total with what each addition rounds off kept beside it (T. Ogita, S. M. Rump, S. Oishi, Accurate
sum and dot product, SIAM J. Sci. Comput. 26 (2005), algorithm 4.1).
"""

from __future__ import annotations

from typing import Any

from numba import njit

from si_verify.kernels.numba_elementary import exact_of, exp2_from
from si_verify.kernels.numba_lanes import (
    any_beyond,
    fma,
    folded,
    larger,
    load,
    load_four,
    rounded,
    spread,
    spread_at,
    store,
    twice,
    width_of,
)  # fmt: skip

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)


# Not inlined: its constants then stay in registers.
@njit(error_model="numpy", boundscheck=False)
def exponentials(logits: Any, count: int, top0: Any, top1: Any) -> Any:
    """logits (count registers pairs) -> 2^(l − top) in place, top their maximum with what was seen before, rounded to
    whole numbers: so is what ``top0`` and ``top1`` were.

    Returns (top0, top1, sum0, sum1), the sums of this chunk alone.
    """
    w = width_of(logits)
    for k in range(count):
        top0 = larger(load(logits, 2 * k * w), top0)
        top1 = larger(load(logits, (2 * k + 1) * w), top1)
    zero = spread(logits.dtype.type(0))
    top0, top1 = rounded(top0), rounded(top1)
    origin0, origin1 = top0, top1
    limit = exact_of(logits)
    if any_beyond(top0, limit) or any_beyond(top1, limit):
        for k in range(count):
            store(logits, 2 * k * w, load(logits, 2 * k * w) - top0)
            store(logits, (2 * k + 1) * w, load(logits, (2 * k + 1) * w) - top1)
        origin0 = origin1 = zero
    origin, total = twice(origin0, origin1), twice(zero, zero)
    even = count // 2 * 2
    for k in range(0, even, 2):
        e = exp2_from(load_four(logits, 2 * k * w), origin)
        store(logits, 2 * k * w, e)
        total = total + e
    sum0, sum1 = folded(total)
    for k in range(even, count):
        e0 = exp2_from(load(logits, 2 * k * w), origin0)
        e1 = exp2_from(load(logits, (2 * k + 1) * w), origin1)
        store(logits, 2 * k * w, e0)
        store(logits, (2 * k + 1) * w, e1)
        sum0, sum1 = sum0 + e0, sum1 + e1
    return top0, top1, sum0, sum1


@_inline
def two_sum(a: Any, b: Any) -> Any:
    """(s, e): s = a + b rounded, s + e = a + b exactly (D. E. Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = a + b
    moved = total - a
    return total, (a - (total - moved)) + (b - moved)


@_inline
def join(sums: Any, carry: Any, part: Any, columns: int, f0: Any, f1: Any) -> None:
    """sums + carry ← f · (sums + carry) + part, and part ← 0; f ≠ 1 where the maximum has risen."""
    w = width_of(sums)
    zero = spread(sums.dtype.type(0))
    for c in range(columns):
        at = 2 * c * w
        s, e = two_sum(f0 * load(sums, at), load(part, at))
        store(sums, at, s)
        store(carry, at, fma(f0, load(carry, at), e))
        store(part, at, zero)
        at += w
        s, e = two_sum(f1 * load(sums, at), load(part, at))
        store(sums, at, s)
        store(carry, at, fma(f1, load(carry, at), e))
        store(part, at, zero)


@_inline
def settle(sums: Any, carry: Any, columns: int) -> None:
    """sums ← sums + carry."""
    w = width_of(sums)
    for c in range(2 * columns):
        store(sums, c * w, load(sums, c * w) + load(carry, c * w))


@_inline
def accumulate(shares: Any, count: int, table: Any, first: int, columns: int, sums: Any) -> None:
    """sums_c += Σ_k shares_k · table[first + k, c], for a table (K·columns)."""
    c = 0
    while c + 8 <= columns:
        _eight(shares, count, table, first * columns + c, columns, sums, c)
        c += 8
    if c + 4 <= columns:
        _two(shares, count, table, first * columns + c, columns, sums, c)
        _two(shares, count, table, first * columns + c + 2, columns, sums, c + 2)
        c += 4
    if c + 2 <= columns:
        _two(shares, count, table, first * columns + c, columns, sums, c)
        c += 2
    if c < columns:
        _one(shares, count, table, first * columns + c, columns, sums, c)


@_inline
def _one(shares: Any, count: int, table: Any, at: int, stride: int, sums: Any, c: int) -> None:
    w = width_of(sums)
    to = 2 * c * w
    a0, a1 = load(sums, to), load(sums, to + w)
    for k in range(count):
        v = spread_at(table, at + k * stride)
        a0, a1 = fma(load(shares, 2 * k * w), v, a0), fma(load(shares, (2 * k + 1) * w), v, a1)
    store(sums, to, a0)
    store(sums, to + w, a1)


@_inline
def _two(shares: Any, count: int, table: Any, at: int, stride: int, sums: Any, c: int) -> None:
    w = width_of(sums)
    to = 2 * c * w
    a0, a1, b0, b1 = load(sums, to), load(sums, to + w), load(sums, to + 2 * w), load(sums, to + 3 * w)
    for k in range(count):
        e0, e1 = load(shares, 2 * k * w), load(shares, (2 * k + 1) * w)
        v = spread_at(table, at + k * stride)
        a0, a1 = fma(e0, v, a0), fma(e1, v, a1)
        v = spread_at(table, at + k * stride + 1)
        b0, b1 = fma(e0, v, b0), fma(e1, v, b1)
    store(sums, to, a0)
    store(sums, to + w, a1)
    store(sums, to + 2 * w, b0)
    store(sums, to + 3 * w, b1)


@_inline
def _eight(shares: Any, count: int, table: Any, at: int, stride: int, sums: Any, c: int) -> None:
    w = width_of(sums)
    to = 2 * c * w
    a0, a1, b0, b1 = load(sums, to), load(sums, to + w), load(sums, to + 2 * w), load(sums, to + 3 * w)
    c0, c1, d0, d1 = load(sums, to + 4 * w), load(sums, to + 5 * w), load(sums, to + 6 * w), load(sums, to + 7 * w)
    to += 8 * w
    e0, e1, f0, f1 = load(sums, to), load(sums, to + w), load(sums, to + 2 * w), load(sums, to + 3 * w)
    g0, g1, h0, h1 = load(sums, to + 4 * w), load(sums, to + 5 * w), load(sums, to + 6 * w), load(sums, to + 7 * w)
    for k in range(count):
        r0, r1 = load(shares, 2 * k * w), load(shares, (2 * k + 1) * w)
        row = at + k * stride
        v = spread_at(table, row)
        a0, a1 = fma(r0, v, a0), fma(r1, v, a1)
        v = spread_at(table, row + 1)
        b0, b1 = fma(r0, v, b0), fma(r1, v, b1)
        v = spread_at(table, row + 2)
        c0, c1 = fma(r0, v, c0), fma(r1, v, c1)
        v = spread_at(table, row + 3)
        d0, d1 = fma(r0, v, d0), fma(r1, v, d1)
        v = spread_at(table, row + 4)
        e0, e1 = fma(r0, v, e0), fma(r1, v, e1)
        v = spread_at(table, row + 5)
        f0, f1 = fma(r0, v, f0), fma(r1, v, f1)
        v = spread_at(table, row + 6)
        g0, g1 = fma(r0, v, g0), fma(r1, v, g1)
        v = spread_at(table, row + 7)
        h0, h1 = fma(r0, v, h0), fma(r1, v, h1)
    store(sums, to, e0)
    store(sums, to + w, e1)
    store(sums, to + 2 * w, f0)
    store(sums, to + 3 * w, f1)
    store(sums, to + 4 * w, g0)
    store(sums, to + 5 * w, g1)
    store(sums, to + 6 * w, h0)
    store(sums, to + 7 * w, h1)
    to -= 8 * w
    store(sums, to, a0)
    store(sums, to + w, a1)
    store(sums, to + 2 * w, b0)
    store(sums, to + 3 * w, b1)
    store(sums, to + 4 * w, c0)
    store(sums, to + 5 * w, c1)
    store(sums, to + 6 * w, d0)
    store(sums, to + 7 * w, d1)
