"""``python -m benchmarks.kernels.cached``: what fields take where points fit a cache, as a Markdown table.

The bench takes its samples in turns with peers that empty the caches; what bounds a kernel is told from its time here,
beside an exponential and an instruction of multiply-adds between registers (bench/ceilings.py).
"""

from __future__ import annotations

import time

import torch

from si_verify.bench.ceilings import ceilings
from si_verify.bench.mixtures import Shape, T, interpolant
from si_verify.subjects.fields import numba_fields

SHAPES = (
    Shape(4, 2, 20_000), Shape(16, 4, 20_000, "diag"), Shape(16, 16, 4_000), Shape(64, 16, 4_000, "shared", 8),
    Shape(64, 16, 4_000, "full", 8), Shape(64, 128, 500),
)  # fmt: skip
_REPEATS = 30


def nanoseconds(shape: Shape, dtype: str, quantity: str) -> float:
    """A point, the shortest of some repeats."""
    real = getattr(torch, dtype)
    field = numba_fields.load()(interpolant(shape), real, torch.device("cpu"))[quantity]
    x = torch.randn(shape.n, shape.dim, dtype=real, generator=torch.Generator().manual_seed(0))
    best = float("inf")
    for repeat in range(_REPEATS + 1):
        start = time.process_time()
        field(T, x)
        if repeat:
            best = min(best, time.process_time() - start)
    return 1e9 * best / shape.n


if __name__ == "__main__":
    print("| law | dtype | score, ns a point | velocity | an exponential, ns | a register's multiply-adds, ns |")
    print("| --- | --- | --- | --- | --- | --- |")
    for dtype in ("float64", "float32"):
        bound = ceilings("cpu", dtype)
        lanes = 512 // torch.finfo(getattr(torch, dtype)).bits
        for shape in SHAPES:
            score, velocity = (nanoseconds(shape, dtype, quantity) for quantity in ("score", "velocity"))
            exp, product = 1e9 / bound.exps_per_s, 2e9 * lanes / bound.flops_per_s
            print(f"| {shape} | {dtype} | {score:.2f} | {velocity:.2f} | {exp:.3f} | {product:.3f} |")
