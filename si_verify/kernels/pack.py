"""The law of x_t at one time as the arrays a kernel reads: everything that does not depend on x is done here, once.

With C_k = L_k L_kᵀ, A_k = Cov(ẋ, x | k) and p_k = 1 / C_k (MATH.md section 2), all formed in float64 on the host:

    logit_k(x) = log_weight_k − ½ |y|²         log ρ = logsumexp_k logit_k,   r_k = softmax_k
    isotropic, diagonal    δ = x − mean_k,   |y|² = Σ_d p_kd δ_d²,   g_k = −p_k δ,      u_k = offset_k + slope_k δ
    full                   δ = x − mean_k,   y = whiten_k δ,         g_k = −whiten_kᵀ y, u_k = offset_k + slope_k y
    s = Σ_k r_k g_k,   b = Σ_k r_k u_k,   ∇·b = Σ_k r_k (divergence_k + (u_k − b)·(g_k − s))

Every logit is one fused subtract-multiply-add a coordinate; nothing is divided in the loop. The sums must use the
differences δ in the *logits* (|x|² − 2x·m + |m|² loses the digits of distant points); in the weighted sums the expanded
form Σ r p x − Σ r p m is as good as the condition number with respect to x allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
import torch

from analytic import Interpolant
from si_verify.fields.formula import LOG_TWO_PI, Mixture, inputs_at, mixture_at

Kind = Literal["isotropic", "diagonal", "full"]


@dataclass(frozen=True, eq=False)
class Packed:
    """One time, or S times where every array has a leading axis S (``pack_path``). C-contiguous; NumPy float64 as made.

    ========== ====================== =====================================================================
    log_weight (K,)                   log w_k − ½ log det C_k − ½ D log 2π; components of weight zero are left out
    mean       (K, D)                 m_k
    precision  (K,) iso, (K, D) diag  1 / C_k; full: (K, 0), not used
    whiten     (K, D, D) full         L_k⁻¹, lower triangular with exact zeros above; else (K, 0, 0)
    slope      (K,), (K, D)           A_k / C_k;   full (K, D, D): A_k L_k⁻ᵀ, to be applied to y = L_k⁻¹ δ
    offset     (K, D)                 ṁ_k
    divergence (K,)                   tr(A_k C_k⁻¹)
    ========== ====================== =====================================================================

    ``slope`` and ``offset`` hold infinities or NaN where the velocity does not exist (an end of some schedules).
    """

    kind: Kind
    log_weight: Any
    mean: Any
    precision: Any
    whiten: Any
    slope: Any
    offset: Any
    divergence: Any

    @property
    def n_components(self) -> int:
        """K."""
        return int(self.mean.shape[-2])

    @property
    def dim(self) -> int:
        """D."""
        return int(self.mean.shape[-1])

    def map(self, f: Callable[[Any], Any]) -> Packed:
        """f of every array."""
        return replace(self, **{item.name: f(getattr(self, item.name)) for item in fields(self) if item.name != "kind"})

    def astype(self, dtype: Any) -> Packed:
        """The arrays rounded to a NumPy dtype."""
        return self.map(lambda a: np.ascontiguousarray(a, dtype=dtype))

    def to(self, dtype: torch.dtype, device: torch.device) -> Packed:
        """The arrays as contiguous torch tensors."""
        return self.map(lambda a: torch.as_tensor(a).to(device=device, dtype=dtype).contiguous())

    def as_diagonal(self) -> Packed:
        """Isotropic numbers spread over the coordinates, so that one kernel serves both kinds. TypeError for full."""
        if self.kind == "full":
            raise TypeError("kind: expected 'isotropic' or 'diagonal', got 'full'")
        if self.kind == "diagonal":
            return self
        spread = [np.repeat(a[..., None], self.dim, axis=-1) for a in (self.precision, self.slope)]
        return replace(self, kind="diagonal", precision=spread[0], slope=spread[1])


def pack(interpolant: Interpolant, t: float) -> Packed:
    """The law at t. ValueError where a component's covariance is singular (a point mass at its own end)."""
    cpu = torch.device("cpu")
    with np.errstate(invalid="ignore"):
        m = mixture_at(inputs_at(interpolant, float(t), torch.float64, cpu))
    keep = m.weights > 0
    m = Mixture(*(a[keep] for a in m))
    kind: Kind = ("isotropic", "diagonal", "full")[m.cov.ndim - 1]  # type: ignore[assignment]
    parts = _full(m) if kind == "full" else _separable(m, kind, float(t))
    logdet, arrays = parts.pop("logdet"), {"log_weight": m.weights, "mean": m.mean, "offset": m.mean_dot, **parts}
    arrays["log_weight"] = torch.log(m.weights) - 0.5 * (logdet + m.mean.shape[1] * LOG_TWO_PI)
    return Packed(kind, **{name: np.ascontiguousarray(a.numpy()) for name, a in arrays.items()})


def pack_path(interpolant: Interpolant, times: Sequence[float]) -> Packed:
    """The laws at S times, stacked: every array gets a leading axis S."""
    laws = [pack(interpolant, t) for t in times]
    if not laws:
        raise ValueError("times: expected at least one time, got none")
    names = [item.name for item in fields(Packed) if item.name != "kind"]
    return Packed(laws[0].kind, **{name: np.stack([getattr(law, name) for law in laws]) for name in names})


def _separable(m: Mixture, kind: Kind, t: float) -> dict[str, torch.Tensor]:
    if not bool((m.cov > 0).all()):
        raise ValueError(f"t: expected a time at which every component has a density, got {t:.17g} (a variance is 0)")
    dim, logs, ratio = m.mean.shape[1], torch.log(m.cov), m.cross / m.cov
    iso = kind == "isotropic"
    return {
        "logdet": dim * logs if iso else logs.sum(1),
        "precision": 1.0 / m.cov,
        "whiten": torch.zeros(len(m.cov), 0, 0, dtype=m.cov.dtype),
        "slope": ratio,
        "divergence": dim * ratio if iso else ratio.sum(1),
    }


def _full(m: Mixture) -> dict[str, torch.Tensor]:
    factor, info = torch.linalg.cholesky_ex(m.cov)
    if bool((info != 0).any()):
        raise ValueError("t: expected a time at which every component has a density, got a singular covariance")
    eye = torch.eye(m.mean.shape[1], dtype=m.cov.dtype).expand_as(m.cov)
    whiten = torch.tril(torch.linalg.solve_triangular(factor, eye, upper=False))
    slope = torch.linalg.solve_triangular(factor.mT, m.cross, upper=True, left=False)  # B with B Lᵀ = A
    return {
        "logdet": 2.0 * torch.log(torch.diagonal(factor, dim1=-2, dim2=-1)).sum(-1),
        "precision": torch.zeros(len(m.cov), 0, dtype=m.cov.dtype),
        "whiten": whiten,
        "slope": slope,
        "divergence": (slope * whiten.mT).sum((-1, -2)),
    }
