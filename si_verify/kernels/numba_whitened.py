"""Full covariances in one pass: y = W (x − m) and g = Wᵀ y a component, both triangular, and nothing of size D² summed.

    l_k = bias_k − |y_k|²,   g_k = Wᵀ y_k = ½ log2 e · C_k⁻¹ (x − m_k)           W = √(log2 e / 2) L⁻¹,  C = L Lᵀ
    score = −2 ln 2 · Σ r_k g_k                velocity = Σ_e (M_e Σ_{k ∈ e} r_k g_k + p_e v_e),   p_e = Σ_{k ∈ e} r_k

The cross-covariance of independent endpoints, A_ij = αα̇ C0_i + ββ̇ C1_j + γγ̇ I, is a sum over the two ends, so that it
meets the sums over the components that share an end e instead of every component: K0 + K1 products with a matrix and
not K0·K1 (pack_ends.py). A chunk of components leaves its y in the second cache; with its maximum known the sums of the
chunks before are brought to it, and g joins them. A tile of blocks takes a component in turn, so that W is read once.

Distances come from W x − W m as in numba_fields.py. Error bound: 100·eps·K(t, x), what field-pointwise enforces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from si_verify.kernels.numba_elementary import exp2_below
from si_verify.kernels.numba_lanes import fma, load, scratch, spread, spread_at, store, width_of
from si_verify.kernels.numba_sums import accumulate, exponentials
from si_verify.kernels.numba_transpose import deliver, fetch
from si_verify.kernels.numba_triangles import unwhiten, whiten

# Blocks that take a component in turn: its factor (128 KiB at D = 128) is read from the second cache once for all.
TILE = 4
# Coordinates of whitened points that a block keeps, chunk by chunk of components: with the tile's, 256 KiB.
NUMBERS = 512

_plain = njit(error_model="numpy", boundscheck=False, cache=True)
# One compiled body for two products: inlining it costs seconds of compiling and gains nothing.
_product = njit(error_model="numpy", boundscheck=False)(accumulate.py_func)


@_plain
def _rise(logits: Any, size: int, tops: Any, total: Any, totals: Any, ends: int, sums: Any, numbers: int) -> None:
    """logits of a chunk -> their shares of the block's maximum, to which all that was summed before is brought."""
    w = width_of(logits)
    last0, last1 = load(tops, 0), load(tops, w)
    top0, top1, sum0, sum1 = exponentials(logits, size, last0, last1)
    store(tops, 0, top0)
    store(tops, w, top1)
    f0, f1 = exp2_below(last0, top0), exp2_below(last1, top1)
    store(total, 0, fma(load(total, 0), f0, sum0))
    store(total, w, fma(load(total, w), f1, sum1))
    for e in range(0, 2 * ends * w, 2 * w):
        store(totals, e, f0 * load(totals, e))
        store(totals, e + w, f1 * load(totals, e + w))
    for c in range(0, 2 * numbers * w, 2 * w):
        store(sums, c, f0 * load(sums, c))
        store(sums, c + w, f1 * load(sums, c + w))


@_plain
def _finish(
    xs: Any, total: Any, totals: Any, sums: Any, ends: int, dim: int, rows: int, matrices: Any, offsets: Any, turn: Any,
    centre: Any, ys: Any,
) -> None:  # fmt: skip
    """ys: the field."""
    w = width_of(sums)
    one = spread(sums.dtype.type(1))
    inverse0, inverse1 = one / load(total, 0), one / load(total, w)
    if len(matrices) == 0:
        steep = spread(turn)
        for d in range(0, 2 * dim * w, 2 * w):
            store(ys, d, steep * load(sums, d) * inverse0)
            store(ys, d + w, steep * load(sums, d + w) * inverse1)
    else:
        # One product each: all coordinates of all ends with their matrices, all totals with what the ends add.
        _product(sums, ends * rows, matrices, 0, dim, ys, False)
        _product(totals, ends, offsets, 0, dim, ys, True)
        for d in range(0, 2 * dim * w, 2 * w):
            store(ys, d, load(ys, d) * inverse0)
            store(ys, d + w, load(ys, d + w) * inverse1)
        steep = spread(turn)
        for d in range(len(centre)):
            middle, to = spread_at(centre, d), 2 * d * w
            store(ys, to, fma(steep, load(xs, to) - middle, load(ys, to)))
            store(ys, to + w, fma(steep, load(xs, to + w) - middle, load(ys, to + w)))


@njit(cache=True, error_model="numpy", boundscheck=False, nogil=True)
def evaluate(
    x: Any, low: int, high: int, count: int, bias: Any, factor: Any, columns: Any, minus: Any, members: Any, ends: int,
    matrices: Any, offsets: Any, turn: Any, centre: Any, out: Any,
) -> None:  # fmt: skip
    """Rows low … high − 1 of x (N, D) -> out (N, D).

    All C-contiguous and of one dtype but ``members``; the GIL is released. R is D rounded up to a multiple of four:
    factor (K·R·R) W by rows, columns (K·R·R) by columns, minus (K·R) −W m, all padded with zeros; bias (K,).
    ends: how many; members (2·K,): the one or two ends of a component, −1 for no second. matrices (ends·R·D) M_e by
    columns and offsets (ends·D) v_e, with centre (D,) or without: the field is Σ_e (M_e G_e + p_e v_e), plus
    turn · (x − centre) where there is one. All three empty: the field is turn · Σ r g. Blocks overlap as those of
    numba_fields.evaluate do.
    """
    dim = x.shape[1]
    w = width_of(x)
    rows = (dim + 3) // 4 * 4
    chunk = min(count, max(4, NUMBERS // rows))
    zero, least = spread(x.dtype.type(0)), spread(x.dtype.type(-np.inf))
    wide, high_up, end_up, of_y = 2 * rows * w, 2 * ends * rows * w, 2 * ends * w, 2 * rows * w
    xs, ys = scratch(TILE * wide, x), scratch(TILE * chunk * of_y, x)
    logits, tops, total = scratch(TILE * 2 * chunk * w, x), scratch(TILE * 2 * w, x), scratch(TILE * 2 * w, x)
    totals, sums = scratch(TILE * end_up, x), scratch(TILE * high_up, x)
    for tile in range(low, high, TILE * 2 * w):
        blocks = min(TILE, (high - tile + 2 * w - 1) // (2 * w))
        for b in range(blocks):
            # Coordinates past the last meet zeros of W, and must be numbers.
            for d in range(2 * dim, 2 * rows):
                store(xs, b * wide + d * w, zero)
            fetch(x, tile + 2 * b * w, xs[b * wide :])
        for b in range(2 * blocks):
            store(tops, b * w, least)
            store(total, b * w, zero)
        for e in range(2 * blocks * ends):
            store(totals, e * w, zero)
        for e in range(2 * blocks * ends * rows):
            store(sums, e * w, zero)
        for first in range(0, count, chunk):
            size = min(chunk, count - first)
            for k in range(size):
                shift = spread_at(bias, first + k)
                for b in range(blocks):
                    to = (b * chunk + k) * of_y
                    q0, q1 = whiten(xs[b * wide :], rows, columns, (first + k) * rows, minus, ys[to:])
                    to = 2 * (b * chunk + k) * w
                    store(logits, to, shift - q0)
                    store(logits, to + w, shift - q1)
            for b in range(blocks):
                at = 2 * b * w
                _rise(
                    logits[chunk * at :], size, tops[at:], total[at:], totals[b * end_up :], ends, sums[b * high_up :],
                    ends * rows,
                )  # fmt: skip
            for k in range(size):
                one, other = members[2 * (first + k)], members[2 * (first + k) + 1]
                for b in range(blocks):
                    at = 2 * (b * chunk + k) * w
                    e0, e1 = load(logits, at), load(logits, at + w)
                    of_one = b * end_up + 2 * one * w
                    store(totals, of_one, load(totals, of_one) + e0)
                    store(totals, of_one + w, load(totals, of_one + w) + e1)
                    if other >= 0:
                        of_other = b * end_up + 2 * other * w
                        store(totals, of_other, load(totals, of_other) + e0)
                        store(totals, of_other + w, load(totals, of_other + w) + e1)
                    to = (b * chunk + k) * of_y
                    unwhiten(ys[to:], rows, factor, (first + k) * rows, e0, e1, sums[b * high_up :], one, other)
        for b in range(blocks):
            _finish(
                xs[b * wide :], total[2 * b * w :], totals[b * end_up :], sums[b * high_up :], ends, dim, rows,
                matrices, offsets, turn, centre, ys,
            )  # fmt: skip
            deliver(ys, out, tile + 2 * b * w)
