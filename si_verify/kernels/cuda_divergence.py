"""The CUDA derivative kernel on torch tensors: isotropic, diagonal, any D; full covariances to D = 256."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.cuda_records import KINDS
from si_verify.kernels.cuda_source import C_TYPES, MIXTURE
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_derivatives import Probe, probed, traces

FILES = (*MIXTURE, "cuda_divergence.cu")
THREADS = 128
SCALARS = ("log_density", "divergence", "laplacian_log_density", "divergence_estimate", "laplacian_estimate")
VECTORS = ("score", "velocity", "score_jvp", "velocity_jvp")
_EACH = 4  # coordinates of a thread, while a warp has threads left
_WIDEST_FULL = 256  # four vectors a point in at most 32 KiB of shared memory
_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
_LOG2E = float(np.log2(np.e))


@dataclass(frozen=True, eq=False)
class DeviceLaw:
    """A law as the kernel reads it: ``arrays`` are its parameters after K."""

    kind: str
    dim: int
    dtype: torch.dtype
    k: int
    arrays: tuple[Tensor, ...]


def lanes(dim: int) -> int:
    """Threads that share a point: a power of two up to a warp."""
    return min(32, 1 << max(0, (-(-dim // _EACH) - 1).bit_length()))


def instance(kind: str, dim: int, dtype: str, probing: bool) -> str:
    """The kernel's C++ name; ValueError for a shape that it does not take."""
    if kind == "full" and dim > _WIDEST_FULL:
        raise ValueError(f"dim: expected at most {_WIDEST_FULL} for full covariances, got {dim}")
    return f"derivatives<{C_TYPES[dtype]}, {dim}, {KINDS[kind]}, {lanes(dim)}, {str(probing).lower()}>"


def device_law(law: Packed, dtype: torch.dtype, device: torch.device) -> DeviceLaw:
    """Arrays rounded once, with the transposes of matrices whose rows a thread owns."""
    instance(law.kind, law.dim, str(dtype).removeprefix("torch."), False)
    flipped = [np.swapaxes(a, -1, -2) if a.ndim == 3 else a for a in (law.whiten, law.slope)]
    arrays = (
        law.log_weight * _LOG2E, law.mean, law.precision, law.offset, law.slope, law.whiten, *flipped, traces(law),
    )  # fmt: skip
    tensors = tuple(torch.as_tensor(np.ascontiguousarray(a, _NUMPY[dtype])).to(device) for a in arrays)
    return DeviceLaw(law.kind, law.dim, dtype, law.n_components, tensors)


def evaluate(law: DeviceLaw, x: Tensor, probe: Probe = None) -> dict[str, Tensor]:
    """The answers of pack_derivatives.py at x (N, D) of any strides, one launch."""
    from si_verify.kernels.cuda_launch import launch

    if x.ndim != 2 or x.shape[1] != law.dim or x.dtype != law.dtype:
        raise ValueError(f"x: expected shape (N, {law.dim}) of {law.dtype}, got {tuple(x.shape)} of {x.dtype}")
    n, probing = x.shape[0], probe is not None
    given, draw = probed(probe, x)
    scalars = x.new_empty((5 if probing else 3, n))
    vectors = x.new_empty((4 if probing else 2, n, law.dim))
    if n:
        name = instance(law.kind, law.dim, str(x.dtype).removeprefix("torch."), probing)
        size = [np.int64(a) for a in (x.stride(0), x.stride(1), n, law.k)]
        counter = np.uint64(draw.seed), np.uint32(draw.draw), np.uint32(draw.first_row)
        where = np.uint64(0) if given is None else given
        blocks = -(-n // (THREADS // lanes(law.dim)))
        launch(
            name, blocks, THREADS, x.device, x, *size, *law.arrays, where, *counter, scalars, vectors, files=FILES
        )  # fmt: skip
    return dict(zip(SCALARS, scalars, strict=False)) | dict(zip(VECTORS, vectors, strict=False))
