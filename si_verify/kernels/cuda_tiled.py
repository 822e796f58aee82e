"""Isotropic laws of 33 to 128 dimensions as ``fields_tiled`` (cuda_tiled.cu) reads them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.cuda_records import expanded, filled
from si_verify.kernels.cuda_source import C_TYPES, MIXTURE, wanted
from si_verify.kernels.pack import Packed

FILES = (*MIXTURE, "cuda_tiled.cu")
THREADS, POINTS = 64, 32
_SIDE = 32  # components of a tile
# What fits into 48 KiB of shared memory, and components whose sums grow in registers; below a tile of them the kernel
# works for what is not there.
_NARROWEST, _WIDEST, _FEWEST, _MOST = 33, 128, 24, 4096


def instance(dim: int, dtype: str, quantities: tuple[str, ...]) -> str:
    """The kernel's C++ name."""
    return f"fields_tiled<{C_TYPES[dtype]}, {dim}, {wanted(quantities)}>"


def takes(quantities: tuple[str, ...]) -> bool:
    """Whether the kernel has registers for what is asked: one weighted sum, with the density or without."""
    return len({"score", "velocity"} & set(quantities)) == 1


def device_tiles(units: Packed, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...] | None:
    """bias, half, slope (K',), mean, offset (K', width) of a law ``scaled`` (cuda_records.py), K' whole tiles; None for
    a shape that the kernel does not take.
    """
    k, dim = units.mean.shape
    if dtype != torch.float32 or units.kind != "isotropic" or not _NARROWEST <= dim <= _WIDEST:
        return None
    if not _FEWEST <= k <= _MOST:
        return None
    law, more = expanded(units), -k % _SIDE
    parts = [
        np.append(law.log_weight, np.full(more, -np.inf)),
        *(np.pad(a, (0, more)) for a in (law.precision, law.slope)),
    ]
    parts += [np.pad(filled(a), [(0, more), (0, 0)]) for a in (law.mean, law.offset)]
    return tuple(torch.as_tensor(np.ascontiguousarray(a, np.float32)).to(device) for a in parts)
