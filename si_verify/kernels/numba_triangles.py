"""Triangular products of a block of points in registers: y = W x − W m and g = Wᵀ y, four coordinates at a time.

The four by four triangle on the diagonal is written out: ten products and not sixteen, a fifth of the work at D = 16.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from si_verify.kernels.numba_lanes import fma, load, spread, spread_at, store, width_of

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)


@_inline
def whiten(xs: Any, rows: int, columns: Any, first: int, minus: Any, ys: Any) -> Any:
    """ys_i = minus_i + Σ_{j ≤ i} W_ij x_j, W by columns from row ``first`` on, four rows at a time; returns Σ y²."""
    w = width_of(xs)
    q0 = q1 = spread(xs.dtype.type(0))
    for i in range(0, rows, 4):
        a0 = a1 = spread_at(minus, first + i)
        b0 = b1 = spread_at(minus, first + i + 1)
        c0 = c1 = spread_at(minus, first + i + 2)
        d0 = d1 = spread_at(minus, first + i + 3)
        for j in range(i):
            at = (first + j) * rows + i
            x0, x1 = load(xs, 2 * j * w), load(xs, (2 * j + 1) * w)
            v = spread_at(columns, at)
            a0, a1 = fma(v, x0, a0), fma(v, x1, a1)
            v = spread_at(columns, at + 1)
            b0, b1 = fma(v, x0, b0), fma(v, x1, b1)
            v = spread_at(columns, at + 2)
            c0, c1 = fma(v, x0, c0), fma(v, x1, c1)
            v = spread_at(columns, at + 3)
            d0, d1 = fma(v, x0, d0), fma(v, x1, d1)
        # The triangle on the diagonal: ten products and not sixteen.
        at, of = (first + i) * rows + i, 2 * i * w
        x0, x1 = load(xs, of), load(xs, of + w)
        v = spread_at(columns, at)
        a0, a1 = fma(v, x0, a0), fma(v, x1, a1)
        v = spread_at(columns, at + 1)
        b0, b1 = fma(v, x0, b0), fma(v, x1, b1)
        v = spread_at(columns, at + 2)
        c0, c1 = fma(v, x0, c0), fma(v, x1, c1)
        v = spread_at(columns, at + 3)
        d0, d1 = fma(v, x0, d0), fma(v, x1, d1)
        x0, x1 = load(xs, of + 2 * w), load(xs, of + 3 * w)
        v = spread_at(columns, at + rows + 1)
        b0, b1 = fma(v, x0, b0), fma(v, x1, b1)
        v = spread_at(columns, at + rows + 2)
        c0, c1 = fma(v, x0, c0), fma(v, x1, c1)
        v = spread_at(columns, at + rows + 3)
        d0, d1 = fma(v, x0, d0), fma(v, x1, d1)
        x0, x1 = load(xs, of + 4 * w), load(xs, of + 5 * w)
        v = spread_at(columns, at + 2 * rows + 2)
        c0, c1 = fma(v, x0, c0), fma(v, x1, c1)
        v = spread_at(columns, at + 2 * rows + 3)
        d0, d1 = fma(v, x0, d0), fma(v, x1, d1)
        v = spread_at(columns, at + 3 * rows + 3)
        d0, d1 = fma(v, load(xs, of + 6 * w), d0), fma(v, load(xs, of + 7 * w), d1)
        to = 2 * i * w
        store(ys, to, a0)
        store(ys, to + w, a1)
        store(ys, to + 2 * w, b0)
        store(ys, to + 3 * w, b1)
        store(ys, to + 4 * w, c0)
        store(ys, to + 5 * w, c1)
        store(ys, to + 6 * w, d0)
        store(ys, to + 7 * w, d1)
        q0, q1 = fma(a0, a0, q0), fma(a1, a1, q1)
        q0, q1 = fma(b0, b0, q0), fma(b1, b1, q1)
        q0, q1 = fma(c0, c0, q0), fma(c1, c1, q1)
        q0, q1 = fma(d0, d0, q0), fma(d1, d1, q1)
    return q0, q1


@_inline
def unwhiten(ys: Any, rows: int, factor: Any, first: int, e0: Any, e1: Any, sums: Any, one: int, other: int) -> None:
    """G_e += share · g for the ends e = one and, unless negative, other: g_j = Σ_{i ≥ j} W_ij y_i, W by rows from row
    ``first`` on, four coordinates at a time.
    """
    w = width_of(ys)
    for j in range(0, rows, 4):
        at, of = (first + j) * rows + j, 2 * j * w
        y0, y1 = load(ys, of), load(ys, of + w)
        v = spread_at(factor, at)
        a0, a1 = v * y0, v * y1
        y0, y1 = load(ys, of + 2 * w), load(ys, of + 3 * w)
        v = spread_at(factor, at + rows)
        a0, a1 = fma(v, y0, a0), fma(v, y1, a1)
        v = spread_at(factor, at + rows + 1)
        b0, b1 = v * y0, v * y1
        y0, y1 = load(ys, of + 4 * w), load(ys, of + 5 * w)
        v = spread_at(factor, at + 2 * rows)
        a0, a1 = fma(v, y0, a0), fma(v, y1, a1)
        v = spread_at(factor, at + 2 * rows + 1)
        b0, b1 = fma(v, y0, b0), fma(v, y1, b1)
        v = spread_at(factor, at + 2 * rows + 2)
        c0, c1 = v * y0, v * y1
        d0 = d1 = spread(ys.dtype.type(0))
        for i in range(j + 3, rows):
            at = (first + i) * rows + j
            y0, y1 = load(ys, 2 * i * w), load(ys, (2 * i + 1) * w)
            v = spread_at(factor, at)
            a0, a1 = fma(v, y0, a0), fma(v, y1, a1)
            v = spread_at(factor, at + 1)
            b0, b1 = fma(v, y0, b0), fma(v, y1, b1)
            v = spread_at(factor, at + 2)
            c0, c1 = fma(v, y0, c0), fma(v, y1, c1)
            v = spread_at(factor, at + 3)
            d0, d1 = fma(v, y0, d0), fma(v, y1, d1)
        _join(sums, 2 * (one * rows + j) * w, e0, e1, a0, a1, b0, b1, c0, c1, d0, d1)
        if other >= 0:
            _join(sums, 2 * (other * rows + j) * w, e0, e1, a0, a1, b0, b1, c0, c1, d0, d1)


@_inline
def _join(
    sums: Any, to: int, e0: Any, e1: Any, a0: Any, a1: Any, b0: Any, b1: Any, c0: Any, c1: Any, d0: Any, d1: Any
) -> None:
    """G += e g, four coordinates."""
    w = width_of(sums)
    store(sums, to, fma(e0, a0, load(sums, to)))
    store(sums, to + w, fma(e1, a1, load(sums, to + w)))
    store(sums, to + 2 * w, fma(e0, b0, load(sums, to + 2 * w)))
    store(sums, to + 3 * w, fma(e1, b1, load(sums, to + 3 * w)))
    store(sums, to + 4 * w, fma(e0, c0, load(sums, to + 4 * w)))
    store(sums, to + 5 * w, fma(e1, c1, load(sums, to + 5 * w)))
    store(sums, to + 6 * w, fma(e0, d0, load(sums, to + 6 * w)))
    store(sums, to + 7 * w, fma(e1, d1, load(sums, to + 7 * w)))
