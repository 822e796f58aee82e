"""The loops of fused_kernels.py in explicit vector lanes (kernels/numba_lanes.py): row by row, fluxes in registers.

A register holds as many cells of a row as fit 64 bytes. The flux along the row is made once a face: a register holds
it at the left faces of its cells, and at their right faces it is that register without its first lane, joined by the
first of the next. The flux across is made once a face too and handed from row to row in ``below``. Both are the same
number for the two cells at a face, so what leaves one enters the other. Loops that LLVM turns into vectors by itself
have to store the flux along to memory and read it back twice.

Arrays are flat views of C-contiguous memory with offsets into it. Needs numba at import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange
from numba.core import cgutils

from si_verify.kernels.numba_lanes import fma, intrinsic, larger, load, spread, store, width_of

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)
_compile = njit(error_model="numpy", boundscheck=False, cache=True, parallel=True, fastmath={"contract"})
# Rows that a stage of ``several`` keeps: the one being averaged with, and the two that the next stages read.
KEPT = 4


@intrinsic
def size(typing: Any, a: Any) -> Any:
    """|a|."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vector = args[0].type
        name = f"llvm.fabs.v{vector.count}f{64 if isinstance(vector.element, ir.DoubleType) else 32}"
        return builder.call(
            cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), name), args
        )

    return a(a), codegen


def _shift(first: Any) -> Any:
    """Intrinsic (a, b): a register's worth of a and b laid one after the other, from lane ``first(width)`` on."""

    @intrinsic
    def shift(typing: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            count = args[0].type.count
            lanes = [first(count) + i for i in range(count)]
            return builder.shuffle_vector(*args, ir.Constant(ir.VectorType(ir.IntType(32), count), lanes))

        return a(a, b), codegen

    return shift


left_of = _shift(lambda count: count - 1)  # (cells before, cells) -> the left neighbours of cells
right_of = _shift(lambda count: 1)  # (cells, cells after) -> the right neighbours of cells


@_inline
def flux(low: Any, high: Any, w: Any, c: Any) -> Any:
    """w (ρ_L + ρ_R) − max(c, |w|) (ρ_R − ρ_L)."""
    return fma(w, low + high, larger(c, size(w)) * (low - high))


@_inline
def walled(faces: Any, zero: Any) -> Any:
    """Fluxes at left faces, of which the first is a wall's, whatever its drift."""
    return left_of(zero, right_of(faces, zero))


@_inline
def scalar_flux(low: Any, high: Any, w: Any, c: Any) -> Any:
    """``flux`` of one face, rounded as compiled."""
    return w * (low + high) - max(c, abs(w)) * (high - low)


@_inline
def narrow(
    last: bool, averaged: bool, rho: Any, m: int,
    r: int, to: int, wx: Any, x: int, wy: Any, y: int, below: Any, b: int,
    base: Any, s: int, out: Any, o: int, keep: Any, ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """``sweep`` cell by cell, for rows shorter than two registers."""
    one, entering = rho.dtype.type(1), rho.dtype.type(0)
    for j in range(m):
        here, leaving, across = rho[r + j], rho.dtype.type(0), rho.dtype.type(0)
        if j + 1 < m:
            leaving = scalar_flux(here, rho[r + j + 1], ay * wy[y + j + 1], cy)
        if not last:
            across = scalar_flux(here, rho[to + j], ax * wx[x + j], cx)
        moved = here + ((below[b + j] - across) + (entering - leaving))
        if averaged:
            moved = keep * base[s + j] + (one - keep) * moved
        below[b + j] = across
        out[o + j] = moved
        entering = leaving


@_inline
def through(here: Any, rho: Any, to: int, wx: Any, x: int, last: bool, a: Any, c: Any, zero: Any) -> Any:
    """Flux from the cells ``here`` into those at ``to``; zero where ``last``, and nothing is read."""
    if last:
        return zero
    return flux(here, load(rho, to), a * load(wx, x), c)


@_inline
def mean(moved: Any, base: Any, s: int, averaged: bool, stay: Any, take: Any) -> Any:
    """keep · base + (1 − keep) · moved where ``averaged``."""
    if averaged:
        return fma(stay, load(base, s), take * moved)
    return moved


@_inline
def into(rho: Any, r: int, to: int, wx: Any, x: int, below: Any, b: int, m: int, ax: Any, cx: Any) -> None:
    """below[b:] = flux from the row at ``r`` into the row at ``to``."""
    w = width_of(rho)
    if m < w:
        for j in range(m):
            below[b + j] = scalar_flux(rho[r + j], rho[to + j], ax * wx[x + j], cx)
        return
    a, c, k = spread(ax), spread(cx), 0
    while k < m:
        k = min(k, m - w)
        store(below, b + k, through(load(rho, r + k), rho, to + k, wx, x + k, False, a, c, c))
        k += w


@_inline
def sweep(
    last: bool, averaged: bool, rho: Any, m: int,
    r: int, to: int, wx: Any, x: int, wy: Any, y: int, below: Any, b: int,
    base: Any, s: int, out: Any, o: int, keep: Any, ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """out[o:] = ρ − ∂F for the row of m cells at ``r``, ``to`` the row after it; m is two registers or more.

    x: drift on the faces between the two rows; y: drift on the row's m + 1 faces, of which the outer two are walls and
    not used. ``below``: flux into the row from the one before it, replaced by that into the next; ``last``: there is
    none, and neither ``to`` nor ``x`` is read. ``averaged``: out = keep · base[s:] + (1 − keep) · (ρ − ∂F); else
    ``base`` is not read. ``out`` is none of the others.
    """
    w = width_of(rho)
    zero = spread(rho.dtype.type(0))
    stay, take = spread(keep), spread(rho.dtype.type(1) - keep)
    vax, vcx, vay, vcy = spread(ax), spread(cx), spread(ay), spread(cy)
    # The last register overlaps what comes before it, unless m is a multiple of w, and needs this as it was.
    end = m - w
    entering = load(below, b + end)
    here = load(rho, r)
    left = walled(flux(left_of(zero, here), here, vay * load(wy, y), vcy), zero)
    k = 0
    while k <= end - w:
        after = load(rho, r + k + w)
        following = flux(left_of(here, after), after, vay * load(wy, y + k + w), vcy)
        across = through(here, rho, to + k, wx, x + k, last, vax, vcx, zero)
        moved = here + ((load(below, b + k) - across) + (left - right_of(left, following)))
        store(out, o + k, mean(moved, base, s + k, averaged, stay, take))
        store(below, b + k, across)
        here, left = after, following
        k += w
    if k < end:
        right = flux(here, load(rho, r + k + 1), vay * load(wy, y + k + 1), vcy)
        across = through(here, rho, to + k, wx, x + k, last, vax, vcx, zero)
        moved = here + ((load(below, b + k) - across) + (left - right))
        store(out, o + k, mean(moved, base, s + k, averaged, stay, take))
        store(below, b + k, across)
        here = load(rho, r + end)
        left = flux(load(rho, r + end - 1), here, vay * load(wy, y + end), vcy)
    across = through(here, rho, to + end, wx, x + end, last, vax, vcx, zero)
    moved = here + ((entering - across) + (left - right_of(left, zero)))
    store(out, o + end, mean(moved, base, s + end, averaged, stay, take))
    store(below, b + end, across)


@_inline
def row(last: bool, averaged: bool, rho: Any, m: int, *given: Any) -> None:
    """``sweep`` or ``narrow``; a loop for each case, since a question asked in the loop slows it by a half."""
    if m < 2 * width_of(rho):
        narrow(last, averaged, rho, m, *given)
    elif last:
        if averaged:
            sweep(True, True, rho, m, *given)
        else:
            sweep(True, False, rho, m, *given)
    elif averaged:
        sweep(False, True, rho, m, *given)
    else:
        sweep(False, False, rho, m, *given)


@_compile
def stage(
    base: Any, rho: Any, wx: Any, wy: Any, out: Any, keep: Any, ax: Any, cx: Any, ay: Any, cy: Any, band: int
) -> None:
    """See fused_kernels.py."""
    n, m = rho.shape
    flat, start, end, faces_x, faces_y = rho.ravel(), base.ravel(), out.ravel(), wx.ravel(), wy.ravel()
    averaged = keep != 0
    for task in prange((n + band - 1) // band):
        first, stop = task * band, min(n, (task + 1) * band)
        below = np.zeros(m, rho.dtype)
        if first > 0:
            into(flat, (first - 1) * m, first * m, faces_x, first * m, below, 0, m, ax, cx)
        for i in range(first, stop):
            row(
                i == n - 1, averaged, flat, m, i * m, (i + 1) * m, faces_x, (i + 1) * m, faces_y, i * (m + 1), below, 0,
                start, i * m, end, i * m, keep, ax, cx, ay, cy,
            )  # fmt: skip


@_compile
def several(
    rho: Any, wx: Any, wy: Any, out: Any, steps: int, keep: Any, ax: Any, cx: Any, ay: Any, cy: Any,
    rows: int, cols: int,
) -> None:  # fmt: skip
    """See fused_kernels.py."""
    n, m = rho.shape
    flat, end, faces_x, faces_y = rho.ravel(), out.ravel(), wx.ravel(), wy.ravel()
    averaged = keep != 0
    down, beside = (n + rows - 1) // rows, (m + cols - 1) // cols
    for tile in prange(down * beside):
        i0, j0 = (tile // beside) * rows, (tile % beside) * cols
        i1, j1 = min(n, i0 + rows), min(m, j0 + cols)
        # The part of the grid that ``steps`` steps on the tile depend on, advanced as if its edges were walls: what is
        # wrong with that comes a cell further in a step, and does not reach the tile.
        e0, e1, f0, f1 = max(0, i0 - steps), min(n, i1 + steps), max(0, j0 - steps), min(m, j1 + steps)
        tall, wide = e1 - e0, f1 - f0
        # Not a multiple of a page: rows one below the other would compete for the same places in the cache.
        pitch = (wide + 15) // 16 * 16 + 16
        ring = np.empty(steps * KEPT * pitch, rho.dtype)
        below = np.zeros(steps * pitch, rho.dtype)
        for front in range(tall + steps - 1):
            # Stage s is s rows behind the front: what it reads has just been made, and lies in cache with the drift.
            for s in range(max(0, front - tall + 1), min(steps, front + 1)):
                i = front - s
                x, y = (e0 + i + 1) * m + f0, (e0 + i) * (m + 1) + f0
                mine, others = s * KEPT * pitch, (s - 1) * KEPT * pitch
                source, r, to = ring, others + i % KEPT * pitch, others + (i + 1) % KEPT * pitch
                base, b = ring, others - KEPT * pitch + i % KEPT * pitch
                if s == 0:
                    source, r, to = flat, (e0 + i) * m + f0, (e0 + i + 1) * m + f0
                if s == 1:
                    base, b = flat, (e0 + i) * m + f0
                target, o = ring, mine + i % KEPT * pitch
                inside = i0 <= e0 + i < i1
                if s == steps - 1 and inside and wide == m:
                    target, o = end, (e0 + i) * m
                row(
                    i == tall - 1, averaged and s % 2 == 1, source, wide, r, to, faces_x, x, faces_y, y,
                    below, s * pitch, base, b, target, o, keep, ax, cx, ay, cy,
                )  # fmt: skip
                if s == steps - 1 and inside and wide < m:
                    at, to = o + j0 - f0, (e0 + i) * m + j0
                    end[to : to + j1 - j0] = ring[at : at + j1 - j0]
