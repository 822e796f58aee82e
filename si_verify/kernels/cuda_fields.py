"""The CUDA field kernels on torch tensors: log-density, score, velocity; isotropic to full (D to 256 if full).

float64, float32, or bfloat16 points with float32 arithmetic and answers. The wide kernel then has bfloat16 components
too (pack_bfloat16.py); the narrow one keeps them in float32, since it reads them once a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels import cuda_ends, cuda_tiled, cuda_triangles
from si_verify.kernels.cuda_ends import DeviceEnds
from si_verify.kernels.cuda_records import expanded, records, scaled
from si_verify.kernels.cuda_source import field_kernel
from si_verify.kernels.cuda_triangles import DeviceTriangles
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_bfloat16 import rounded
from si_verify.kernels.pack_one_end import OneEnd

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64, torch.bfloat16: np.float32}
_LOG2E = float(np.log2(np.e))


@dataclass(frozen=True, eq=False)
class DeviceLaw:
    """A law as the kernel for its shape reads it: ``arrays`` are the kernel's parameters after K. Where there are
    more, ends: for velocities, by the components of one end; tiles, triangles: for one weighted sum.
    """

    kind: str
    dim: int
    dtype: torch.dtype
    k: int
    arrays: tuple[Tensor, ...]
    ends: DeviceEnds | None = None
    tiles: tuple[Tensor, ...] | None = None
    triangles: DeviceTriangles | None = None


def device_law(law: Packed, dtype: torch.dtype, device: torch.device, ends: OneEnd | None = None) -> DeviceLaw:
    """Records for the narrow kernel, arrays and transposes for the wide. ValueError for a shape that neither takes.

    ends: of the same law, where its endpoints are independent (pack_one_end.py).
    """
    units, name = scaled(law), str(dtype).removeprefix("torch.")
    if field_kernel(law.kind, law.dim, name, ("log_density",)).narrow:
        table = torch.as_tensor(records(expanded(units), _NUMPY[dtype])).to(device)
        by_ends = None if ends is None else cuda_ends.device_ends(units, ends, dtype, device)
        return DeviceLaw(law.kind, law.dim, dtype, table.shape[0], (table,), by_ends)
    tiles, halved = cuda_tiled.device_tiles(units, dtype, device), dtype == torch.bfloat16
    triangles = cuda_triangles.device_triangles(units, ends, dtype, device)
    if halved:
        units = rounded(units, _LOG2E)
    arrays = [units.log_weight, units.mean, units.precision, units.offset, units.slope, units.whiten]
    arrays += [np.swapaxes(a, -1, -2) if a.ndim == 3 else a for a in (units.whiten, units.slope)]
    tensors = tuple(torch.as_tensor(np.ascontiguousarray(a, _NUMPY[dtype])).to(device) for a in arrays)
    if halved:
        scalars = {0} if law.kind != "isotropic" else {0, 2, 4}
        tensors = tuple(a if i in scalars else a.to(dtype) for i, a in enumerate(tensors))
    return DeviceLaw(law.kind, law.dim, dtype, law.n_components, tensors, tiles=tiles, triangles=triangles)


def evaluate(law: DeviceLaw, x: Tensor, quantities: tuple[str, ...]) -> dict[str, Tensor]:
    """The quantities at x (N, D) of any strides, one launch; answers are contiguous."""
    from si_verify.kernels.cuda_launch import launch

    if x.ndim != 2 or x.shape[1] != law.dim or x.dtype != law.dtype:
        raise ValueError(f"x: expected shape (N, {law.dim}) of {law.dtype}, got {tuple(x.shape)} of {x.dtype}")
    n = x.shape[0]
    shapes = {"log_density": (n,), "score": (n, law.dim), "velocity": (n, law.dim)}
    real = torch.float32 if x.dtype == torch.bfloat16 else x.dtype
    answer = {q: torch.empty(shapes[q], dtype=real, device=x.device) for q in quantities}
    if n == 0:
        return answer
    name = str(x.dtype).removeprefix("torch.")
    kernel = field_kernel(law.kind, law.dim, name, quantities)
    size = [np.int64(v) for v in (x.stride(0), x.stride(1), n)]
    # The narrow kernel has its records before K, the wide one its arrays after it.
    k = np.int64(law.k)
    inputs = [*law.arrays, k] if kernel.narrow else [k, *law.arrays]
    outputs = [answer.get(q, x) for q in shapes]  # one that is not asked for is not touched
    if law.ends is not None and "velocity" in quantities:
        records, *others = law.ends.arrays
        launch(
            cuda_ends.instance(law.dim, name, quantities), -(-n // cuda_ends.THREADS), cuda_ends.THREADS, x.device, x,
            *size, records, np.int32(len(records)), *others, *outputs, files=cuda_ends.FILES,
        )  # fmt: skip
        return answer
    if law.tiles is not None and cuda_tiled.takes(quantities):
        launch(
            cuda_tiled.instance(law.dim, name, quantities), -(-n // cuda_tiled.POINTS), cuda_tiled.THREADS, x.device, x,
            *size, np.int32(len(law.tiles[0])), *law.tiles, *outputs, files=cuda_tiled.FILES,
        )  # fmt: skip
        return answer
    if law.triangles is not None and law.triangles.takes(quantities):
        launch(
            cuda_triangles.instance(law.dim, name, quantities), -(-n // cuda_triangles.POINTS), cuda_triangles.THREADS,
            x.device, x, *size, np.int32(law.k), *law.triangles.arrays, *outputs, files=cuda_triangles.FILES,
        )  # fmt: skip
        return answer
    launch(kernel.name, -(-n // kernel.points), kernel.threads, x.device, x, *size, *inputs, *outputs)
    return answer
