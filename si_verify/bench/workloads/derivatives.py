"""Velocity with its divergence, exact or by one probe: one fused pass, closed form in eager torch, differentiation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from si_verify.bench import field_peers as peers
from si_verify.bench.mixtures import Points, Shape, T, interpolant, probed
from si_verify.bench.workload import Job, Workload
from si_verify.checks.field_derivatives import ratio
from si_verify.fields.derivatives import centred, derivative_sensitivity, exact_derivatives
from si_verify.fields.formula import fields_of
from si_verify.kernels.pack import pack
from si_verify.kernels.probes import Rademacher
from si_verify.subject import Unavailable

SHAPES = (Shape(4, 2, 50_000), Shape(64, 2, 20_000), Shape(16, 16, 10_000), Shape(16, 16, 2_000, "full"))
NAMES = {"exact": "divergence", "probe": "divergence_estimate"}
_ELEMENTS = (2**16, 2**26)  # (N, K, D) numbers of a chunk: half of an L2; on a GPU few launches
_UNITS = 200.0  # eps·K': twice what field-derivatives allows, as the products of bench/mixtures.py have it

Both = tuple[Tensor, Tensor]
Evaluate = Callable[[Tensor, Tensor], Both]  # x, v (N, D) -> b (N, D), ∇·b or vᵀ∇b v (N,)
Make = Callable[[Shape, str, str, str], Evaluate]


def _chunks(part: Evaluate, rows: int) -> Evaluate:
    def run(x: Tensor, v: Tensor) -> Both:
        found = [part(a, b) for a, b in zip(x.split(rows), v.split(rows), strict=True)]
        return torch.cat([b for b, _ in found]), torch.cat([d for _, d in found])

    return run


def fused(shape: Shape, device: str, dtype: str, task: str) -> Evaluate:
    """The numba kernel; it gives log-density, score and Δ log ρ besides."""
    try:
        from si_verify.kernels.numba_divergence_law import evaluate, prepare
    except ImportError as error:
        raise Unavailable(f"numba is not installed ({error})") from error
    law = prepare(pack(interpolant(shape), T), dtype)

    def run(x: Tensor, v: Tensor) -> Both:
        answer = evaluate(law, x, v if task == "probe" else None)
        return answer["velocity"], answer[NAMES[task]]

    return run


def closed(shape: Shape, device: str, dtype: str, task: str) -> Evaluate:
    """Σ r_k [tr B_k + (u_k − b)·(g_k − s)], dense in eager torch, in chunks that stay in a cache; exact only."""
    m = peers.mixture(shape, device, dtype)

    def part(x: Tensor, v: Tensor) -> Both:
        c = centred(m, x)
        stretch = shape.dim * c.stretch if c.stretch.ndim == 1 else torch.diagonal(c.stretch, dim1=-2, dim2=-1).sum(-1)
        return fields_of(m, x)["velocity"], (c.shares * (stretch + (c.flow * c.pull).sum(-1))).sum(1)

    return _chunks(part, max(1, _ELEMENTS[device != "cpu"] // (shape.k * shape.dim)))


def forward_mode(shape: Shape, device: str, dtype: str, task: str) -> Evaluate:
    """torch.func.jvp of the product form, along v or along every coordinate."""
    field = peers.gemm_cached(shape, device, dtype, "velocity")

    def run(x: Tensor, v: Tensor) -> Both:
        if task == "probe":
            b, turned = torch.func.jvp(field, (x,), (v,))[:2]
            return b, (v * turned).sum(1)
        b, total = x, torch.zeros_like(x[:, 0])
        for d in range(shape.dim):
            unit = torch.zeros_like(x)
            unit[:, d] = 1
            b, turned = torch.func.jvp(field, (x,), (unit,))[:2]
            total += turned[:, d]
        return b, total

    return run


def reverse_mode(shape: Shape, device: str, dtype: str, task: str) -> Evaluate:
    """torch.autograd.grad of the product form, as continuous normalising flows have it: a pass back for v, or D."""
    field = peers.gemm_cached(shape, device, dtype, "velocity")

    def run(x: Tensor, v: Tensor) -> Both:
        at = x.detach().requires_grad_(True)
        b = field(at)
        if task == "probe":
            (turned,) = torch.autograd.grad(b, at, v)
            return b.detach(), (v * turned).sum(1)
        rows = (torch.autograd.grad(b[:, d].sum(), at, retain_graph=True)[0][:, d] for d in range(shape.dim))
        return b.detach(), torch.stack(list(rows)).sum(0)

    return run


class _Batch:
    """Points and probes, drawn anew together, and the distance of an answer to the yardstick at some of the rows."""

    def __init__(self, shape: Shape, device: str, dtype: str, task: str) -> None:
        self.points, self.name = Points(shape, device, dtype, "velocity"), NAMES[task]
        self.v = Rademacher(0).like(self.points.x)

    def renew(self, seed: int) -> None:
        self.points.renew(seed)
        self.v.copy_(Rademacher(seed).like(self.v))

    def error(self, answer: Both) -> float:
        law, x = interpolant(self.points.shape), self.points.x
        rows = probed(len(x)).to(x.device)
        some, v = x[rows].cpu(), self.v[rows].cpu()
        exact = exact_derivatives(law, T, some, v, v)[self.name]
        scale = derivative_sensitivity(law, T, some, v, v, torch.Generator().manual_seed(0))[self.name]
        return max(self.points.error(answer[0]), ratio(answer[1][rows], exact, scale) / _UNITS)


def job(make: Make, shape: Shape, task: str) -> Callable[[str, str], Job]:
    """``Workload.load`` of a form; task: "exact" or "probe"."""

    def load(device: str, dtype: str) -> Job:
        batch, evaluate = _Batch(shape, device, dtype, task), make(shape, device, dtype, task)
        x = batch.points.x
        size, vectors = torch.finfo(x.dtype).bits // 8, 3 if task == "probe" else 2
        # Of every component its distance, its part of two means, and of the covariance's trace or its product with v.
        each = 4.0 * shape.dim**2 if shape.kind == "full" else 2.0 * shape.dim
        return Job(
            run=lambda: evaluate(x, batch.v),
            error=batch.error,
            items=shape.n,
            unit="points",
            bytes=float(size * shape.n * (vectors * shape.dim + 1)),
            flops=float(shape.n * shape.k * (each + 6.0 * shape.dim)),
            exps=float(shape.n * shape.k),
            renew=batch.renew,
        )

    return load


_FORMS: tuple[tuple[str, Make, bool, str, tuple[str, ...]], ...] = (
    ("numba/derivatives", fused, False, "si_verify.kernels.numba_divergence", ("exact", "probe")),
    ("torch/derivatives-closed", closed, True, "si_verify.fields.derivatives", ("exact",)),
    ("torch/gemm-forward-mode", forward_mode, True, "", ("exact", "probe")),
    ("torch/gemm-reverse-mode", reverse_mode, True, "", ("exact", "probe")),
)

WORKLOADS = tuple(
    Workload(
        name,
        f"divergence-{task}-{shape}",
        job(make, shape, task),
        peer=peer,
        tags=frozenset({"field", "divergence", shape.kind}),
        modules=(module,) if module else (),
        device="cpu",
    )
    for shape in SHAPES
    for task in NAMES
    for name, make, peer, module, tasks in _FORMS
    if task in tasks
)
