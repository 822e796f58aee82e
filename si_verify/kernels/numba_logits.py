"""Base-2 log terms of mixture components for a block of two registers of points, by storage of the covariance.

    isotropic   l = bias − half · |x − m|²             half = log2 e / 2C
    diagonal    l = bias − Σ (s_d x_d − c_d)²          s = √(log2 e / 2C),  c = s m
    full        l = bias − |W x − c|²                  W = √(log2 e / 2) L⁻¹,  c = W m,  C = L Lᵀ

``xs`` holds coordinate d of the block at registers 2d, 2d + 1; ``logits`` gets component k at 2k, 2k + 1. Components
are taken four at a time, so that a coordinate that was loaded meets eight sums: pad to a multiple of four.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from si_verify.kernels.numba_lanes import fma, fnma, load, spread, spread_at, store, width_of

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)


@_inline
def _put(logits: Any, at: int, shift: Any, scale: Any, q0: Any, q1: Any, w: int) -> None:
    store(logits, 2 * at * w, fnma(scale, q0, shift))
    store(logits, (2 * at + 1) * w, fnma(scale, q1, shift))


@_inline
def isotropic(xs: Any, first: int, count: int, dim: int, bias: Any, half: Any, mean: Any, logits: Any) -> None:
    """mean (K·D), half (K,), bias (K,)."""
    w = width_of(xs)
    for k in range(first, first + count, 4):
        a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = spread(xs.dtype.type(0))
        at = k * dim
        for d in range(dim):
            x0, x1 = load(xs, 2 * d * w), load(xs, (2 * d + 1) * w)
            m = spread_at(mean, at + d)
            e0, e1 = x0 - m, x1 - m
            a0, a1 = fma(e0, e0, a0), fma(e1, e1, a1)
            m = spread_at(mean, at + dim + d)
            e0, e1 = x0 - m, x1 - m
            b0, b1 = fma(e0, e0, b0), fma(e1, e1, b1)
            m = spread_at(mean, at + 2 * dim + d)
            e0, e1 = x0 - m, x1 - m
            c0, c1 = fma(e0, e0, c0), fma(e1, e1, c1)
            m = spread_at(mean, at + 3 * dim + d)
            e0, e1 = x0 - m, x1 - m
            d0, d1 = fma(e0, e0, d0), fma(e1, e1, d1)
        to = k - first
        _put(logits, to, spread_at(bias, k), spread_at(half, k), a0, a1, w)
        _put(logits, to + 1, spread_at(bias, k + 1), spread_at(half, k + 1), b0, b1, w)
        _put(logits, to + 2, spread_at(bias, k + 2), spread_at(half, k + 2), c0, c1, w)
        _put(logits, to + 3, spread_at(bias, k + 3), spread_at(half, k + 3), d0, d1, w)


@_inline
def diagonal(xs: Any, first: int, count: int, dim: int, bias: Any, scale: Any, minus: Any, logits: Any) -> None:
    """scale (K·D), minus = −s m (K·D), bias (K,)."""
    w = width_of(xs)
    one = spread(xs.dtype.type(1))
    for k in range(first, first + count, 4):
        a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = spread(xs.dtype.type(0))
        at = k * dim
        for d in range(dim):
            x0, x1 = load(xs, 2 * d * w), load(xs, (2 * d + 1) * w)
            s, m = spread_at(scale, at + d), spread_at(minus, at + d)
            e0, e1 = fma(x0, s, m), fma(x1, s, m)
            a0, a1 = fma(e0, e0, a0), fma(e1, e1, a1)
            s, m = spread_at(scale, at + dim + d), spread_at(minus, at + dim + d)
            e0, e1 = fma(x0, s, m), fma(x1, s, m)
            b0, b1 = fma(e0, e0, b0), fma(e1, e1, b1)
            s, m = spread_at(scale, at + 2 * dim + d), spread_at(minus, at + 2 * dim + d)
            e0, e1 = fma(x0, s, m), fma(x1, s, m)
            c0, c1 = fma(e0, e0, c0), fma(e1, e1, c1)
            s, m = spread_at(scale, at + 3 * dim + d), spread_at(minus, at + 3 * dim + d)
            e0, e1 = fma(x0, s, m), fma(x1, s, m)
            d0, d1 = fma(e0, e0, d0), fma(e1, e1, d1)
        to = k - first
        _put(logits, to, spread_at(bias, k), one, a0, a1, w)
        _put(logits, to + 1, spread_at(bias, k + 1), one, b0, b1, w)
        _put(logits, to + 2, spread_at(bias, k + 2), one, c0, c1, w)
        _put(logits, to + 3, spread_at(bias, k + 3), one, d0, d1, w)


@_inline
def full(xs: Any, first: int, count: int, dim: int, bias: Any, factor: Any, minus: Any, logits: Any) -> None:
    """factor W (K·P·P), minus = −W m (K·P), P = D rounded up to a multiple of four, padded with zeros."""
    w, one = width_of(xs), spread(xs.dtype.type(1))
    rows = (dim + 3) // 4 * 4
    for k in range(first, first + count):
        q0 = q1 = spread(xs.dtype.type(0))
        for i in range(0, rows, 4):
            at = k * rows + i
            a0 = a1 = spread_at(minus, at)
            b0 = b1 = spread_at(minus, at + 1)
            c0 = c1 = spread_at(minus, at + 2)
            d0 = d1 = spread_at(minus, at + 3)
            at *= rows
            # W is lower triangular.
            for j in range(min(dim, i + 4)):
                x0, x1 = load(xs, 2 * j * w), load(xs, (2 * j + 1) * w)
                f = spread_at(factor, at + j)
                a0, a1 = fma(f, x0, a0), fma(f, x1, a1)
                f = spread_at(factor, at + rows + j)
                b0, b1 = fma(f, x0, b0), fma(f, x1, b1)
                f = spread_at(factor, at + 2 * rows + j)
                c0, c1 = fma(f, x0, c0), fma(f, x1, c1)
                f = spread_at(factor, at + 3 * rows + j)
                d0, d1 = fma(f, x0, d0), fma(f, x1, d1)
            q0, q1 = fma(a0, a0, q0), fma(a1, a1, q1)
            q0, q1 = fma(b0, b0, q0), fma(b1, b1, q1)
            q0, q1 = fma(c0, c0, q0), fma(c1, c1, q1)
            q0, q1 = fma(d0, d0, q0), fma(d1, d1, q1)
        _put(logits, k - first, spread_at(bias, k), one, q0, q1, w)
