"""Kernel faults in divergences, products with a vector and probes, where log-density, score and velocity stay right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from si_verify.faults.fault import Fault
from si_verify.fields.derivatives import DERIVATIVES
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_derivatives import FIELDS, Probe, derivatives_by, traces
from si_verify.kernels.probes import Rademacher
from si_verify.subject import Claims, Subject

BK = 8


class Dense(NamedTuple):
    """A law as matrices: log_weight (K,), mean and offset (K, D), C⁻¹, A C⁻¹ and A (K, D, D), traces (K, 2)."""

    log_weight: Tensor
    mean: Tensor
    offset: Tensor
    inverse: Tensor
    stretch: Tensor
    cross: Tensor
    traces: Tensor


def dense(law: Packed, dtype: torch.dtype, device: torch.device) -> Dense:
    """The packed law, whatever its kind, rounded to the dtype last."""
    if law.kind == "full":
        whiten, slope = torch.as_tensor(law.whiten), torch.as_tensor(law.slope)
        inverse, stretch = whiten.mT @ whiten, slope @ whiten
    else:
        inverse, stretch = (
            torch.diag_embed(torch.as_tensor(a)) for a in (law.as_diagonal().precision, law.as_diagonal().slope)
        )
    arrays = law.log_weight, law.mean, law.offset, inverse, stretch, stretch @ torch.linalg.inv(inverse), traces(law)
    return Dense(*(torch.as_tensor(a).to(device, dtype) for a in arrays))


@dataclass(frozen=True)
class Steps:
    """The steps of the kernel; each default is right.

    traces(law) -> (K, 2), tr ∇s_k and tr ∇u_k
    centred     whether a tile's sums are taken about its own means; else Σ u gᵀ grows as it is, and
    subtract    whether b sᵀ is taken from it at the end
    shrink(top, new top)    of the derivatives' sums
    between     what of the distance of the means of two tiles enters when they merge
    product(left, pull, v)  (u − ū)((g − ḡ)·v), all (N, K, D)
    probe(rows, x)          signs of the rows of x
    """

    traces: Callable[[Dense], Tensor] = lambda law: law.traces
    centred: bool = True
    subtract: bool = True
    shrink: Callable[[Tensor, Tensor], Tensor] = lambda top, new: torch.exp(top - new)
    between: float = 1.0
    product: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda left, pull, v: left * (pull * v).sum(-1, keepdim=True)
    probe: Callable[[Rademacher, Tensor], Tensor] = lambda rows, x: rows.like(x)


def run(law: Dense, x: Tensor, probe: Probe, steps: Steps) -> dict[str, Tensor]:
    """The answers of pack_derivatives.py by tiles of components, as the kernels have them."""
    n, dim = x.shape
    v = probe if isinstance(probe, Tensor) else steps.probe(probe or Rademacher(0), x)
    top = torch.full((n,), torch.finfo(x.dtype).min, dtype=x.dtype)
    total, about = torch.zeros_like(top), torch.zeros(n, 2, dtype=x.dtype)
    means, products = (torch.zeros(2, n, dim, dtype=x.dtype) for _ in range(2))
    own_traces = steps.traces(law)
    for k0 in range(0, len(law.mean), BK):
        ks = slice(k0, k0 + BK)
        delta = x[:, None] - law.mean[ks]
        pull = -torch.einsum("kij,nkj->nki", law.inverse[ks], delta)
        flow = law.offset[ks] + torch.einsum("kij,nkj->nki", law.stretch[ks], delta)
        logits = law.log_weight[ks] + 0.5 * (pull * delta).sum(-1)
        new = torch.maximum(top, logits.amax(1))
        w, before = torch.exp(logits - new[:, None]), total * torch.exp(top - new)
        shrink = steps.shrink(top, new)
        top, part = new, w.sum(1)
        total = before + part
        each = w / torch.where(part == 0, 1.0, part)[:, None]
        tile = torch.stack([(each[..., None] * f).sum(1) for f in (pull, flow)])
        step, cross = tile - means, steps.between * before * part / total
        means = means + (part / total)[:, None] * step
        if steps.centred:
            pull, flow = pull - tile[0][:, None], flow - tile[1][:, None]
        else:
            cross = torch.zeros_like(cross)
        turns = torch.einsum("kij,nj->nki", law.inverse[ks], v), torch.einsum("kij,nj->nki", law.stretch[ks], v)
        owns = (steps.product(pull, pull, v[:, None]) - turns[0], steps.product(flow, pull, v[:, None]) + turns[1])
        far = cross[:, None] * (step[0] * v).sum(1, keepdim=True)
        products = shrink[:, None] * products + torch.stack([(w[..., None] * o).sum(1) for o in owns]) + far * step
        inner = torch.stack([(pull * pull).sum(-1), (flow * pull).sum(-1)], -1) + own_traces[ks]
        apart = torch.stack([(step[0] * step[i]).sum(1) for i in range(2)], -1)
        about = shrink[:, None] * about + (w[..., None] * inner).sum(1) + cross[:, None] * apart
    about, products = about / total[:, None], products / total[:, None]
    if not steps.centred and steps.subtract:
        about = about - torch.stack([(means[0] * f).sum(1) for f in means], -1)
        products = products - means * (means[0] * v).sum(1, keepdim=True)
    scalars = {"log_density": top + torch.log(total), "divergence": about[:, 1], "laplacian_log_density": about[:, 0]}
    vectors = dict(zip(("score", "velocity", "score_jvp", "velocity_jvp"), (*means, *products), strict=True))
    bends = {f"{q}_estimate": (v * products[i]).sum(1) for i, q in enumerate(("laplacian", "divergence"))}
    return scalars | vectors | bends


def emulated(name: str, steps: Steps, story: str = "", prefix: str = "fault/derivatives-") -> Subject:
    """The subject of a kernel with these steps, under the claims of a right one."""
    build: Any = derivatives_by(lambda law, x, probe: run(law, x, probe, steps), dense)
    return Subject(
        name=f"{prefix}{name}",
        kind="field",
        load=lambda: build,
        claims=Claims(quantities=FIELDS, extra={"derivatives": DERIVATIVES}),
        tags=frozenset({"fault", "kernel"}),
        summary=story,
    )


def _fault(name: str, steps: Steps, caught_by: tuple[str, ...], story: str, source: str) -> Fault:
    return Fault(emulated(name, steps, story), caught_by, story, source)


def _of_the_cross(law: Dense) -> Tensor:
    return torch.stack([law.traces[:, 0], torch.diagonal(law.cross, dim1=1, dim2=2).sum(1)], -1)


def _transposed(left: Tensor, pull: Tensor, v: Tensor) -> Tensor:
    return pull * (left * v).sum(-1, keepdim=True)


def _first_word(rows: Rademacher, x: Tensor) -> Tensor:
    signs = rows.signs(len(x), x.shape[1])
    return torch.as_tensor(signs[:, [d % 32 for d in range(x.shape[1])]]).to(x)


_POINTWISE, _SHAPES = ("field-derivatives",), ("kernel-derivatives",)
_DERIVED = "MATH.md section 3, ∇b"
_HUTCHINSON = "Hutchinson 1990; MATH.md section 9: the same noise reused for every sample"

FAULTS = (
    _fault(
        "means-not-subtracted", Steps(centred=False, subtract=False), _POINTWISE,
        "∇·b = Σ r tr B + Σ r u·g, without the − b·s that the derivative of the normaliser brings.", _DERIVED,
    ),
    _fault(
        "large-averages-subtracted", Steps(centred=False), _POINTWISE,
        "Σ r u·g − b·s as it stands in the formula: right in exact arithmetic, no digit left in the tails.",
        "analytic/fields.py: derivatives are covariances of centred factors",
    ),
    _fault(
        "trace-of-half-covariance-rate", Steps(traces=_of_the_cross), _POINTWISE,
        "tr A, which is ½ tr Ċ, where tr A C⁻¹ belongs.", _DERIVED,
    ),
    _fault(
        "transposed-product", Steps(product=_transposed), _POINTWISE,
        "(∇b)ᵀ v for ∇b v: the trace and every symmetric Jacobian, the score's among them, look the same.",
        "MATH.md section 8, conservativity",
    ),
    _fault(
        "probe-of-the-first-row", Steps(probe=lambda rows, x: rows.like(x)[:1].expand_as(x)), _POINTWISE,
        "Every row of a launch gets the first row's signs: each estimate is unbiased, their mean is that of one probe.",
        _HUTCHINSON,
    ),
    _fault(
        "sums-not-rescaled", Steps(shrink=lambda top, new: torch.ones_like(new)), _SHAPES,
        "A new maximum rescales the fields' sums and not those of the derivatives, which were added later.",
        "Milakov and Gimelshein, arXiv:1805.02867, algorithm 3",
    ),
    _fault(
        "distance-of-tiles-lost", Steps(between=0.0), _SHAPES,
        "Tiles merge by adding their centred sums: what the distance of their means contributes is lost.",
        "Chan, Golub, LeVeque 1979, equation 2.1",
    ),
    _fault(
        "one-word-of-signs", Steps(probe=_first_word), _SHAPES,
        "Coordinates 32 and on read the first word again: their signs repeat, and off-diagonal terms stay.",
        _HUTCHINSON,
    ),
)  # fmt: skip
