"""Log-density, score and velocity of mixtures: the fused kernels, the plain form, and what people use today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from si_verify.bench import field_peers as peers
from si_verify.bench.mixtures import Points, Shape, T, interpolant
from si_verify.bench.workload import Job, Workload
from si_verify.subject import VARIANT
from si_verify.subjects.fields import numba_fields, torch_distributions, torch_eager

# What the kernels are asked for over the best peer of the same run (issue 6), by shape.
TARGETS: dict[Shape, float] = {
    Shape(4, 2, 100_000): 4.0,
    Shape(64, 2, 50_000): 4.0,
    Shape(16, 4, 50_000, "diag"): 4.0,
    Shape(64, 16, 20_000): 1.5,
    Shape(16, 16, 50_000): 1.5,
    Shape(16, 16, 1_000_000): 3.0,
    Shape(256, 64, 4_000): 1.0,
    Shape(64, 128, 4_000): 1.0,
    Shape(64, 16, 10_000, "full", base=8): 6.0,
    Shape(64, 128, 400, "full", base=8): 1.5,
    Shape(256, 2, 20_000, "shared", base=16): 8.0,
    Shape(64, 16, 20_000, "shared", base=8): 8.0,
    Shape(256, 2, 40_000, "shared", base=16): 2.5,
    Shape(64, 16, 40_000, "shared", base=8): 2.5,
}
# Where logits factorise the target differs by dtype: each has batches of its own.
_DTYPES: dict[Shape, tuple[str, ...]] = {
    shape: ("float64" if target == 8.0 else "float32",) for shape, target in TARGETS.items() if shape.kind == "shared"
}

Build = Callable[..., dict[str, Callable[..., Tensor]]]


def by_subject(load: Callable[[], Build]) -> peers.Make:
    """The form that a subject of kind field has."""

    def make(shape: Shape, device: str, dtype: str, quantity: str) -> peers.Evaluate:
        f = load()(interpolant(shape), getattr(torch, dtype), torch.device(device))[quantity]
        return lambda x: f(T, x)

    return make


def work(shape: Shape) -> tuple[float, float]:
    """Flops and exponentials that a point costs at least: of every component its distance and its part of the weighted
    sum, a multiply-add each a coordinate. Shared covariances factorise: an exponent and a part of the sum for every
    mean of an end, and two multiply-adds for every pair.
    """
    if shape.kind == "shared":
        means = shape.base + shape.k // shape.base
        return 4.0 * shape.k + means * (4.0 * shape.dim + 2), means
    full = 2 * shape.dim**2 if shape.kind == "full" else 0
    return shape.k * (full + 4.0 * shape.dim + 6), shape.k


def job(make: Callable[..., Any], shape: Shape, quantity: str) -> Callable[[str, str], Job]:
    """``Workload.load`` of a form; "fields": log-density, score and velocity in one call."""

    def load(device: str, dtype: str) -> Job:
        points = Points(shape, device, dtype, quantity)
        evaluate = make(shape, device, dtype, quantity)
        size = torch.finfo(points.x.dtype).bits // 8
        n, dim = shape.n, shape.dim
        flops, exps = work(shape)
        # Of all three a distance and two sums; numbers read and written a point.
        share = {"log_density": 0.5, "fields": 1.5}.get(quantity, 1.0)
        moved = {"log_density": dim, "fields": 3 * dim + 1}.get(quantity, 2 * dim)
        return Job(
            run=lambda: evaluate(points.x),
            error=points.error,
            items=n,
            unit="points",
            bytes=float(size * n * moved),
            flops=n * flops * share,
            exps=n * exps,
            renew=points.renew,
        )

    return load


_EAGER = "si_verify.subjects.fields.torch_eager"
_NUMBA = "si_verify.kernels.numba_fields"
# name, form, whether a peer, module, quantities it gives, whether for full covariances too
_FORMS: tuple[tuple[str, peers.Make, bool, str, str, bool], ...] = (
    ("numba/fields", by_subject(numba_fields.load), False, _NUMBA, "log_density score velocity", True),
    ("torch/fields", by_subject(lambda: torch_eager.build), False, _EAGER, "score velocity", True),
    ("torch/gemm", peers.gemm, True, "", "log_density score velocity", True),
    ("torch/gemm-cached", peers.gemm_cached, True, "", "log_density score velocity", True),
    ("torch/gemm-columns", peers.gemm_columns, True, "", "score velocity", False),
    ("torch/gemm-compiled", peers.compiled, True, "", "score velocity", True),
    ("torch/attention", peers.attention, True, "", "score velocity", False),
    ("torch/mixture-same-family", by_subject(lambda: torch_distributions.build), True, "", "log_density score", True),
    ("jax/gemm", peers.jax_jit, True, "jax", "score velocity", False),
    ("pykeops/softmax", peers.keops, True, "pykeops", "score velocity", False),
    ("sklearn/mixture", peers.sklearn, True, "sklearn", "log_density", True),
)
_DENSITIES = (Shape(64, 2, 50_000), Shape(64, 16, 20_000))


def _quantities(shape: Shape) -> tuple[str, ...]:
    return ("score", "velocity", "log_density") if shape in _DENSITIES else ("score", "velocity")


WORKLOADS = tuple(
    Workload(
        name,
        f"{quantity}-{shape}",
        job(make, shape, quantity),
        peer=peer,
        dtypes=_DTYPES.get(shape, ("float64", "float32")),
        tags=frozenset({"field", quantity, shape.kind}) | ({VARIANT} if shape.n * shape.dim > 4_000_000 else set()),
        modules=(module,) if module else (),
        target=0.0 if peer or name == "torch/fields" else target,
        device="cpu",
    )
    for shape, target in TARGETS.items()
    for quantity in _quantities(shape)
    for name, make, peer, module, gives, full in _FORMS
    # A million points of K components differentiated by autograd, or in the plain form, is minutes and gigabytes.
    if quantity in gives.split()
    and (full or shape.kind != "full")
    and not (shape.n >= 1_000_000 and name in ("torch/fields", "torch/mixture-same-family"))
)
