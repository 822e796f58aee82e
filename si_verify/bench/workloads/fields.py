"""Score and velocity of mixtures: the built-in eager form, and what people use today."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from si_verify.bench.mixtures import Points, Shape, T, interpolant
from si_verify.bench.workload import Job, Workload
from si_verify.fields.formula import inputs_at, mixture_at
from si_verify.subject import Unavailable
from si_verify.subjects.fields import torch_distributions, torch_eager

SHAPES = (Shape(4, 2, 100_000), Shape(64, 2, 50_000), Shape(64, 16, 20_000), Shape(256, 64, 4_000))
_CHUNK = 2_000_000  # (n, K) numbers at a time

Evaluate = Callable[[Tensor], Tensor]


def _gemm(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    """Isotropic fields as attention: |x|² − 2 x·m + |m|² by a matrix product, softmax, weighted sums."""
    m = mixture_at(inputs_at(interpolant(shape), T, getattr(torch, dtype), torch.device(device)))
    var = m.cov
    bias = torch.log(m.weights) - 0.5 * shape.dim * torch.log(var) - 0.5 * (m.mean**2).sum(1) / var
    keys = (m.mean / var[:, None]).T.contiguous()
    if quantity == "score":
        inner, offset = 1.0 / var, m.mean / var[:, None]
    else:
        # ẋ given k: ṁ + A/C (x − m)
        slope = m.cross / var
        inner, offset = -slope, m.mean_dot - slope[:, None] * m.mean
    # (points, K): inner weights the point itself, offset is what each component adds

    def part(x: Tensor) -> Tensor:
        logits = torch.addmm(bias, x, keys) - 0.5 * (x**2).sum(1, keepdim=True) / var
        shares = torch.softmax(logits, dim=1)
        return shares @ offset - (shares @ inner)[:, None] * x

    return lambda x: torch.cat([part(c) for c in x.split(max(1, _CHUNK // shape.k))])


def _compiled(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
    import shutil

    if not device.startswith("cuda") and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise Unavailable("torch.compile needs a C++ compiler")
    return torch.compile(_gemm(shape, device, dtype, quantity), dynamic=False)  # type: ignore[no-any-return]


def _subject(build: Callable[..., dict[str, Callable[..., Tensor]]]) -> Callable[[Shape, str, str, str], Evaluate]:
    def make(shape: Shape, device: str, dtype: str, quantity: str) -> Evaluate:
        f = build(interpolant(shape), getattr(torch, dtype), torch.device(device))[quantity]
        return lambda x: f(T, x)

    return make


def _job(make: Callable[[Shape, str, str, str], Evaluate], shape: Shape, quantity: str) -> Callable[[str, str], Job]:
    def load(device: str, dtype: str) -> Job:
        points = Points(shape, device, dtype, quantity)
        evaluate = make(shape, device, dtype, quantity)
        size = torch.finfo(points.x.dtype).bits // 8
        n, k, dim = shape.n, shape.k, shape.dim
        return Job(
            run=lambda: evaluate(points.x),
            error=points.error,
            items=n,
            unit="points",
            bytes=2.0 * size * n * dim,
            flops=float(n) * k * (4 * dim + 6),  # distance and weighted sum, a multiply-add each a coordinate
            exps=float(n) * k,
            renew=points.renew,
        )

    return load


_FORMS: tuple[tuple[str, Callable[[Shape, str, str, str], Evaluate], bool, str], ...] = (
    ("torch/fields", _subject(torch_eager.build), False, "si_verify.subjects.fields.torch_eager"),
    ("torch/gemm", _gemm, True, "torch"),
    ("torch/gemm-compiled", _compiled, True, "torch"),
    ("torch/mixture-same-family", _subject(torch_distributions.build), True, "torch"),
)
WORKLOADS = tuple(
    Workload(
        name,
        f"{quantity}-{shape}",
        _job(make, shape, quantity),
        peer=peer,
        tags=frozenset({"field", quantity, shape.kind}),
        modules=() if module == "torch" else (module,),
    )
    for shape in SHAPES
    for quantity in ("score", "velocity")
    for name, make, peer, module in _FORMS
    if not (quantity == "velocity" and "same-family" in name)
)
