"""Which CUDA kernel a law needs, by name, and the source that holds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from si_verify.kernels.cuda_records import KINDS, METHODS, words

WANT = {"log_density": 1, "score": 2, "velocity": 4}
C_TYPES = {"float32": "float", "float64": "double"}
WARPS = 4
_SHARED_BYTES = 40_000  # below the 48 KiB every device gives a block without being asked
# Registers hold a point of the narrow kernel; beyond these its arrays would go to memory.
_NARROW = {"isotropic": 32, "diagonal": 32, "full": 16}
_PATHS = {"isotropic": 32, "diagonal": 32, "full": 8}
_WIDE_FULL = 256


@dataclass(frozen=True)
class FieldKernel:
    """An instance of ``fields_narrow`` or ``fields_wide``: its C++ name, threads a block, points a block."""

    name: str
    narrow: bool
    threads: int
    points: int


@cache
def source() -> str:
    """The translation unit: both files."""
    folder = resources.files("si_verify.kernels")
    return "\n".join(folder.joinpath(name).read_text() for name in ("cuda_mixture.cu", "cuda_paths.cu"))


def wanted(quantities: Iterable[str]) -> int:
    """The bits of ``Want``."""
    return sum(WANT[quantity] for quantity in set(quantities))


def field_kernel(kind: str, dim: int, dtype: str, quantities: Iterable[str]) -> FieldKernel:
    """The instance for a law; ValueError where none is meant for it."""
    real, size, want = C_TYPES[dtype], 4 if dtype == "float32" else 8, wanted(quantities)
    if dim <= _NARROW[kind]:
        each = 2 if dim <= 8 and kind != "full" else 1
        tile = max(4, min(64, _SHARED_BYTES // (words(kind, dim) * size) // 4 * 4))
        name = f"fields_narrow<{real}, {dim}, {KINDS[kind]}, {want}, {each}, {tile}>"
        return FieldKernel(name, True, 128, 128 * each)
    if kind == "full" and dim > _WIDE_FULL:
        raise ValueError(f"dim: expected at most {_WIDE_FULL} for full covariances, got {dim}")
    each = 4 if dim <= 128 else 2 if dim <= 512 else 1
    if kind == "full":
        each = max(1, min(each, _SHARED_BYTES // (2 * WARPS * dim * size)))
    name = f"fields_wide<{real}, {dim}, {KINDS[kind]}, {want}, {each}, {WARPS}>"
    return FieldKernel(name, False, 32 * WARPS, each * WARPS)


def path_kernel(kind: str, dim: int, dtype: str, method: str, noisy: bool) -> str:
    """The instance of ``paths``; ValueError where a particle does not fit into registers."""
    if dim > _PATHS[kind]:
        raise ValueError(f"dim: expected at most {_PATHS[kind]} for {kind} covariances in one thread, got {dim}")
    return f"paths<{C_TYPES[dtype]}, {dim}, {KINDS[kind]}, {METHODS[method]}, {str(noisy).lower()}>"
