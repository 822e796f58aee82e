"""log ρ, score, velocity, their divergences and their products with a vector, all in one pass over the components.

    ∇·b = Σ r_k [tr B_k + (u_k − b)·(g_k − s)],    ∇b v = Σ r_k [B_k v + (u_k − b) (g_k − s)·v]      and with g for u

(si_verify/fields/derivatives.py). A chunk of components goes through the logits, the exponentials and the product with
the components' numbers as in numba_fields.py, which gives the chunk's own means ū, ḡ; then, its weights still in L1,
once more for Σ e (u − ū)·(g − ḡ), and with a vector for Σ e (u − ū) (g − ḡ)·v. Chunks merge as covariances do,

    C ← f C + C' + W f W' / (W f + W') (ū' − ū)(ḡ' − ḡ)ᵀ,      f = 2^(old maximum − new maximum)

(T. F. Chan, G. H. Golub, R. J. LeVeque, Updating formulae, Stanford STAN-CS-79-773, 1979), so that nothing large is
ever subtracted from anything large; a centre that is off by its rounding enters in second order only. Error bound:
100·eps·K', K' of derivatives.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from si_verify.kernels.numba_elementary import exp2_below, log2
from si_verify.kernels.numba_fields import CHUNK, DIAGONAL, FULL, ISOTROPIC, LN2, mix
from si_verify.kernels.numba_lanes import fma, larger, load, scratch, spread, spread_at, store, width_of
from si_verify.kernels.numba_logits import diagonal, full, isotropic
from si_verify.kernels.numba_signs import draw_signs
from si_verify.kernels.numba_sums import accumulate, exponentials, join, settle, two_sum
from si_verify.kernels.numba_transpose import deliver, fetch

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)
# One compiled body, which is called twice.
_product = njit(error_model="numpy", boundscheck=False)(accumulate.py_func)
SCORE, VELOCITY = 0, 1  # fields of the table; their traces are its last two columns


@_inline
def _own(xs: Any, table: Any, row: int, field: int, d: int, kind: int, dim: int) -> Any:
    """Coordinate d of a component's field, a + B x; row: where its numbers start in the table."""
    w = width_of(xs)
    column = field * dim + d
    a = spread_at(table, row + column)
    at = row + 2 * dim
    if kind == FULL:
        y0, y1 = a, a
        at += column * dim
        for j in range(dim):
            b = spread_at(table, at + j)
            y0, y1 = fma(b, load(xs, 2 * j * w), y0), fma(b, load(xs, (2 * j + 1) * w), y1)
        return y0, y1
    b = spread_at(table, at + (field if kind == ISOTROPIC else column))
    return fma(b, load(xs, 2 * d * w), a), fma(b, load(xs, (2 * d + 1) * w), a)


@_inline
def _turn(vs: Any, sums: Any, field: int, d: int, kind: int, dim: int) -> Any:
    """Σ e B v, coordinate d."""
    w = width_of(vs)
    y0 = y1 = spread(vs.dtype.type(0))
    column = field * dim + d
    if kind == FULL:
        at = 2 * dim + column * dim
        for j in range(dim):
            y0 = fma(load(sums, 2 * (at + j) * w), load(vs, 2 * j * w), y0)
            y1 = fma(load(sums, (2 * (at + j) + 1) * w), load(vs, (2 * j + 1) * w), y1)
        return y0, y1
    at = 2 * dim + (field if kind == ISOTROPIC else column)
    return load(sums, 2 * at * w) * load(vs, 2 * d * w), load(sums, (2 * at + 1) * w) * load(vs, (2 * d + 1) * w)


@_inline
def _means(xs: Any, sums: Any, kind: int, dim: int, total0: Any, total1: Any, tiny: Any, means: Any) -> None:
    """Σ e (a + B x) / Σ e of both fields; zeros where the total is nothing."""
    w = width_of(xs)
    one = spread(xs.dtype.type(1))
    i0, i1 = one / larger(total0, tiny), one / larger(total1, tiny)
    for field in range(2):
        for d in range(dim):
            y0, y1 = mix(xs, sums, field, 2, d, kind, dim)
            store(means, 2 * (field * dim + d) * w, y0 * i0)
            store(means, (2 * (field * dim + d) + 1) * w, y1 * i1)


@_inline
def _add(sums: Any, column: int, y0: Any, y1: Any) -> None:
    w = width_of(sums)
    at = 2 * column * w
    store(sums, at, load(sums, at) + y0)
    store(sums, at + w, load(sums, at + w) + y1)


@_inline
def _spread_of(
    xs: Any, vs: Any, shares: Any, size: int, table: Any, row: int, columns: int, kind: int, dim: int, means: Any,
    probing: bool, along: Any, own: Any,
) -> None:  # fmt: skip
    """Columns behind the table's get Σ e |g − ḡ|², Σ e (u − ū)·(g − ḡ), and with a vector Σ e (g − ḡ) q, Σ e (u − ū) q,
    q = (g − ḡ)·v. ``row``: the chunk's first component in the table; along: a chunk of registers for q.
    """
    w = width_of(xs)
    zero = spread(xs.dtype.type(0))
    for k in range(2 * size if probing else 0):
        store(along, k * w, zero)
    p0 = p1 = q0 = q1 = zero
    for d in range(dim):
        s0, s1 = load(means, 2 * d * w), load(means, (2 * d + 1) * w)
        b0, b1 = load(means, 2 * (dim + d) * w), load(means, (2 * (dim + d) + 1) * w)
        v0, v1 = (load(vs, 2 * d * w), load(vs, (2 * d + 1) * w)) if probing else (zero, zero)
        for k in range(size):
            g0, g1 = _own(xs, table, row + k * columns, SCORE, d, kind, dim)
            u0, u1 = _own(xs, table, row + k * columns, VELOCITY, d, kind, dim)
            g0, g1 = g0 - s0, g1 - s1
            e0, e1 = load(shares, 2 * k * w) * g0, load(shares, (2 * k + 1) * w) * g1
            p0, p1 = fma(e0, g0, p0), fma(e1, g1, p1)
            q0, q1 = fma(e0, u0 - b0, q0), fma(e1, u1 - b1, q1)
            if probing:
                store(along, 2 * k * w, fma(e0, v0, load(along, 2 * k * w)))
                store(along, (2 * k + 1) * w, fma(e1, v1, load(along, (2 * k + 1) * w)))
    _add(own, columns, p0, p1)
    _add(own, columns + 1, q0, q1)
    if not probing:
        return
    for field in range(2):
        for d in range(dim):
            at = field * dim + d
            m0, m1 = load(means, 2 * at * w), load(means, (2 * at + 1) * w)
            p0 = p1 = zero
            for k in range(size):
                y0, y1 = _own(xs, table, row + k * columns, field, d, kind, dim)
                p0 = fma(load(along, 2 * k * w), y0 - m0, p0)
                p1 = fma(load(along, (2 * k + 1) * w), y1 - m1, p1)
            _add(own, columns + 2 + at, p0, p1)


@_inline
def _merge(
    vs: Any, dim: int, columns: int, probing: bool, old: Any, new: Any, w0: Any, w1: Any, part: Any
) -> None:  # fmt: skip
    """The part of the merged covariances that the distance of the means makes, weight w, added to the chunk's own.
    ``old`` is left holding new − old.
    """
    w = width_of(vs)
    zero = spread(vs.dtype.type(0))
    p0 = p1 = q0 = q1 = a0 = a1 = zero
    for c in range(4 * dim):
        store(old, c * w, load(new, c * w) - load(old, c * w))
    for d in range(dim):
        g0, g1 = load(old, 2 * d * w), load(old, (2 * d + 1) * w)
        p0, p1 = fma(g0, g0, p0), fma(g1, g1, p1)
        q0 = fma(g0, load(old, 2 * (dim + d) * w), q0)
        q1 = fma(g1, load(old, (2 * (dim + d) + 1) * w), q1)
        if probing:
            a0, a1 = fma(g0, load(vs, 2 * d * w), a0), fma(g1, load(vs, (2 * d + 1) * w), a1)
    _add(part, columns, w0 * p0, w1 * p1)
    _add(part, columns + 1, w0 * q0, w1 * q1)
    for c in range(2 * dim if probing else 0):
        _add(part, columns + 2 + c, w0 * a0 * load(old, 2 * c * w), w1 * a1 * load(old, (2 * c + 1) * w))


@njit(cache=True, error_model="numpy", boundscheck=False, nogil=True)
def evaluate(
    x: Any, low: int, high: int, kind: int, count: int, bias: Any, scale: Any, place: Any, table: Any, columns: int,
    probe: Any, seed: Any, draw: Any, first_row: Any, scalars: Any, vectors: Any,
) -> None:  # fmt: skip
    """Rows low … high − 1 of x (N, D); arrays are C-contiguous and of one dtype; the GIL is released.

    bias, scale, place: see numba_logits. table (K·columns): a of score and velocity (2 D), then B of both, then −tr C⁻¹
    and tr B. scalars (5, N): log ρ, ∇·b, Δ log ρ, vᵀ∇b v, vᵀ∇s v. vectors (2, N, D): s, b; (4, N, D): and ∇s v, ∇b v.
    probe (N, D): v; if empty, signs by probes.Rademacher(seed, draw, first_row).
    """
    n, dim = x.shape
    w = width_of(x)
    probing = vectors.shape[0] == 4
    every = columns + 2 + (2 * dim if probing else 0)
    zero = spread(x.dtype.type(0))
    tiny = spread(np.finfo(x.dtype).tiny)
    xs, vs, ys = scratch(2 * dim * w, x), scratch(2 * dim * w, x), scratch(2 * dim * w, x)
    words = np.empty(8 * w, np.uint64)
    logits = scratch(2 * (min(count, CHUNK) + 3) * w, x)
    along = scratch(2 * min(count, CHUNK) * w if probing else 0, x)
    sums = scratch(2 * every * w, x)
    means, before = scratch(4 * dim * w, x), scratch(4 * dim * w, x)
    parts = 2 * every if count > CHUNK else 0
    part, carry = scratch(parts * w, x), scratch(parts * w, x)
    for c in range(parts):
        store(part, c * w, zero)
    own = part if count > CHUNK else sums
    for start in range(low, high, 2 * w):
        fetch(x, start, xs)
        if probing and len(probe) > 0:
            fetch(probe, start, vs)
        elif probing:
            draw_signs(vs, words, dim, start + first_row, draw, seed)
        top0 = top1 = spread(x.dtype.type(-np.inf))
        total0 = total1 = lost0 = lost1 = zero
        for c in range(2 * every):
            store(sums, c * w, zero)
        if count > CHUNK:
            for c in range(2 * every):
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
            _product(logits, size, table, chunk, columns, own, True)
            _means(xs, own, kind, dim, sum0, sum1, tiny, means)
            _spread_of(
                xs, vs, logits, size, table, chunk * columns, columns, kind, dim, means, probing, along, own
            )  # fmt: skip
            if count <= CHUNK:
                total0, total1 = sum0, sum1
            else:
                f0, f1 = exp2_below(last0, top0), exp2_below(last1, top1)
                _means(xs, sums, kind, dim, total0, total1, tiny, before)
                h0, h1 = total0 * f0, total1 * f1
                share0, share1 = h0 / larger(h0 + sum0, tiny), h1 / larger(h1 + sum1, tiny)
                _merge(vs, dim, columns, probing, before, means, share0 * sum0, share1 * sum1, part)
                total0, e0 = two_sum(h0, sum0)
                total1, e1 = two_sum(h1, sum1)
                lost0, lost1 = fma(lost0, f0, e0), fma(lost1, f1, e1)
                join(sums, carry, part, every, f0, f1)
        if count > CHUNK:
            total0, total1 = total0 + lost0, total1 + lost1
            settle(sums, carry, every)
        one = spread(x.dtype.type(1))
        i0, i1 = one / total0, one / total1
        ln2 = spread(x.dtype.type(LN2))
        store(ys, 0, (log2(total0) + top0) * ln2)
        store(ys, w, (log2(total1) + top1) * ln2)
        rows = min(2 * w, n - start)
        for i in range(rows):
            scalars[0, start + i] = ys[i]
        for field in range(2):
            trace, about = 2 * (columns - 2 + field) * w, 2 * (columns + field) * w
            store(ys, 0, (load(sums, trace) + load(sums, about)) * i0)
            store(ys, w, (load(sums, trace + w) + load(sums, about + w)) * i1)
            for i in range(rows):
                scalars[2 - field, start + i] = ys[i]
        for field in range(2):
            for d in range(dim):
                y0, y1 = mix(xs, sums, field, 2, d, kind, dim)
                store(ys, 2 * d * w, y0 * i0)
                store(ys, (2 * d + 1) * w, y1 * i1)
            deliver(ys, vectors[field], start)
        for field in range(2 if probing else 0):
            p0 = p1 = zero
            for d in range(dim):
                y0, y1 = _turn(vs, sums, field, d, kind, dim)
                at = 2 * (columns + 2 + field * dim + d) * w
                y0, y1 = (y0 + load(sums, at)) * i0, (y1 + load(sums, at + w)) * i1
                store(ys, 2 * d * w, y0)
                store(ys, (2 * d + 1) * w, y1)
                p0, p1 = fma(y0, load(vs, 2 * d * w), p0), fma(y1, load(vs, (2 * d + 1) * w), p1)
            deliver(ys, vectors[2 + field], start)
            store(ys, 0, p0)
            store(ys, w, p1)
            for i in range(rows):
                scalars[4 - field, start + i] = ys[i]
