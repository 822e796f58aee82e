"""The CUDA finite-volume stencils on torch tensors: one stage a pass in one to three dimensions, several in two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.cuda_source import C_TYPES, STENCIL

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
# Threads across and along the middle axis of a block of ``stage``.
_BLOCK = {2: (256, 1), 3: (32, 8)}
# Cells of a column that a thread of ``stage`` goes through, fewer where the grid has not enough columns to fill a
# device: the density before the first and its drift are read twice, 2 of 4·32 numbers.
_BAND, _BLOCKS = 32, 1056


@dataclass(frozen=True)
class Tile:
    """The tile of ``several``: ``strips`` strips of ``rows`` rows, a column a thread.

    A thread has 4 numbers a row in registers, 5 where stages are averaged; the tile is shared memory, 32 KiB as given.
    """

    rows: int
    columns: int
    strips: int

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.columns * self.strips

    def inside(self, stages: int) -> tuple[int, int]:
        """Rows and columns that are written after so many stages. ValueError where there are none."""
        rows, columns = self.rows * self.strips - 2 * stages, self.columns - 2 * stages
        if stages < 1 or min(rows, columns) < 1:
            raise ValueError(f"stages: expected 1 or more that leave a tile of {self} something, got {stages}")
        return rows, columns


TILES = {torch.float32: Tile(16, 128, 4), torch.float64: Tile(8, 128, 4)}


def _real(dtype: torch.dtype) -> str:
    if dtype not in _NUMPY:
        raise ValueError(f"rho: expected float32 or float64, got {dtype}")
    return C_TYPES[str(dtype).removeprefix("torch.")]


def stage_kernel(dtype: torch.dtype, dim: int) -> str:
    """The instance of ``stage`` for grids of 1, 2 or 3 dimensions."""
    wide, deep = _BLOCK[max(2, dim)]
    return f"stage<{_real(dtype)}, {max(2, dim)}, {wide}, {deep}>"


def several_kernel(dtype: torch.dtype, averaged: bool, tile: Tile | None = None) -> str:
    """The instance of ``several``."""
    chosen = tile or TILES[dtype]
    sizes = f"{chosen.rows}, {chosen.columns}, {chosen.strips}"
    return f"several<{_real(dtype)}, {sizes}, {str(averaged).lower()}>"


def _checked(rho: Tensor, faces: Sequence[Tensor]) -> list[Tensor]:
    """The faces, one tensor an axis, after a look at shapes, dtypes and layout."""
    if not 1 <= rho.ndim <= 3 or len(faces) != rho.ndim:
        raise ValueError(f"faces: expected a tensor an axis of 1 to 3, got {len(faces)} for shape {tuple(rho.shape)}")
    for axis, w in enumerate(faces):
        shape = tuple(s + (d == axis) for d, s in enumerate(rho.shape))
        if tuple(w.shape) != shape or w.dtype != rho.dtype or w.device != rho.device:
            raise ValueError(
                f"faces: expected {shape} of {rho.dtype} on {rho.device} for axis {axis}, "
                f"got {tuple(w.shape)} of {w.dtype} on {w.device}"
            )
    return [w.contiguous() for w in faces]


def _extents(shape: Sequence[int]) -> tuple[int, int, int]:
    """(n, l, m): an axis, the last, is a row; two have no middle."""
    n, depth, m = {1: (1, 1, *shape), 2: (*shape[:1], 1, *shape[1:])}.get(len(shape), tuple(shape))
    return n, depth, m


def stage(
    base: Tensor, rho: Tensor, faces: Sequence[Tensor], factors: Sequence[tuple[float, float]], keep: float = 0.0
) -> Tensor:
    """keep · base + (1 − keep) · (ρ − ∂F), one pass; forward Euler with keep = 0, which does not read ``base``.

    rho, base  (n,), (n, m) or (n, l, m), float32 or float64
    faces      drift on the faces across each axis, one more than cells along it; those on the walls are not used
    factors    (½ sign τ/h, ε τ/h²) an axis: the flux through a face with drift b is
               w (ρ_L + ρ_R) − max(ετ/h², |w|) (ρ_R − ρ_L), w = ½ sign τ b/h (fused_kernels.py)
    """
    from si_verify.kernels.cuda_launch import launch

    drift, kind = _checked(rho, faces), _NUMPY[rho.dtype]
    if base.shape != rho.shape or base.dtype != rho.dtype:
        raise ValueError(f"base: expected {tuple(rho.shape)} of {rho.dtype}, got {tuple(base.shape)} of {base.dtype}")
    start, out = rho.contiguous(), torch.empty_like(rho, memory_format=torch.contiguous_format)
    n, depth, m = _extents(rho.shape)
    wide, deep = _BLOCK[max(2, rho.ndim)]
    across, beside = -(-m // wide), -(-depth // deep)
    band = max(1, min(_BAND, n * across * beside // _BLOCKS))
    # One axis is a row without faces above or below, two a plane without depth: those slots are not read.
    slots = {1: (0, 0, 0), 2: (0, 0, 1), 3: (0, 1, 2)}[rho.ndim]
    scalars = [kind(v) for slot in slots for v in factors[slot]]
    launch(
        stage_kernel(rho.dtype, rho.ndim), across * beside * -(-n // band), wide * deep, rho.device,
        base.contiguous(), start, *(drift[slot] for slot in slots), out, np.int64(n), np.int64(depth), np.int64(m),
        kind(keep), *scalars, np.int32(band), np.int32(across), np.int32(beside), files=STENCIL,
    )  # fmt: skip
    return out


def several(
    rho: Tensor, faces: Sequence[Tensor], factors: Sequence[tuple[float, float]], stages: int, keep: float = 0.0,
    *, tile: Tile | None = None,
) -> Tensor:  # fmt: skip
    """``stages`` stages with one drift in one pass; ρ (n,) or (n, m). As ``stage``, bit for bit.

    Every second stage is averaged with where the stage before it began, weighted ``keep``: 0 for forward Euler, ½ for
    SSPRK2. ValueError where the halo, a cell a stage on every side, leaves nothing of the tile.
    """
    from si_verify.kernels.cuda_launch import launch

    drift, kind = _checked(rho, faces), _NUMPY[rho.dtype]
    if rho.ndim > 2:
        raise ValueError(f"rho: expected one or two dimensions, got {rho.ndim}")
    chosen = tile or TILES[rho.dtype]
    rows, columns = chosen.inside(stages)
    start, out = rho.contiguous(), torch.empty_like(rho, memory_format=torch.contiguous_format)
    n, _, m = _extents(rho.shape)
    across = -(-m // columns)
    scalars = [kind(v) for pair in (factors[0], factors[-1]) for v in pair]
    launch(
        several_kernel(rho.dtype, keep != 0, chosen), across * -(-n // rows), chosen.threads, rho.device,
        start, drift[0], drift[-1], out, np.int64(n), np.int64(m), np.int32(stages), kind(keep), *scalars,
        np.int32(across), files=STENCIL,
    )  # fmt: skip
    return out
