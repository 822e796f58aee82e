"""Fused finite-volume kernels for numba: ρ after one stage, every cell read and written once, fluxes made on the way.

    F = ½ w (ρ_L + ρ_R) − max(ε/h, ½|w|) (ρ_R − ρ_L)        through a face with drift w

central where that is positive (|w| h ≤ 2ε) and upwind elsewhere: D. B. Spalding, Int. J. Numer. Methods Eng. 4 (1972).
What leaves a cell enters its neighbour as the same number, so mass is kept to rounding; walls are closed.

Arrays are C-contiguous, float64 or float32: ρ (n, m), drift on the faces ``wx`` (n + 1, m) and ``wy`` (n, m + 1),
of which those on the walls are not read.
Plain Python, compiled on first use (``compiled``), because numba takes its time to import.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from si_verify.subjects.pde.numba_compiler import compiler

# numba.prange outside of compiled code is range.
prange: Any = range
# Rows of a task, and rows and columns of a tile: two scratch copies of a tile in float64 stay in half of a 1 MiB L2.
BAND = 64
TILE = (64, 512)


def stage(base, rho, wx, wy, out, keep, ax, cx, ay, cy, band):  # type: ignore[no-untyped-def]
    """out = keep · base + (1 − keep) · (ρ − ∂F): a stage of an SSP method, one pass.

    ax = ½ sign dt/h_x, cx = ε dt/h_x², likewise y; ``band`` rows make a task. ``out`` may be ``base``, never ``rho``.
    """
    n, m = rho.shape
    take = rho.dtype.type(1.0) - keep
    for task in prange((n + band - 1) // band):
        first, last = task * band, min(n, (task + 1) * band)
        below = np.zeros(m, rho.dtype)  # flux from the row above into this one, times dt/h
        along = np.zeros(m + 1, rho.dtype)
        if first > 0:
            for j in range(m):
                w = ax * wx[first, j]
                low, high = rho[first - 1, j], rho[first, j]
                below[j] = w * (low + high) - max(cx, abs(w)) * (high - low)
        for i in range(first, last):
            for j in range(m - 1):
                w = ay * wy[i, j + 1]
                low, high = rho[i, j], rho[i, j + 1]
                along[j + 1] = w * (low + high) - max(cy, abs(w)) * (high - low)
            if i < n - 1:
                for j in range(m):
                    w = ax * wx[i + 1, j]
                    low, high = rho[i, j], rho[i + 1, j]
                    flux = w * (low + high) - max(cx, abs(w)) * (high - low)
                    moved = low + ((below[j] - flux) + (along[j] - along[j + 1]))
                    below[j] = flux
                    out[i, j] = keep * base[i, j] + take * moved
            else:
                for j in range(m):
                    moved = rho[i, j] + (below[j] + (along[j] - along[j + 1]))
                    out[i, j] = keep * base[i, j] + take * moved


def euler(rho, wx, wy, out, ax, cx, ay, cy, band):  # type: ignore[no-untyped-def]
    """out = ρ − ∂F: one forward Euler step, one pass; arguments as of ``stage``."""
    n, m = rho.shape
    for task in prange((n + band - 1) // band):
        first, last = task * band, min(n, (task + 1) * band)
        below = np.zeros(m, rho.dtype)
        along = np.zeros(m + 1, rho.dtype)
        if first > 0:
            for j in range(m):
                w = ax * wx[first, j]
                low, high = rho[first - 1, j], rho[first, j]
                below[j] = w * (low + high) - max(cx, abs(w)) * (high - low)
        for i in range(first, last):
            for j in range(m - 1):
                w = ay * wy[i, j + 1]
                low, high = rho[i, j], rho[i, j + 1]
                along[j + 1] = w * (low + high) - max(cy, abs(w)) * (high - low)
            if i < n - 1:
                for j in range(m):
                    w = ax * wx[i + 1, j]
                    low, high = rho[i, j], rho[i + 1, j]
                    flux = w * (low + high) - max(cx, abs(w)) * (high - low)
                    out[i, j] = low + ((below[j] - flux) + (along[j] - along[j + 1]))
                    below[j] = flux
            else:
                for j in range(m):
                    out[i, j] = rho[i, j] + (below[j] + (along[j] - along[j + 1]))


def several(rho, wx, wy, out, steps, keep, ax, cx, ay, cy, rows, cols):  # type: ignore[no-untyped-def]
    """``steps`` stages with one drift in one pass over memory: tiles with a halo of ``steps`` cells.

    Every second stage is averaged with where the stage before it began, weighted ``keep``: 0 for forward Euler, ½ for
    SSPRK2. A tile is advanced between two scratch arrays that stay in cache, on a region that shrinks by a cell a stage
    on the sides where the grid goes on; the two tiles at a face compute the same flux from the same numbers. Rows are
    slices, so that all indices start at 0: one that might be negative keeps its loop from being vectorised.
    """
    n, m = rho.shape
    down, across = (n + rows - 1) // rows, (m + cols - 1) // cols
    for tile in prange(down * across):
        i0, j0 = (tile // across) * rows, (tile % across) * cols
        i1, j1 = min(n, i0 + rows), min(m, j0 + cols)
        # The part of the grid that ``steps`` steps on the tile depend on.
        e0, e1, f0, f1 = max(0, i0 - steps), min(n, i1 + steps), max(0, j0 - steps), min(m, j1 + steps)
        work = np.empty((2, e1 - e0, f1 - f0), rho.dtype)
        take = rho.dtype.type(1.0) - keep
        work[0] = rho[e0:e1, f0:f1]
        flux_below = np.zeros(f1 - f0, rho.dtype)
        flux_along = np.zeros(f1 - f0 + 1, rho.dtype)
        row = np.zeros(f1 - f0, rho.dtype)
        for s in range(1, steps + 1):
            old, new = work[(s + 1) % 2], work[s % 2]
            r0, r1 = (0 if e0 == 0 else s), (e1 - e0 if e1 == n else e1 - e0 - s)
            c0, c1 = (0 if f0 == 0 else s), (f1 - f0 if f1 == m else f1 - f0 - s)
            wide = c1 - c0
            # Faces along a row: one before every cell and one after the last, zero at walls.
            a0, a1 = (1 if f0 == 0 else 0), (wide if f1 == m else wide + 1)
            below, along, mixed = flux_below[:wide], flux_along[: wide + 1], row[:wide]
            below[:] = 0.0
            along[:] = 0.0
            if r0 > 0:
                above, here, drift = old[r0 - 1, c0:c1], old[r0, c0:c1], wx[e0 + r0, f0 + c0 : f0 + c1]
                for j in range(wide):
                    w = ax * drift[j]
                    below[j] = w * (above[j] + here[j]) - max(cx, abs(w)) * (here[j] - above[j])
            for i in range(r0, r1):
                here, result = old[i, c0:c1], new[i, c0:c1]
                faces = along[a0:a1]
                before, after = old[i, c0 + a0 - 1 : c0 + a1 - 1], old[i, c0 + a0 : c0 + a1]
                drift = wy[e0 + i, f0 + c0 + a0 : f0 + c0 + a1]
                for j in range(a1 - a0):
                    w = ay * drift[j]
                    faces[j] = w * (before[j] + after[j]) - max(cy, abs(w)) * (after[j] - before[j])
                if e0 + i < n - 1:
                    beneath, drift = old[i + 1, c0:c1], wx[e0 + i + 1, f0 + c0 : f0 + c1]
                    for j in range(wide):
                        w = ax * drift[j]
                        flux = w * (here[j] + beneath[j]) - max(cx, abs(w)) * (beneath[j] - here[j])
                        mixed[j] = here[j] + ((below[j] - flux) + (along[j] - along[j + 1]))
                        below[j] = flux
                else:
                    for j in range(wide):
                        mixed[j] = here[j] + (below[j] + (along[j] - along[j + 1]))
                if s % 2 == 0:
                    for j in range(wide):
                        result[j] = keep * result[j] + take * mixed[j]
                else:
                    result[:] = mixed
        out[i0:i1, j0:j1] = work[steps % 2, i0 - e0 : i1 - e0, j0 - f0 : j1 - f0]


@cache
def compiled() -> SimpleNamespace:
    """The kernels above, compiled for parallel loops and kept on disk; Unavailable without numba."""
    global prange
    compile_, prange = compiler()
    return SimpleNamespace(**{f.__name__: compile_(f) for f in (stage, euler, several)})
