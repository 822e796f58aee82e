"""Which CUDA kernel a law needs, by name, and the source that holds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from si_verify.kernels.cuda_records import KINDS, METHODS, words

WANT = {"log_density": 1, "score": 2, "velocity": 4}
C_TYPES = {"float32": "float", "float64": "double", "bfloat16": "float"}  # of arithmetic and answers
WARPS = 4
_SHARED_BYTES = 40_000  # below the 48 KiB every device gives a block without being asked
# Registers hold a point of the narrow kernel; beyond these its arrays would go to memory.
_NARROW = {"isotropic": 32, "diagonal": 32, "full": 16}
_NARROW_DOUBLE = {"isotropic": 16, "diagonal": 16, "full": 16}
_PATHS = {"isotropic": 32, "diagonal": 32, "full": 8}
_WIDE_FULL = 256


@dataclass(frozen=True)
class FieldKernel:
    """An instance of ``fields_narrow`` or ``fields_wide``: its C++ name, threads a block, points a block."""

    name: str
    narrow: bool
    threads: int
    points: int


MIXTURE, STENCIL = ("cuda_mixture.cu", "cuda_wide.cu", "cuda_paths.cu"), ("cuda_stencil.cu",)


@cache
def source(files: tuple[str, ...] = MIXTURE) -> str:
    """A translation unit: the files of si_verify/kernels one after another."""
    folder = resources.files("si_verify.kernels")
    return "\n".join(folder.joinpath(name).read_text() for name in files)


def wanted(quantities: Iterable[str]) -> int:
    """The bits of ``Want``."""
    return sum(WANT[quantity] for quantity in set(quantities))


def field_kernel(kind: str, dim: int, dtype: str, quantities: Iterable[str]) -> FieldKernel:
    """The instance for a law; ValueError where none is meant for it. dtype "bfloat16": of points and components."""
    real, size, want = C_TYPES[dtype], 8 if dtype == "float64" else 4, wanted(quantities)
    loaded = "Bfloat16" if dtype == "bfloat16" else real
    if dim <= (_NARROW if size == 4 else _NARROW_DOUBLE)[kind]:
        each = 1 if kind == "full" else 4 if dim <= 4 and size == 4 else 2 if dim <= 16 and size == 4 else 1
        tile = max(4, min(64, _SHARED_BYTES // (words(kind, dim) * size) // 4 * 4))
        name = f"fields_narrow<{real}, {dim}, {KINDS[kind]}, {want}, {each}, {tile}, {loaded}>"
        return FieldKernel(name, True, 128, 128 * each)
    if kind == "full" and dim > _WIDE_FULL:
        raise ValueError(f"dim: expected at most {_WIDE_FULL} for full covariances, got {dim}")
    each = 4 if dim <= 128 else 2 if dim <= 512 else 1
    if kind == "full":
        each = max(1, min(each, _SHARED_BYTES // (2 * WARPS * dim * size)))
    name = f"fields_wide<{real}, {dim}, {KINDS[kind]}, {want}, {each}, {WARPS}, {loaded}>"
    return FieldKernel(name, False, 32 * WARPS, each * WARPS)


def path_points(kind: str, dim: int, dtype: str) -> int:
    """Particles of a thread: two where registers hold them."""
    return 2 if kind != "full" and dim <= (16 if dtype == "float32" else 4) else 1


def path_kernel(kind: str, dim: int, dtype: str, method: str, noisy: bool) -> str:
    """The instance of ``paths``; ValueError where a particle does not fit into registers."""
    if dim > _PATHS[kind]:
        raise ValueError(f"dim: expected at most {_PATHS[kind]} for {kind} covariances in one thread, got {dim}")
    how = f"{METHODS[method]}, {str(noisy).lower()}, {path_points(kind, dim, dtype)}"
    return f"paths<{C_TYPES[dtype]}, {dim}, {KINDS[kind]}, {how}>"
