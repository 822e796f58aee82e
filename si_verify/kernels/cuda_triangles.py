"""Full covariances of 17 to 128 dimensions as ``fields_triangles`` (cuda_triangles.cu) reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.cuda_source import C_TYPES, MIXTURE, wanted
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_one_end import OneEnd

FILES = (*MIXTURE, "cuda_triangles.cu")
THREADS, POINTS = 64, 32
_CHUNK = 16
# What fits into 48 KiB of shared memory; components whose sums grow in registers.
_NARROWEST, _WIDEST, _MOST = 17, 128, 4096
_LOG2E = float(np.log2(np.e))


@dataclass(frozen=True, eq=False)
class DeviceTriangles:
    """``arrays``: the kernel's parameters after K; ``ends``: whether velocities can be had by the components of one."""

    arrays: tuple[Tensor, ...]
    ends: bool

    def takes(self, quantities: tuple[str, ...]) -> bool:
        """Whether what is asked has one weighted sum, and matrices of ends where it is the velocity."""
        sums = {"score", "velocity"} & set(quantities)
        return len(sums) == 1 and (self.ends or "velocity" not in sums)


def instance(dim: int, dtype: str, quantities: tuple[str, ...]) -> str:
    """The kernel's C++ name."""
    return f"fields_triangles<{C_TYPES[dtype]}, {dim}, {wanted(quantities)}>"


def device_triangles(
    units: Packed, end: OneEnd | None, dtype: torch.dtype, device: torch.device
) -> DeviceTriangles | None:
    """The law ``scaled`` (cuda_records.py), sorted by its kept end where there is one; None for a shape that the kernel
    does not take.
    """
    k, dim = units.mean.shape
    if dtype != torch.float32 or units.kind != "full" or not _NARROWEST <= dim <= _WIDEST or k > _MOST:
        return None
    more = -dim % _CHUNK

    def padded(a: np.ndarray, axes: int) -> np.ndarray:
        return np.pad(a, [(0, 0)] * (a.ndim - axes) + [(0, more)] * axes)

    order = np.arange(k) if end is None else np.argsort(end.members, kind="stable")
    whiten = padded(units.whiten, 2)[order]
    parts = [units.log_weight[order], padded(units.mean, 1)[order], whiten, whiten.swapaxes(1, 2)]
    tables = [np.zeros(1)] * 3
    if end is not None:
        matrices = padded(end.matrix * (2.0 / _LOG2E), 2)
        tables = [matrices, padded(end.offset, 1), np.append(padded(end.centre, 1), end.rate)]
    members = (np.zeros(k) if end is None else end.members[order]).astype(np.int32)
    arrays = [*(np.ascontiguousarray(a, np.float32) for a in parts), members]
    arrays += [np.ascontiguousarray(a, np.float32) for a in tables]
    return DeviceTriangles(tuple(torch.as_tensor(a).to(device) for a in arrays), end is not None)
