"""Full covariances of independent endpoints as ``fields_ends`` (cuda_ends.cu) reads them, and which instance does.

Components are sorted by their kept end (pack_one_end.py). Matrices are those of that file times 2 / log₂e, since a
component's g is ½ log₂e C⁻¹ (x − m) here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.cuda_records import HEAD, filled, lower_rows
from si_verify.kernels.cuda_source import C_TYPES, MIXTURE, wanted
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_one_end import OneEnd

FILES = (*MIXTURE, "cuda_ends.cu")
THREADS = 128
# Five vectors of a point in one thread's registers; components whose sums grow there before they are joined.
_WIDEST, _MOST = {"float32": 16, "float64": 16}, 4096
_TILE = 16
_LOG2E = float(np.log2(np.e))


@dataclass(frozen=True, eq=False)
class DeviceEnds:
    """``arrays``: records (K, words), members (K,) int32, ends (E, words), centre (D + 1,) with the rate behind it."""

    arrays: tuple[Tensor, Tensor, Tensor, Tensor]


def instance(dim: int, dtype: str, quantities: tuple[str, ...]) -> str:
    """The kernel's C++ name."""
    return f"fields_ends<{C_TYPES[dtype]}, {dim}, {wanted(quantities)}, {THREADS}, {_TILE}>"


def device_ends(units: Packed, ends: OneEnd, dtype: torch.dtype, device: torch.device) -> DeviceEnds | None:
    """The law ``scaled`` (cuda_records.py) by its ends; None for a shape that the kernel does not take."""
    name = str(dtype).removeprefix("torch.")
    if units.kind != "full" or units.dim > _WIDEST.get(name, 0) or units.n_components > _MOST:
        return None
    order = np.argsort(ends.members, kind="stable")
    head = np.zeros((units.n_components, HEAD))
    head[:, 0] = units.log_weight
    records = np.concatenate([head, filled(units.mean), lower_rows(units.whiten)], axis=1)[order]
    matrices = filled(ends.matrix * (2.0 / _LOG2E)).reshape(len(ends.matrix), -1)
    table = np.concatenate([matrices, filled(ends.offset)], axis=1)
    real: Any = np.float64 if name == "float64" else np.float32
    arrays = (
        records.astype(real), ends.members[order].astype(np.int32), table.astype(real),
        np.append(ends.centre, ends.rate).astype(real),
    )  # fmt: skip
    moved = tuple(torch.as_tensor(np.ascontiguousarray(a)).to(device) for a in arrays)
    return DeviceEnds(moved)  # type: ignore[arg-type]
