"""The loops of fused_rkl.py: all stages of a super time step go down the rows together, each a row behind the last.

What a stage reads has just been made by the one before and is in cache: a step of s stages reads ρ and the two face
drifts from memory once and writes ρ once. Fluxes and registers as in fused_lanes.py. Needs numba at import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from si_verify.kernels.numba_lanes import fma, spread, width_of
from si_verify.subjects.pde.fused_lanes import flux, left_of, right_of, scalar_flux, through, walled
from si_verify.subjects.pde.fused_pointers import address, ahead, held, load, store

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)
_compile = njit(error_model="numpy", boundscheck=False, cache=True, fastmath={"contract"})
_reduce = njit(error_model="numpy", boundscheck=False, cache=True, fastmath=True)
_compile_parallel = njit(error_model="numpy", boundscheck=False, cache=True, parallel=True, fastmath={"contract"})
# Rows of a stage that are kept: stages up to two rows behind it read them.
KEPT = 4


@_inline
def blend(change: Any, here: Any, base: Any, k: int, before: Any, rate: Any, out: Any, opening: bool, by: Any) -> None:
    """out = Y_0 + μ (Y_{j−1} − Y_0) + ν (Y_{j−2} − Y_0) + μ̃ M Y_{j−1} + γ̃ M Y_0 from lane k on; ``change`` = M Y_{j−1}.

    ``opening``: Y_1 = Y_0 + μ̃ M Y_0, and M Y_0 is stored. μ + ν + (1 − μ − ν) = 1 holds whatever μ and ν round to.
    """
    mu, nu, part, fixed = by
    if opening:
        store(rate, k, change)
        store(out, k, fma(part, change, here))
    else:
        start = load(base, k)
        moved = fma(mu, here - start, fma(nu, load(before, k) - start, start))
        store(out, k, fma(part, change, fma(fixed, load(rate, k), moved)))


@_inline
def narrow(
    last: bool, opening: bool, m: int, rho: Any, to: Any, x: Any, y: Any, below: Any, base: Any, before: Any,
    rate: Any, out: Any, none: Any, weights: Any, ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """``sweep`` cell by cell, for rows shorter than two registers."""
    mu, nu, part, fixed = weights
    entering = none
    for j in range(m):
        here, leaving, across = rho[j], none, none
        if j + 1 < m:
            leaving = scalar_flux(here, rho[j + 1], ay * y[j + 1], cy)
        if not last:
            across = scalar_flux(here, to[j], ax * x[j], cx)
        change = (below[j] - across) + (entering - leaving)
        if opening:
            rate[j] = change
            out[j] = here + part * change
        else:
            moved = base[j] + (nu * (before[j] - base[j]) + mu * (here - base[j]))
            out[j] = moved + (fixed * rate[j] + part * change)
        below[j] = across
        entering = leaving


@_inline
def sweep(
    last: bool, opening: bool, m: int, rho: Any, to: Any, x: Any, y: Any, below: Any, base: Any, before: Any,
    rate: Any, out: Any, none: Any, weights: Any, ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """One stage of one row of m cells, two registers or more; ``rho`` is Y_{j−1} and ``to`` the row after it.

    x, y, below, last, none: as in fused_lanes.py. base, before: the row of Y_0 and Y_{j−2}; rate: M Y_0. ``out`` and,
    while ``opening``, ``rate`` are none of the others.
    """
    w = width_of(rho)
    mu, nu, part, fixed = weights
    by = (spread(mu), spread(nu), spread(part), spread(fixed))
    zero = spread(none)
    vax, vcx, vay, vcy = spread(ax), spread(cx), spread(ay), spread(cy)
    # The last register overlaps what comes before it, unless m is a multiple of w, and needs this as it was.
    end = m - w
    entering = load(below, end)
    here = load(rho, 0)
    left = walled(flux(left_of(zero, here), here, vay * load(y, 0), vcy), zero)
    k = 0
    while k <= end - w:
        after = load(rho, k + w)
        following = flux(left_of(here, after), after, vay * load(y, k + w), vcy)
        across = through(here, to, x, k, last, vax, vcx, zero)
        change = (load(below, k) - across) + (left - right_of(left, following))
        blend(change, here, base, k, before, rate, out, opening, by)
        store(below, k, across)
        here, left = after, following
        k += w
    if k < end:
        right = flux(here, load(rho, k + 1), vay * load(y, k + 1), vcy)
        across = through(here, to, x, k, last, vax, vcx, zero)
        blend((load(below, k) - across) + (left - right), here, base, k, before, rate, out, opening, by)
        store(below, k, across)
        here = load(rho, end)
        left = flux(load(rho, end - 1), here, vay * load(y, end), vcy)
    across = through(here, to, x, end, last, vax, vcx, zero)
    change = (entering - across) + (left - right_of(left, zero))
    blend(change, here, base, end, before, rate, out, opening, by)
    store(below, end, across)


@_inline
def row(last: bool, opening: bool, m: int, rho: Any, *given: Any) -> None:
    """``sweep`` or ``narrow``; a loop for each case, so that none asks which it is."""
    if m < 2 * width_of(rho):
        narrow(last, opening, m, rho, *given)
    elif last:
        if opening:
            sweep(True, True, m, rho, *given)
        else:
            sweep(True, False, m, rho, *given)
    elif opening:
        sweep(False, True, m, rho, *given)
    else:
        sweep(False, False, m, rho, *given)


@_inline
def pitch_of(m: int) -> int:
    """Numbers from row to row of what is kept; not a multiple of a page, rows of which would share a place in cache."""
    return (m + 15) // 16 * 16 + 16


@_inline
def rows_kept(stages: int) -> int:
    """Rows of scratch that ``step`` needs: KEPT and a flux for each stage, and M Y_0 until the last stage is there."""
    return (KEPT + 2) * stages


@_inline
def step(
    n: int, m: int, i0: int, i1: int, rho: Any, wx: Any, wy: Any, out: Any, kept: Any, table: Any,
    ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """All stages for the rows i0 ≤ i < i1; table (s, 4) has μ, ν, μ̃, γ̃ of each.

    The rows that these depend on, s to either side, are advanced as if their edges were walls: what is wrong with that
    comes a row further in a stage, and does not reach i0 and i1 − 1.
    """
    stages, none, pitch = table.shape[0], kept.dtype.type(0), pitch_of(m)
    e0, e1 = max(0, i0 - stages), min(n, i1 + stages)
    tall = e1 - e0
    ring = address(kept)
    rates, below = ahead(ring, stages * KEPT * pitch), ahead(ring, stages * (KEPT + 1) * pitch)
    for k in range(stages * pitch):
        below[k] = none
    grid, target = ahead(rho, e0 * m), ahead(out, e0 * m)
    across, along = ahead(wx, e0 * m), ahead(wy, e0 * (m + 1))
    for front in range(tall + stages - 1):
        for s in range(max(0, front - tall + 1), min(stages, front + 1)):
            i = front - s
            now, then = i % KEPT * pitch, (i + 1) % KEPT * pitch
            base, rate = ahead(grid, i * m), ahead(rates, i % stages * pitch)
            mine = s * KEPT * pitch
            others = mine - KEPT * pitch
            result = ahead(ring, mine + now)
            if s == stages - 1 and i0 <= e0 + i < i1:
                result = ahead(target, i * m)
            source, to, before = base, ahead(base, m), base
            if s > 0:
                source, to = ahead(ring, others + now), ahead(ring, others + then)
            if s > 1:
                before = ahead(ring, others - KEPT * pitch + now)
            row(
                i == tall - 1, s == 0, m, source, to, ahead(across, (i + 1) * m), ahead(along, i * (m + 1)),
                ahead(below, s * pitch), base, before, rate, result, none,
                (table[s, 0], table[s, 1], table[s, 2], table[s, 3]), ax, cx, ay, cy,
            )  # fmt: skip


@_reduce
def fastest(wx: Any, wy: Any) -> Any:
    """max |w| over the faces of both axes that are not walls; what is no number does not count."""
    n, m = wx.shape[0] - 1, wy.shape[1] - 1
    x, y = wx.dtype.type(0), wx.dtype.type(0)
    for i in range(1, n):
        for j in range(m):
            x = max(x, abs(wx[i, j]))
    for i in range(n):
        for j in range(1, m):
            y = max(y, abs(wy[i, j]))
    return x, y


@_compile
def alone(
    rho: Any, wx: Any, wy: Any, out: Any, steps: int, table: Any, ax: Any, cx: Any, ay: Any, cy: Any
) -> None:  # fmt: skip
    """See fused_rkl_kernels.py."""
    n, m = rho.shape
    kept, spare = np.empty(rows_kept(table.shape[0]) * pitch_of(m), rho.dtype), np.empty_like(rho)
    source = address(rho)
    for k in range(steps):
        target = address(out) if (steps - k) % 2 == 1 else address(spare)
        step(n, m, 0, n, source, address(wx), address(wy), target, kept, table, ax, cx, ay, cy)
        source = target
    held(kept)
    held(spare)


@_compile_parallel
def shared(
    rho: Any, wx: Any, wy: Any, out: Any, table: Any, ax: Any, cx: Any, ay: Any, cy: Any, rows: int
) -> None:  # fmt: skip
    """See fused_rkl_kernels.py."""
    n, m = rho.shape
    for task in prange((n + rows - 1) // rows):
        i0, i1 = task * rows, min(n, (task + 1) * rows)
        kept = np.empty(rows_kept(table.shape[0]) * pitch_of(m), rho.dtype)
        step(
            n, m, i0, i1, address(rho), address(wx), address(wy), address(out), kept, table, ax, cx, ay, cy
        )  # fmt: skip
        held(kept)
