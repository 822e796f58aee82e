"""Fused finite-volume kernels for numba: ρ after one stage, every cell read and written once, fluxes made on the way.

    F = ½ w (ρ_L + ρ_R) − max(ε/h, ½|w|) (ρ_R − ρ_L)        through a face with drift w

central where that is positive (|w| h ≤ 2ε) and upwind elsewhere: D. B. Spalding, Int. J. Numer. Methods Eng. 4 (1972).
What leaves a cell enters its neighbour as the same number, so mass is kept to rounding; walls are closed.

Arrays are C-contiguous, float64 or float32: ρ (n, m), drift on the faces ``wx`` (n + 1, m) and ``wy`` (n, m + 1),
of which those on the walls are not used. Factors: ax = ½ sign dt/h_x, cx = ε dt/h_x², likewise y, scalars of the dtype.
Compiled on first use (``compiled``), because numba takes its time to import; fused_lanes.py has the loops.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from si_verify.subjects.pde.numba_compiler import compiler

# Least rows of a thread's task: fluxes into the first are made twice, and what a tile's halo takes is a quarter.
BAND = 64
# Bytes of a tile's row: what ``several`` keeps of 60 numbers a column (eight stages' rows and fluxes, the drift between
# the first and the last) then fits half of a 1 MiB L2.
ROW_BYTES = 8192


def tile(shape: tuple[int, ...], itemsize: int, threads: int) -> tuple[int, int]:
    """Rows and columns of a tile of ``several``: as tall as the threads leave it, no wider than ROW_BYTES.

    As many rows make a task of ``stage`` and ``euler``.
    """
    n, m = shape
    beside = -(-m * itemsize // ROW_BYTES)
    return max(min(n, BAND), -(-n // threads)), -(-m // beside)


class Kernels:
    """The compiled kernels; Unavailable without numba."""

    def __init__(self) -> None:
        compiler()
        from si_verify.subjects.pde import fused_lanes

        self._lanes = fused_lanes

    def stage(
        self, base: np.ndarray, rho: np.ndarray, wx: np.ndarray, wy: np.ndarray, out: np.ndarray,
        keep: Any, ax: Any, cx: Any, ay: Any, cy: Any, band: int,
    ) -> None:  # fmt: skip
        """out = keep · base + (1 − keep) · (ρ − ∂F): a stage of an SSP method, one pass.

        ``band`` rows make a task. ``out`` is none of the others.
        """
        self._lanes.stage(base, rho, wx, wy, out, keep, ax, cx, ay, cy, band)

    def euler(
        self, rho: np.ndarray, wx: np.ndarray, wy: np.ndarray, out: np.ndarray,
        ax: Any, cx: Any, ay: Any, cy: Any, band: int,
    ) -> None:  # fmt: skip
        """out = ρ − ∂F: one forward Euler step, one pass."""
        self._lanes.stage(rho, rho, wx, wy, out, rho.dtype.type(0), ax, cx, ay, cy, band)

    def several(
        self, rho: np.ndarray, wx: np.ndarray, wy: np.ndarray, out: np.ndarray,
        steps: int, keep: Any, ax: Any, cx: Any, ay: Any, cy: Any, rows: int, cols: int,
    ) -> None:  # fmt: skip
        """``steps`` stages with one drift in one pass over memory: tiles with a halo of ``steps`` cells.

        Every second stage is averaged with where the stage before it began, weighted ``keep``: 0 for forward Euler, ½
        for SSPRK2. All stages go down a tile together, each a row behind the one before it, so that rows and drift are
        in cache when the next stage reads them.
        """
        kind = rho.dtype.type
        self._lanes.several(rho, wx, wy, out, steps, kind(keep), kind(ax), kind(cx), kind(ay), kind(cy), rows, cols)


@cache
def compiled() -> Kernels:
    """The kernels, compiled for parallel loops and kept on disk; Unavailable without numba."""
    return Kernels()
