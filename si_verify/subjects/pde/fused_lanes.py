"""The loops of fused_kernels.py in explicit vector lanes (kernels/numba_lanes.py): row by row, fluxes in registers.

A register holds as many cells of a row as fit 64 bytes. The flux along the row is made once a face: a register holds
it at the left faces of its cells, and at their right faces it is that register without its first lane, joined by the
first of the next. The flux across is made once a face too and handed from row to row in ``below``. Both are the same
number for the two cells at a face, so what leaves one enters the other. Loops that LLVM turns into vectors by itself
have to store the flux along to memory and read it back twice.

Rows are plain pointers (fused_pointers.py). Needs numba at import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, prange
from numba.core import cgutils

from si_verify.kernels.numba_lanes import fma, intrinsic, larger, spread, width_of
from si_verify.subjects.pde.fused_pointers import address, ahead, held, load, soon, store

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)
_compile = njit(error_model="numpy", boundscheck=False, cache=True, parallel=True, fastmath={"contract"})
# Rows that a stage of ``several`` keeps: the one being averaged with, and the two that the next stages read.
KEPT = 4
# Registers by which the cache is asked ahead: a row is a page at some sizes, where the processor's own guesses end.
AHEAD = 8


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
def scalar_flux(low: Any, high: Any, w: Any, c: Any) -> Any:
    """``flux`` of one face, rounded as compiled."""
    return w * (low + high) - max(c, abs(w)) * (high - low)


@_inline
def walled(faces: Any, zero: Any) -> Any:
    """Fluxes at left faces, of which the first is a wall's, whatever its drift."""
    return left_of(zero, right_of(faces, zero))


@_inline
def through(here: Any, to: Any, x: Any, k: int, last: bool, a: Any, c: Any, zero: Any) -> Any:
    """Flux from the cells ``here`` into those at ``to``; zero where ``last``, and nothing is read."""
    if last:
        return zero
    return flux(here, load(to, k), a * load(x, k), c)


@_inline
def mean(moved: Any, base: Any, k: int, averaged: bool, keep: Any, take: Any) -> Any:
    """keep · base + take · moved where ``averaged``."""
    if averaged:
        return fma(keep, load(base, k), take * moved)
    return moved


@_inline
def into(here: Any, to: Any, x: Any, below: Any, m: int, ax: Any, cx: Any) -> None:
    """below = flux from the row ``here`` into the row ``to``."""
    w = width_of(here)
    if m < w:
        for j in range(m):
            below[j] = scalar_flux(here[j], to[j], ax * x[j], cx)
        return
    a, c, k = spread(ax), spread(cx), 0
    while k < m:
        k = min(k, m - w)
        store(below, k, through(load(here, k), to, x, k, False, a, c, c))
        k += w


@_inline
def narrow(
    last: bool, averaged: bool, m: int, rho: Any, to: Any, x: Any, y: Any, below: Any, base: Any, out: Any,
    none: Any, keep: Any, take: Any, ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """``sweep`` cell by cell, for rows shorter than two registers."""
    entering = none
    for j in range(m):
        here, leaving, across = rho[j], none, none
        if j + 1 < m:
            leaving = scalar_flux(here, rho[j + 1], ay * y[j + 1], cy)
        if not last:
            across = scalar_flux(here, to[j], ax * x[j], cx)
        moved = here + ((below[j] - across) + (entering - leaving))
        if averaged:
            moved = keep * base[j] + take * moved
        below[j] = across
        out[j] = moved
        entering = leaving


@_inline
def sweep(
    last: bool, averaged: bool, m: int, rho: Any, to: Any, x: Any, y: Any, below: Any, base: Any, out: Any,
    none: Any, keep: Any, take: Any, ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """out = ρ − ∂F for the row ``rho`` of m cells, ``to`` the row after it; m is two registers or more.

    x: drift on the faces between the two rows; y: drift on the row's m + 1 faces, of which the outer two are walls and
    not used. ``below``: flux into the row from the one before it, replaced by that into the next; ``last``: there is
    none, and neither ``to`` nor ``x`` is read. ``averaged``: out = keep · base + take · (ρ − ∂F); else ``base`` is not
    read. ``out`` is none of the others. none = 0.
    """
    w = width_of(rho)
    zero, stay, part = spread(none), spread(keep), spread(take)
    vax, vcx, vay, vcy = spread(ax), spread(cx), spread(ay), spread(cy)
    # The last register overlaps what comes before it, unless m is a multiple of w, and needs this as it was.
    end = m - w
    entering = load(below, end)
    here = load(rho, 0)
    left = walled(flux(left_of(zero, here), here, vay * load(y, 0), vcy), zero)
    k = 0
    while k <= end - w:
        soon(to, k + AHEAD * w)
        soon(x, k + AHEAD * w)
        soon(y, k + AHEAD * w)
        after = load(rho, k + w)
        following = flux(left_of(here, after), after, vay * load(y, k + w), vcy)
        across = through(here, to, x, k, last, vax, vcx, zero)
        moved = here + ((load(below, k) - across) + (left - right_of(left, following)))
        store(out, k, mean(moved, base, k, averaged, stay, part))
        store(below, k, across)
        here, left = after, following
        k += w
    if k < end:
        right = flux(here, load(rho, k + 1), vay * load(y, k + 1), vcy)
        across = through(here, to, x, k, last, vax, vcx, zero)
        moved = here + ((load(below, k) - across) + (left - right))
        store(out, k, mean(moved, base, k, averaged, stay, part))
        store(below, k, across)
        here = load(rho, end)
        left = flux(load(rho, end - 1), here, vay * load(y, end), vcy)
    across = through(here, to, x, end, last, vax, vcx, zero)
    moved = here + ((entering - across) + (left - right_of(left, zero)))
    store(out, end, mean(moved, base, end, averaged, stay, part))
    store(below, end, across)


@_inline
def row(last: bool, averaged: bool, m: int, rho: Any, *given: Any) -> None:
    """``sweep`` or ``narrow``; a loop for each case, so that none asks which it is."""
    if m < 2 * width_of(rho):
        narrow(last, averaged, m, rho, *given)
    elif last:
        if averaged:
            sweep(True, True, m, rho, *given)
        else:
            sweep(True, False, m, rho, *given)
    elif averaged:
        sweep(False, True, m, rho, *given)
    else:
        sweep(False, False, m, rho, *given)


@_compile
def stage(
    base: Any, rho: Any, wx: Any, wy: Any, out: Any, keep: Any, ax: Any, cx: Any, ay: Any, cy: Any, band: int
) -> None:
    """See fused_kernels.py."""
    n, m = rho.shape
    none, take, averaged = rho.dtype.type(0), rho.dtype.type(1) - keep, keep != 0
    for task in prange((n + band - 1) // band):
        first, stop = task * band, min(n, (task + 1) * band)
        flux_below = np.zeros(m, rho.dtype)
        grid, start, end, below = address(rho), address(base), address(out), address(flux_below)
        across, along = address(wx), address(wy)
        if first > 0:
            into(ahead(grid, (first - 1) * m), ahead(grid, first * m), ahead(across, first * m), below, m, ax, cx)
        for i in range(first, stop):
            at, to = i * m, (i + 1) * m
            row(
                i == n - 1, averaged, m, ahead(grid, at), ahead(grid, to), ahead(across, to), ahead(along, at + i),
                below, ahead(start, at), ahead(end, at), none, keep, take, ax, cx, ay, cy,
            )  # fmt: skip
        held(flux_below)


@_compile
def several(
    rho: Any, wx: Any, wy: Any, out: Any, steps: int, keep: Any, ax: Any, cx: Any, ay: Any, cy: Any,
    rows: int, cols: int,
) -> None:  # fmt: skip
    """See fused_kernels.py."""
    n, m = rho.shape
    none, take, averaged = rho.dtype.type(0), rho.dtype.type(1) - keep, keep != 0
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
        kept, flux_below = np.empty((steps, KEPT, pitch), rho.dtype), np.zeros(steps * pitch, rho.dtype)
        ring, below = address(kept), address(flux_below)
        corner = e0 * m + f0
        grid, across, along = ahead(address(rho), corner), ahead(address(wx), corner), ahead(address(wy), corner + e0)
        for front in range(tall + steps - 1):
            # Stage s is s rows behind the front: what it reads has just been made, and lies in cache with the drift.
            for s in range(max(0, front - tall + 1), min(steps, front + 1)):
                i = front - s
                now, then = i % KEPT * pitch, (i + 1) % KEPT * pitch
                mine = s * KEPT * pitch
                others = mine - KEPT * pitch
                source, to, base = ahead(ring, others + now), ahead(ring, others + then), ring
                if s == 0:
                    source, to = ahead(grid, i * m), ahead(grid, (i + 1) * m)
                elif s == 1:
                    base = ahead(grid, i * m)
                else:
                    base = ahead(ring, others - KEPT * pitch + now)
                inside = s == steps - 1 and i0 <= e0 + i < i1
                target = ahead(ring, mine + now)
                if inside and wide == m:
                    target = ahead(address(out), (e0 + i) * m)
                row(
                    i == tall - 1, averaged and s % 2 == 1, wide, source, to, ahead(across, (i + 1) * m),
                    ahead(along, i * (m + 1)), ahead(below, s * pitch), base, target,
                    none, keep, take, ax, cx, ay, cy,
                )  # fmt: skip
                if inside and wide < m:
                    for j in range(j0, j1):
                        out[e0 + i, j] = target[j - f0]
        held(kept)
        held(flux_below)
