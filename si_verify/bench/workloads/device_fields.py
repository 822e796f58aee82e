"""Log-density, score and velocity of mixtures on a GPU, by shape of issue 6's table for one H100.

"fields" is all three in one call, 12 D + 4 bytes a point in float32; "score" and "velocity" are one of them. A goal is
for float32: kernels take float64 too, of which nothing is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from si_verify.bench import field_peers as peers
from si_verify.bench.mixtures import Answer, Shape, T, interpolant
from si_verify.bench.on_gpu import on_gpu, require
from si_verify.bench.workload import Goal, Job, Workload
from si_verify.bench.workloads.fields import by_subject, job
from si_verify.kernels.pack import pack
from si_verify.kernels.pack_fields import QUANTITIES
from si_verify.kernels.pack_one_end import pack_one_end
from si_verify.subject import Unavailable
from si_verify.subjects.fields import torch_distributions, torch_eager

TARGET = 2.0  # over the best peer: issue 6 asks for 2 over PyKeOps, 3 over torch.compile, 10 over eager torch
Make = Callable[[Shape, str, str, str], Callable[[Tensor], Answer]]


@dataclass(frozen=True)
class Row:
    """A line of the table: what is asked of its bound (``share``), or how many points a second (``rate``)."""

    shape: Shape
    share: float = 0.0
    rate: float = 0.0
    quantities: tuple[str, ...] = ("score", "velocity")

    def goal(self, quantity: str) -> Goal:
        """A distance and one weighted sum are K (3 D + 9) issue slots; x is read and a vector written."""
        if self.rate:
            return Goal(rate=self.rate)
        k, dim = self.shape.k, self.shape.dim
        if quantity == "fields":
            return Goal(share=self.share, bytes=12.0 * dim + 4.0)
        return Goal(share=self.share, bytes=8.0 * dim, slots=k * (3.0 * dim + 9.0) if k > 4 else 0.0)


ROWS = (
    Row(Shape(4, 2, 4_000_000), share=0.85, quantities=("fields", "score", "velocity")),
    Row(Shape(64, 2, 1_000_000), share=0.6),
    Row(Shape(64, 16, 1_000_000), share=0.6),
    Row(Shape(1024, 16, 1_000_000), rate=0.6e9),
    Row(Shape(1024, 128, 200_000), rate=8e7),
    Row(Shape(64, 16, 1_000_000, "full", base=8), rate=0.7e9),
    Row(Shape(64, 128, 100_000, "full", base=8), rate=2e7),
)


def _asked(quantity: str) -> tuple[str, ...]:
    return QUANTITIES if quantity == "fields" else (quantity,)


def _picked(evaluate: Callable[[Tensor], dict[str, Tensor]], quantity: str) -> Callable[[Tensor], Answer]:
    return evaluate if quantity == "fields" else lambda x: evaluate(x)[quantity]


def cupy_fields(shape: Shape, device: str, dtype: str, quantity: str) -> Callable[[Tensor], Answer]:
    """The CUDA C++ kernels."""
    require("cupy/fields")
    from si_verify.kernels.cuda_fields import device_law, evaluate

    law, ends = pack(interpolant(shape), T), pack_one_end(interpolant(shape), T)
    try:
        made = device_law(law, getattr(torch, dtype), torch.device(device), ends)
    except ValueError as error:
        raise Unavailable(f"no CUDA kernel for this shape: {error}") from error
    return _picked(lambda x: evaluate(made, x, _asked(quantity)), quantity)


def triton_fields(shape: Shape, device: str, dtype: str, quantity: str) -> Callable[[Tensor], Answer]:
    """The Triton kernel."""
    require("triton/fields")
    from si_verify.kernels.triton_mixture import evaluate

    law = pack(interpolant(shape), T).to(getattr(torch, dtype), torch.device(device))
    return _picked(lambda x: evaluate(law, x, _asked(quantity)), quantity)


def triton_products(shape: Shape, device: str, dtype: str, quantity: str) -> Callable[[Tensor], Answer]:
    """Three TF32 products for each of float32; Unavailable where this law's digits would not stand it."""
    require("triton/fields-tf32x3")
    from si_verify.kernels import triton_products as kernel
    from si_verify.kernels.pack_products import products

    factors, held = products(pack(interpolant(shape), T), torch.device(device))
    if factors is None or not held.issuperset(_asked(quantity)):
        raise Unavailable(f"taken by the plain kernel: three TF32 products would lose digits of this law's {quantity}")
    return _picked(lambda x: kernel.evaluate(factors, x, _asked(quantity)), quantity)


def tensor_flops(shape: Shape) -> float:
    """TF32 flops of a point that this form does: three products each for logits and a weighted sum, 12 K D; where
    precisions differ by coordinate three more for x², 18 K D.
    """
    return (18.0 if shape.kind == "diag" else 12.0) * shape.k * shape.dim


def _on_tensor_cores(load: Callable[[str, str], Job], shape: Shape) -> Callable[[str, str], Job]:
    def loaded(device: str, dtype: str) -> Job:
        return replace(load(device, dtype), flops=shape.n * tensor_flops(shape), arithmetic="tf32")

    return loaded


@dataclass(frozen=True)
class Form:
    """takes: (shape, quantity) -> whether it gives that at all; module: whose source the record keeps."""

    name: str
    make: Callable[..., Any]
    takes: Callable[[Shape, str], bool]
    peer: bool = True
    module: str = ""
    dtypes: tuple[str, ...] = ("float64", "float32")


def _separable(shape: Shape, quantity: str) -> bool:
    return shape.kind != "full" and quantity != "fields"


def _single(shape: Shape, quantity: str) -> bool:
    return quantity != "fields"


def _all(shape: Shape, quantity: str) -> bool:
    return quantity == "fields"


def _differentiable(shape: Shape, quantity: str) -> bool:
    """Its (N, K, D) temporaries, several at once, fit in 80 GB; of full covariances each is solved for by itself."""
    return quantity == "score" and shape.kind != "full" and shape.n * shape.k * shape.dim <= 2**30


_KERNELS, _EAGER = "si_verify.kernels.", "si_verify.subjects.fields.torch_eager"
FORMS = (
    Form("cupy/fields", cupy_fields, lambda s, q: True, False, _KERNELS + "cuda_source"),
    Form("triton/fields", triton_fields, lambda s, q: s.kind != "full", False, _KERNELS + "triton_mixture"),
    Form(
        "triton/fields-tf32x3", triton_products, lambda s, q: _separable(s, q) and s.dim >= 16, False,
        _KERNELS + "triton_products", ("float32",),
    ),
    Form("torch/fields", by_subject(lambda: torch_eager.build), _single, False, _EAGER),
    Form("torch/gemm", peers.gemm, _single),
    Form("torch/gemm-cached", peers.gemm_cached, _single),
    Form("torch/gemm-columns", peers.gemm_columns, _separable),
    Form("torch/gemm-compiled", peers.compiled, _single),
    Form("torch/gemm-all", peers.gemm_all, _all),
    Form("torch/gemm-all-compiled", peers.compiled_all, _all),
    Form("torch/attention", peers.attention, _separable),
    Form("torch/mixture-same-family", by_subject(lambda: torch_distributions.build), _differentiable),
    Form("pykeops/softmax", peers.keops, _separable, module="pykeops"),
)  # fmt: skip


def _workload(row: Row, quantity: str, form: Form) -> Workload:
    load = job(form.make, row.shape, quantity)
    if form.make is triton_products:
        load = _on_tensor_cores(load, row.shape)
    ours = not form.peer and form.name != "torch/fields"
    return Workload(
        form.name,
        f"{quantity}-{row.shape}",
        on_gpu(load),
        peer=form.peer,
        dtypes=form.dtypes,
        tags=frozenset({"field", "gpu", quantity, row.shape.kind}),
        modules=(form.module,) if form.module else (),
        target=TARGET if ours else 0.0,
        device="cuda",
        goal=row.goal(quantity) if ours else None,
    )


WORKLOADS = tuple(
    _workload(row, quantity, form)
    for row in ROWS
    for quantity in row.quantities
    for form in FORMS
    if form.takes(row.shape, quantity)
)
