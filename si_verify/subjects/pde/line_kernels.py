"""Tridiagonal kernels for numba: implicit and explicit drift–diffusion along one axis, many lines at once.

    L ρ = −(F_{i+½} − F_{i−½})/h,   F = p ρ_i − q ρ_{i+1},   p, q = max(ε/h, ½|w|) ± ½ w ≥ 0

(the fluxes of fused_kernels.py). Columns of L sum to zero and its off-diagonals are ≥ 0: I − τL is an M-matrix for
every τ ≥ 0, which elimination without pivoting (Thomas' algorithm) solves stably and without a sign change.

Arrays are C-contiguous (outer, n, inner): the axis is the middle one. ``drift`` (outer, n + 1, inner) on the
faces, of which those on the walls are not read.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from si_verify.subjects.pde.numba_compiler import compiler

prange: Any = range
# Lines that a task solves side by side: one cache line's worth of vectors, with scratch that stays in L2.
LANES = 64


def explicit(rho, drift, out, a, c, lanes):  # type: ignore[no-untyped-def]
    """out = ρ + τLρ; a = ½ sign τ/h, c = ε τ/h²."""
    outer, n, inner = rho.shape
    blocks = (inner + lanes - 1) // lanes
    for task in prange(outer * blocks):
        o, first = task // blocks, (task % blocks) * lanes
        wide = min(inner, first + lanes) - first
        below = np.zeros(wide, rho.dtype)
        for i in range(n - 1):
            low, high = rho[o, i, first : first + wide], rho[o, i + 1, first : first + wide]
            face, result = drift[o, i + 1, first : first + wide], out[o, i, first : first + wide]
            for j in range(wide):
                w = a * face[j]
                flux = w * (low[j] + high[j]) - max(c, abs(w)) * (high[j] - low[j])
                result[j] = low[j] + (below[j] - flux)
                below[j] = flux
        low, result = rho[o, n - 1, first : first + wide], out[o, n - 1, first : first + wide]
        for j in range(wide):
            result[j] = low[j] + below[j]


def implicit(right, drift, out, a, c, lanes):  # type: ignore[no-untyped-def]
    """out = (I − τL)⁻¹ right; elimination down the axis, substitution back up; ``out`` may be ``right``.

    With f = τp/h and g = τq/h of the faces, the pivots are d_i = 1 + f_i + e_i, e_0 = 0,
    e_{i+1} = g_i (1 − f_i/d_i) = g_i (1 + e_i)/d_i: nothing is subtracted, so no digits cancel for any τ.
    """
    outer, n, inner = right.shape
    blocks = (inner + lanes - 1) // lanes
    one = right.dtype.type(1.0)
    for task in prange(outer * blocks):
        o, first = task // blocks, (task % blocks) * lanes
        wide = min(inner, first + lanes) - first
        ratio = np.empty((n, wide), right.dtype)  # g_i / d_i, what row i owes to row i + 1
        carry = np.zeros(wide, right.dtype)  # f_{i−1} · (right reduced)_{i−1} / d_{i−1}
        free = np.zeros(wide, right.dtype)  # e_i
        for i in range(n - 1):
            given, result = right[o, i, first : first + wide], out[o, i, first : first + wide]
            face, kept = drift[o, i + 1, first : first + wide], ratio[i]
            for j in range(wide):
                w = a * face[j]
                spread = max(c, abs(w))
                f, g = spread + w, spread - w
                base = one + free[j]
                inverse = one / (base + f)
                kept[j] = g * inverse
                reduced = (given[j] + carry[j]) * inverse
                result[j] = reduced
                carry[j] = f * reduced
                free[j] = g * base * inverse
        given, result = right[o, n - 1, first : first + wide], out[o, n - 1, first : first + wide]
        for j in range(wide):
            result[j] = (given[j] + carry[j]) / (one + free[j])
        for i in range(n - 2, -1, -1):
            after, result = out[o, i + 1, first : first + wide], out[o, i, first : first + wide]
            kept = ratio[i]
            for j in range(wide):
                result[j] += kept[j] * after[j]


@cache
def compiled() -> SimpleNamespace:
    """The kernels above, compiled for parallel loops and kept on disk; Unavailable without numba."""
    global prange
    compile_, prange = compiler()
    return SimpleNamespace(explicit=compile_(explicit), implicit=compile_(implicit))
