"""The loops of fused_rkl.py: all stages of a super time step go down the rows together, each a row behind the last.

What a stage reads has just been made by the one before and is in cache: a step of s stages reads ρ and the two face
drifts from memory once and writes ρ once. Fluxes and registers as in fused_lanes.py. Needs numba at import.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from si_verify.kernels.numba_lanes import fma, scratch, spread, width_of
from si_verify.subjects.pde.fused_lanes import flux, left_of, right_of, scalar_flux, walled
from si_verify.subjects.pde.fused_pointers import address, ahead, held, load, store

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)
_compile = njit(error_model="numpy", boundscheck=False, cache=True, fastmath={"contract"})
_reduce = njit(error_model="numpy", boundscheck=False, cache=True, fastmath=True)
_compile_parallel = njit(error_model="numpy", boundscheck=False, cache=True, parallel=True, fastmath={"contract"})
# Rows of a stage that are kept: stages up to two rows behind it read them.
KEPT = 4
OPENING, BETWEEN, CLOSING = 0, 1, 2


@_inline
def crossing(low: Any, high: Any, w: Any, c: Any, central: bool) -> Any:
    """Flux through faces; where all are ``central``, |w| ≤ c, in units of c and with w already in them."""
    if central:
        return fma(w, low + high, low - high)
    return flux(low, high, w, c)


@_inline
def blend(change: Any, here: Any, base: Any, k: int, before: Any, rate: Any, out: Any, kind: int, by: Any) -> None:
    """Stage j from lane k on, of what has changed since Y_0: D_j = μ D_{j−1} + ν D_{j−2} + μ̃ M D_{j−1} + (μ̃ + γ̃) M Y_0.

    ``change`` = M D_{j−1}; OPENING: it is M Y_0, which is stored, and D_1 = μ̃ M Y_0; CLOSING: Y_s = Y_0 + D_s. Sums of
    D are zero whatever coefficients round to.
    """
    mu, nu, part, source = by
    if kind == OPENING:
        store(rate, k, change)
        store(out, k, part * change)
    else:
        rest = source * load(rate, k)
        if kind == CLOSING:
            rest = fma(source, load(rate, k), load(base, k))
        store(out, k, fma(part, change, fma(mu, here, fma(nu, load(before, k), rest))))


@_inline
def narrow(
    kind: int, central: bool, m: int, rho: Any, to: Any, x: Any, y: Any, below: Any, base: Any, before: Any,
    rate: Any, out: Any, none: Any, weights: Any, scales: Any,
) -> None:  # fmt: skip
    """``sweep`` cell by cell, for rows shorter than two registers."""
    (mu, nu, part, source), (ax, cx, ay, cy, ratio) = weights, scales
    entering = none
    for j in range(m):
        here, leaving, across = rho[j], none, none
        wx = ax * x[j]
        across = wx * (here + to[j]) + (here - to[j]) if central else scalar_flux(here, to[j], wx, cx)
        if j + 1 < m:
            wy, after = ay * y[j + 1], rho[j + 1]
            leaving = wy * (here + after) + (here - after) if central else scalar_flux(here, after, wy, cy)
        change = ratio * (below[j] - across) + (entering - leaving)
        if kind == OPENING:
            rate[j] = change
            out[j] = part * change
        else:
            moved = (mu * here + nu * before[j]) + (source * rate[j] + part * change)
            out[j] = base[j] + moved if kind == CLOSING else moved
        below[j] = across
        entering = leaving


@_inline
def sweep(
    kind: int, central: bool, m: int, rho: Any, to: Any, x: Any, y: Any, below: Any, base: Any, before: Any,
    rate: Any, out: Any, none: Any, weights: Any, scales: Any,
) -> None:  # fmt: skip
    """One stage of one row of m cells, two registers or more; ``rho`` is D_{j−1}, or Y_0, and ``to`` the row after it.

    x: drift on the faces between the two rows; y: drift on the row's m + 1 faces, of which the outer two are walls and
    not used. ``below``: flux into the row from the one before it, replaced by that into the next. base, before: the row
    of Y_0 and D_{j−2}; rate: M Y_0. ``out`` and, where written, ``rate`` are none of the others. none = 0.
    ``scales``: by what drifts are multiplied, the spreading of ``crossing``, and a unit of flux across in those along.
    """
    w, end = width_of(rho), m - width_of(rho)
    mu, nu, part, source = weights
    ax, cx, ay, cy, ratio = scales
    by, zero = (spread(mu), spread(nu), spread(part), spread(source)), spread(none)
    vax, vcx, vay, vcy, unit = spread(ax), spread(cx), spread(ay), spread(cy), spread(ratio)
    # The last register overlaps what comes before it, unless m is a multiple of w, and needs this as it was.
    entering = load(below, end)
    here = load(rho, 0)
    left = walled(crossing(left_of(zero, here), here, vay * load(y, 0), vcy, central), zero)
    k = 0
    while k <= end - w:
        after = load(rho, k + w)
        following = crossing(left_of(here, after), after, vay * load(y, k + w), vcy, central)
        across = crossing(here, load(to, k), vax * load(x, k), vcx, central)
        change = fma(unit, load(below, k) - across, left - right_of(left, following))
        blend(change, here, base, k, before, rate, out, kind, by)
        store(below, k, across)
        here, left = after, following
        k += w
    if k < end:
        right = crossing(here, load(rho, k + 1), vay * load(y, k + 1), vcy, central)
        across = crossing(here, load(to, k), vax * load(x, k), vcx, central)
        blend(fma(unit, load(below, k) - across, left - right), here, base, k, before, rate, out, kind, by)
        store(below, k, across)
        here = load(rho, end)
        left = crossing(load(rho, end - 1), here, vay * load(y, end), vcy, central)
    across = crossing(here, load(to, end), vax * load(x, end), vcx, central)
    change = fma(unit, entering - across, left - right_of(left, zero))
    blend(change, here, base, end, before, rate, out, kind, by)
    store(below, end, across)


@_inline
def row(kind: int, central: bool, m: int, rho: Any, *given: Any) -> None:
    """``sweep`` or ``narrow``; a loop for each case, so that none asks which it is."""
    if m < 2 * width_of(rho):
        narrow(kind, central, m, rho, *given)
    elif central:
        if kind == OPENING:
            sweep(OPENING, True, m, rho, *given)
        elif kind == CLOSING:
            sweep(CLOSING, True, m, rho, *given)
        else:
            sweep(BETWEEN, True, m, rho, *given)
    elif kind == OPENING:
        sweep(OPENING, False, m, rho, *given)
    elif kind == CLOSING:
        sweep(CLOSING, False, m, rho, *given)
    else:
        sweep(BETWEEN, False, m, rho, *given)


@_inline
def pitch_of(m: int) -> int:
    """Numbers from row to row of what is kept; not a multiple of a page, rows of which would share a place in cache."""
    return (m + 15) // 16 * 16 + 16


@_inline
def rows_kept(stages: int) -> int:
    """Rows of scratch of a step: KEPT and a flux for each stage, M Y_0 until the last stage is there, and no drift."""
    return (KEPT + 2) * stages + 1


@_inline
def step(
    n: int, m: int, i0: int, i1: int, rho: Any, wx: Any, wy: Any, out: Any, kept: Any, table: Any, central: bool,
    ax: Any, cx: Any, ay: Any, cy: Any,
) -> None:  # fmt: skip
    """All stages for the rows i0 ≤ i < i1; table (s, 4) has μ, ν, μ̃, γ̃ of each.

    The rows that these depend on, s to either side, are advanced as if their edges were walls: what is wrong with that
    comes a row further in a stage, and does not reach i0 and i1 − 1. Walls: no drift, and the same cells beyond.
    """
    stages, none, pitch = table.shape[0], kept.dtype.type(0), pitch_of(m)
    e0, e1 = max(0, i0 - stages), min(n, i1 + stages)
    tall = e1 - e0
    ring = address(kept)
    rates, below = ahead(ring, stages * KEPT * pitch), ahead(ring, stages * (KEPT + 1) * pitch)
    still = ahead(below, stages * pitch)
    for k in range((stages + 1) * pitch):
        below[k] = none
    unit = kept.dtype.type(1)
    scales = (ax, cx, ay, cy, unit)
    if central:
        scales, unit = (ax / cx, cx, ay / cy, cy, cx / cy), cy
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
            source, to, before = base, ahead(base, m), still
            if s > 0:
                source, to = ahead(ring, others + now), ahead(ring, others + then)
            if s > 1:
                before = ahead(ring, others - KEPT * pitch + now)
            x = ahead(across, (i + 1) * m)
            if i == tall - 1:
                to, x = source, still
            kind = OPENING if s == 0 else (CLOSING if s == stages - 1 else BETWEEN)
            row(
                kind, central, m, source, to, x, ahead(along, i * (m + 1)), ahead(below, s * pitch), base, before,
                rate, result, none, (table[s, 0], table[s, 1], unit * table[s, 2], unit * (table[s, 2] + table[s, 3])),
                scales,
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
    rho: Any, wx: Any, wy: Any, out: Any, steps: int, table: Any, central: bool, ax: Any, cx: Any, ay: Any, cy: Any
) -> None:  # fmt: skip
    """See fused_rkl.py."""
    n, m = rho.shape
    kept, spare = scratch(rows_kept(table.shape[0]) * pitch_of(m), rho), np.empty_like(rho)
    source = address(rho)
    for k in range(steps):
        target = address(out) if (steps - k) % 2 == 1 else address(spare)
        step(n, m, 0, n, source, address(wx), address(wy), target, kept, table, central, ax, cx, ay, cy)
        source = target
    held(kept)
    held(spare)


@_compile_parallel
def shared(
    rho: Any, wx: Any, wy: Any, out: Any, table: Any, central: bool, ax: Any, cx: Any, ay: Any, cy: Any,
    rows: int,
) -> None:  # fmt: skip
    """See fused_rkl.py."""
    n, m = rho.shape
    for task in prange((n + rows - 1) // rows):
        i0, i1 = task * rows, min(n, (task + 1) * rows)
        kept = scratch(rows_kept(table.shape[0]) * pitch_of(m), rho)
        step(
            n, m, i0, i1, address(rho), address(wx), address(wy), address(out), kept, table, central, ax, cx, ay, cy
        )  # fmt: skip
        held(kept)
