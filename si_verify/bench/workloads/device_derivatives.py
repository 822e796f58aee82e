"""Velocity with its divergence on a GPU: one fused pass in Triton or CUDA C++, closed form in torch, differentiation.

Issue 6 asks nothing of their speed.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from si_verify.bench.mixtures import Shape, T, interpolant
from si_verify.bench.on_gpu import on_gpu, require
from si_verify.bench.workload import Workload
from si_verify.bench.workloads.derivatives import (
    NAMES,
    Both,
    Evaluate,
    Make,
    closed,
    forward_mode,
    job,
    reverse_mode,
)
from si_verify.kernels.pack import pack
from si_verify.subject import Unavailable

SHAPES = (Shape(4, 2, 1_000_000), Shape(64, 2, 200_000), Shape(16, 16, 100_000), Shape(16, 16, 50_000, "full"))


def _by(kernel: ModuleType, shape: Shape, device: str, dtype: str, task: str) -> Evaluate:
    try:
        law = kernel.device_law(pack(interpolant(shape), T), getattr(torch, dtype), torch.device(device))
    except ValueError as error:
        raise Unavailable(f"no kernel for this shape: {error}") from error

    def run(x: Tensor, v: Tensor) -> Both:
        answer = kernel.evaluate(law, x, v if task == "probe" else None)
        return answer["velocity"], answer[NAMES[task]]

    return run


def cupy_derivatives(shape: Shape, device: str, dtype: str, task: str) -> Evaluate:
    """The CUDA C++ kernel; it gives log-density, score and Δ log ρ besides."""
    require("cupy/derivatives")
    from si_verify.kernels import cuda_divergence

    return _by(cuda_divergence, shape, device, dtype, task)


def triton_derivatives(shape: Shape, device: str, dtype: str, task: str) -> Evaluate:
    """The Triton kernel, likewise."""
    require("triton/derivatives")
    from si_verify.kernels import triton_divergence

    return _by(triton_divergence, shape, device, dtype, task)


# name, form, whether a peer, module, tasks, whether for full covariances too
FORMS: tuple[tuple[str, Make, bool, str, tuple[str, ...], bool], ...] = (
    ("cupy/derivatives", cupy_derivatives, False, "si_verify.kernels.cuda_divergence", ("exact", "probe"), True),
    ("triton/derivatives", triton_derivatives, False, "si_verify.kernels.triton_divergence", ("exact", "probe"), False),
    ("torch/derivatives-closed", closed, True, "si_verify.fields.derivatives", ("exact",), True),
    ("torch/gemm-forward-mode", forward_mode, True, "", ("exact", "probe"), True),
    ("torch/gemm-reverse-mode", reverse_mode, True, "", ("exact", "probe"), True),
)

WORKLOADS = tuple(
    Workload(
        name,
        f"divergence-{task}-{shape}",
        on_gpu(job(make, shape, task)),
        peer=peer,
        tags=frozenset({"field", "gpu", "divergence", shape.kind}),
        modules=(module,) if module else (),
        device="cuda",
    )
    for shape in SHAPES
    for task in NAMES
    for name, make, peer, module, tasks, full in FORMS
    if task in tasks and (full or shape.kind != "full")
)
