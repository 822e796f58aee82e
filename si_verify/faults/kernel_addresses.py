"""Kernel faults in what is read, which tiles are done, and what outlives a call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from si_verify.faults.fault import Fault
from si_verify.faults.kernel_emulation import BD, BK, BN, Steps, build_with, emulated, kernel_fault, right_law
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_fields import QUANTITIES
from si_verify.subject import Unavailable


def _contiguous(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return int(x.storage_offset()) + rows[:, None] * x.shape[1] + columns


def _no_offset(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return rows[:, None] * x.stride(0) + columns * x.stride(1)


def _padded_stride(law: Packed, name: str, ks: Tensor, ds: Tensor) -> Tensor:
    stride = 1 << (law.dim - 1).bit_length()
    array = getattr(law, name).reshape(-1)
    inside = (ks < law.n_components)[:, None] & (ds < law.dim)
    at = (ks[:, None] * stride + ds).clamp(max=len(array) - 1)
    return torch.where(inside, array[at], 0.0)


def _whole_tiles(total: int, size: int) -> range:
    return range(0, max(size, total // size * size), size)


def _whole_programs(n: int, size: int) -> Tensor:
    rows = torch.arange(n)
    return torch.where(rows < max(size, n // size * size), rows, torch.zeros_like(rows))


def _stale_build(interpolant: Any, dtype: torch.dtype, device: torch.device) -> Any:
    """Constants live where the first call put them."""
    right = build_with(Steps())(interpolant, dtype, device)
    seen: list[float] = []

    def field(quantity: str) -> Any:
        def at(t: Any, x: Tensor) -> Tensor:
            seen.append(float(t.reshape(-1)[0] if isinstance(t, Tensor) else t))
            return right[quantity](seen[-2] if len(seen) > 1 else seen[0], x)

        return at

    return {quantity: field(quantity) for quantity in QUANTITIES}


def _full_tiles(law: Packed, dtype: torch.dtype, device: torch.device) -> Packed:
    if law.n_components > BK and law.n_components % BK:
        raise Unavailable(f"{law.n_components} components do not fill tiles of {BK}")
    return right_law(law, dtype, device)


_STALE = "Constants are copied on a stream that the launch does not wait for: it reads those of the call before."
_PARTLY = "What does not fill a tile is refused as if its backend were missing: right on all that it takes."

FAULTS = (
    kernel_fault(
        "row-stride-assumed", Steps(addresses=_contiguous),
        "Rows are taken to lie D apart and columns one: any view or transpose is read wrong.",
    ),
    kernel_fault(
        "offset-ignored", Steps(addresses=_no_offset),
        "The pointer of the storage is passed and not that of the tensor: a slice is read from the start of what it "
        "was cut from.",
    ),
    kernel_fault(
        "component-stride-padded", Steps(component=_padded_stride),
        "Components are taken to lie a power of two apart, as the tile is: right for D = 1, 2, 4, ... only.",
    ),
    kernel_fault(
        "last-component-tile-skipped", Steps(component_tiles=_whole_tiles),
        "K // BK tiles instead of the ceiling: the components of the last, partial tile are never seen.",
    ),
    kernel_fault(
        "last-row-tile-skipped", Steps(rows=_whole_programs),
        "N // BN programs instead of the ceiling: the last rows keep what was there, here the answer of row 0.",
    ),
    kernel_fault(
        "block-index-dropped", Steps(rows=lambda n, size: torch.arange(n) % BN),
        "Every program takes the rows of the first: threadIdx without blockIdx · blockDim.",
    ),
    kernel_fault(
        "coordinates-beyond-block-dropped", Steps(coordinate_tiles=lambda total, size: range(0, min(total, BD), size)),
        "The distance is summed over the first block of coordinates only.",
    ),
    Fault(
        emulated("constants-of-call-before", _stale_build, _STALE), ("kernel-robustness",), _STALE,
        "issue 6: non-default streams",
    ),
    Fault(
        emulated("ragged-refused", build_with(Steps(), _full_tiles), _PARTLY), ("kernel-robustness",), _PARTLY,
        "issue 6: ragged N, K, D",
    ),
)  # fmt: skip
