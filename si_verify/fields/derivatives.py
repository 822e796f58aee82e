"""First derivatives of score and velocity in plain dense torch, and how far rounding moves them.

With r the responsibilities, g_k, u_k score and velocity of a component, B_k = A_k C_k⁻¹ and bars for r-means
(MATH.md section 3; arXiv:2303.08797, Theorem 6 differentiated):

    ∇b v = Σ r_k [B_k v + (u_k − b) (g_k − s)·v]       ∇·b     = Σ r_k [tr B_k + (u_k − b)·(g_k − s)]
    ∇s v = Σ r_k [(g_k − s) (g_k − s)·v − C_k⁻¹ v]     Δ log ρ = Σ r_k [|g_k − s|² − tr C_k⁻¹]

Each is a posterior covariance. Σ r u·g − b·s is the same number in exact arithmetic and loses eps Σ r |u_k||g_k|, which
in the tails is eps·distance² beside an answer of order one: what is bounded here is the centred form, by

    K'(t, x) = max( |f|, max over random signs δ of |d/dε f(p (1 + ε δ))|, Σ of the magnitudes of the centred terms )

The first two are conditioning.py's sensitivity to rounding the inputs (x, weights, means, covariances, schedule, v).
The last is the condition number of the centred sums over components and coordinates: what a backward stable summation
of terms that are each right to a unit leaves. It bounds the worst of signs over weights, too.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.fields.formula import Inputs, Mixture, apply_cross, inputs_at, log_terms, mixture_at, see, tangents

SCALARS = ("divergence", "laplacian_log_density")
PRODUCTS = ("velocity_jvp", "score_jvp")
ESTIMATES = ("divergence_estimate", "laplacian_estimate")
DERIVATIVES = (*SCALARS, *PRODUCTS, *ESTIMATES)
_PATTERNS = 8
_ELEMENTS = 2_000_000  # operations times patterns, as in conditioning.py


class Centred(NamedTuple):
    """Shares (N, K); u_k − b and g_k − s (N, K, D); what B_k and C_k⁻¹ are in the storage of C_k."""

    shares: Tensor
    flow: Tensor
    pull: Tensor
    stretch: Tensor
    precision: Tensor


def centred(m: Mixture, x: Tensor) -> Centred:
    """Everything that the sums are made of."""
    seen = see(m, x)
    shares = torch.softmax(log_terms(m, seen), dim=1)
    each = m.mean_dot - apply_cross(m.cross, seen.slope), seen.slope
    flow, pull = (f - (shares[..., None] * f).sum(1, keepdim=True) for f in each)
    if m.cov.ndim == 3:
        eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device).expand_as(m.cov)
        white = torch.linalg.solve_triangular(torch.linalg.cholesky(m.cov), eye, upper=False)
        precision = white.mT @ white
        return Centred(shares, flow, pull, m.cross @ precision, precision)
    return Centred(shares, flow, pull, m.cross / m.cov, 1.0 / m.cov)


def _trace(matrices: Tensor, dim: int) -> Tensor:
    if matrices.ndim == 1:
        return dim * matrices
    return matrices.sum(1) if matrices.ndim == 2 else torch.diagonal(matrices, dim1=1, dim2=2).sum(1)


def _times(matrices: Tensor, v: Tensor) -> Tensor:
    """M_k v for every row of v (N, D): (N, K, D)."""
    if matrices.ndim == 3:
        return torch.einsum("kij,nj->nki", matrices, v)
    return (matrices if matrices.ndim == 2 else matrices[:, None]) * v[:, None]


def derivatives_of(m: Mixture, x: Tensor, v: Tensor, signs: Tensor) -> dict[str, Tensor]:
    """∇·b, Δ log ρ (N,); ∇b v, ∇s v (N, D); zᵀ∇b z, zᵀ∇s z (N,) for z = signs. x, v, z (N, D)."""
    return _assemble(centred(m, x), v, signs)


def _assemble(c: Centred, v: Tensor, signs: Tensor) -> dict[str, Tensor]:
    dim, r = v.shape[1], c.shares
    answer = {
        "divergence": (r * (_trace(c.stretch, dim) + (c.flow * c.pull).sum(-1))).sum(1),
        "laplacian_log_density": (r * ((c.pull * c.pull).sum(-1) - _trace(c.precision, dim))).sum(1),
    }
    for names, along in ((PRODUCTS, v), (ESTIMATES, signs)):
        share = (c.pull * along[:, None]).sum(-1, keepdim=True)
        for name, left, own in (
            (names[0], c.flow, _times(c.stretch, along)),
            (names[1], c.pull, -_times(c.precision, along)),
        ):
            product = (r[..., None] * (own + left * share)).sum(1)
            answer[name] = product if names is PRODUCTS else (along * product).sum(1)
    return answer


def _magnitudes(c: Centred, v: Tensor, signs: Tensor) -> dict[str, Tensor]:
    """The same sums over the magnitudes of their terms; the minus before C_k⁻¹ is a plus here."""
    size = Centred(c.shares, c.flow.abs(), c.pull.abs(), c.stretch.abs(), -c.precision.abs())
    return _assemble(size, v.abs(), signs.abs())


def exact_derivatives(interpolant: Interpolant, t: float, x: Tensor, v: Tensor, signs: Tensor) -> dict[str, Tensor]:
    """The yardstick's answers, float64 on the CPU, by its Jacobians; rows in chunks that bound (N, D, D)."""
    x, v, signs = (a.detach().cpu().to(torch.float64) for a in (x, v, signs))
    rows: dict[str, list[Tensor]] = {name: [] for name in DERIVATIVES}
    for part, along, z in zip(*(a.split(max(1, 2_000_000 // x.shape[1] ** 2)) for a in (x, v, signs)), strict=True):
        for name in SCALARS:
            rows[name].append(getattr(interpolant, name)(t, part))
        for i, name in enumerate(("velocity_jacobian", "score_jacobian")):
            jacobian = getattr(interpolant, name)(t, part)
            rows[PRODUCTS[i]].append(torch.einsum("nij,nj->ni", jacobian, along))
            rows[ESTIMATES[i]].append(torch.einsum("ni,nij,nj->n", z, jacobian, z))
    return {name: torch.cat(parts) for name, parts in rows.items()}


def derivative_sensitivity(
    interpolant: Interpolant, t: float, x: Tensor, v: Tensor, signs: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """K' by derivative, (N,); x, v, signs (N, D) are taken in float64."""
    x64, v64, z64 = (a.detach().cpu().to(torch.float64) for a in (x, v, signs))
    p = inputs_at(interpolant, t, torch.float64, torch.device("cpu"))

    def at(x_: Tensor, v_: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        return derivatives_of(mixture_at(Inputs(*inputs)), x_, v_, z64)

    def random(like: Tensor) -> Tensor:
        return 2.0 * torch.randint(0, 2, like.shape, generator=generator).to(like) - 1.0

    c = centred(mixture_at(p), x64)
    values, terms = _assemble(c, v64, z64), _magnitudes(c, v64, z64)
    norms = {name: torch.maximum(_norm(values[name]), _norm(terms[name])) for name in DERIVATIVES}
    size = x64.shape[0] * p.mean0.numel() * (x64.shape[1] if p.cov00.ndim == 3 else 1)
    for _ in range(max(2, min(_PATTERNS, _ELEMENTS // size))):
        slope = tangents(p, p.map(random)).tensors()
        along = (x64 * random(x64), v64 * random(v64), *slope)
        slopes = torch.func.jvp(at, (x64, v64, *p.tensors()), along)[1]
        norms = {name: torch.maximum(norms[name], _norm(slopes[name])) for name in DERIVATIVES}
    return norms


def _norm(value: Tensor) -> Tensor:
    return value.abs() if value.ndim == 1 else torch.linalg.vector_norm(value, dim=-1)
