"""Mixtures whose logits factorise: every pair of endpoint means, one isotropic covariance for all of them.

With m_ij = α m0_i + β m1_j and C_ij = C, as independent endpoints with shared isotropic covariances have it, let
a_i, b_j be α m0_i, β m1_j less their means and y = x less both of these. MATH.md section 2 then reads

    |x − m_ij|² = |y|² − 2 y·a_i − 2 y·b_j + |a_i|² + |b_j|² + 2 a_i·b_j
    r_ij ∝ P_i(x) R_ij Q_j(x)       P_i = 2^(left_bias_i + y·left_i),   Q_j = 2^(right_bias_j + y·right_j)
    f(x) = Σ_i r_i· a'_i + Σ_j r_·j b'_j + slope y,      r_i· ∝ P_i (R Q)_i,   r_·j ∝ Q_j (Rᵀ P)_j

since what a field adds a pair, α̇ m0_i + β̇ m1_j + A (x − m_ij) / C, is a sum over the two ends: K0 + K1 exponentials and
two products with the constant matrix R, for K0·K1 components. Weights need not be products: R holds what is left of
log w_ij once rows and columns of log R are centred, which keeps its spread small.

P and Q are scaled to a maximum of 1, R to a minimum of 1. Their sum over all pairs is then at least 1 (the two maxima
meet some R), nothing overflows while R is in range, and what is cut off in P or Q is off by at most 2^LOWEST · max R:
less than the last place of a sum of ``floor`` or more. While ``floor`` ≤ 1 that is every x; for wider R, points whose
sum is less are left to the ordinary pass over K0·K1 differences, and so are laws whose R is out of range or whose
exponents y·a would cost more digits than differences do (``REACH``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from analytic import Interpolant
from si_verify.fields.formula import inputs_at, mixture_at

LARGEST = 128  # components of an end: their sums are not chunked
# Largest |a_i| + |b_j| in standard deviations √C. A product y·a rounds |a| / √C times as much as differences do; the
# bound of 100·eps·K is then kept with room (tests/si_verify/kernels/test_pack_pairs.py measures it).
REACH = 32.0
_GUARD = 8  # bits by which what underflows stays below the last place: means as far apart as 2^8 times the answer
_LOG2E = math.log2(math.e)


@dataclass(frozen=True, eq=False)
class Pairs:
    """NumPy float64. centre (D,); left (K0, D), right (K1, D), biases (K0,), (K1,): of log2 P, Q; joint (K0, K1):
    log2 R.

    fields: by quantity ("score", "velocity"), (a' (K0, D), b' (K1, D), slope), see above.
    reach: largest |a_i| + |b_j| over √C.
    """

    centre: Any
    left: Any
    right: Any
    left_bias: Any
    right_bias: Any
    joint: Any
    reach: float
    fields: dict[str, tuple[Any, Any, float]]

    @property
    def spread(self) -> float:
        """max log2 R − min log2 R."""
        return float(self.joint.max() - self.joint.min())

    def fits(self, highest: float) -> bool:
        """Whether sums of K0·K1 products stay below 2^highest, two bits left, and exponents keep their digits."""
        return self.spread + math.log2(self.joint.size) + 2 <= highest and self.reach <= REACH

    def floor(self, mantissa: int, lowest: float) -> float:
        """log2 of the sum from which on K0·K1 terms that lost a factor below 2^lowest are below its last place."""
        return self.spread + lowest + mantissa + _GUARD + math.log2(self.joint.size)


def pack_pairs(interpolant: Interpolant, t: float) -> Pairs | None:
    """None where the logits do not factorise, where K0·K1 components are no more work than 2 (K0 + K1), or where an end
    has more than LARGEST; also where a velocity does not exist. Whether the dtype holds R is for the caller to ask.
    """
    with np.errstate(invalid="ignore"):
        p = inputs_at(interpolant, float(t), torch.float64, torch.device("cpu"))
        m = mixture_at(p)
    variance, cross = m.cov.reshape(-1)[:1], m.cross.reshape(-1)[:1]
    shared = m.cov.ndim == 1 and bool((m.cov == variance).all()) and bool((m.cross == cross).all())
    if not shared or not float(variance) > 0 or not bool((p.weights > 0).all()):
        return None
    (ends0, row), (ends1, column) = (np.unique(a.numpy(), axis=0, return_inverse=True) for a in (p.mean0, p.mean1))
    k0, k1 = len(ends0), len(ends1)
    every = len(p.weights) == k0 * k1 == len(np.unique(row.reshape(-1) * k1 + column.reshape(-1)))
    if not every or k0 * k1 < 2 * (k0 + k1) or max(k0, k1) > LARGEST:
        return None
    log_weight = np.empty((k0, k1))
    log_weight[row.reshape(-1), column.reshape(-1)] = np.log(p.weights.numpy())
    alpha, beta, alpha_dot, beta_dot = (float(v) for v in (p.alpha, p.beta, p.alpha_dot, p.beta_dot))
    if not math.isfinite(alpha_dot + beta_dot + float(cross)):
        return None
    precision, slope = 1.0 / float(variance), float(cross / variance)
    centre0, centre1 = alpha * ends0.mean(0), beta * ends1.mean(0)
    a, b = alpha * ends0 - centre0, beta * ends1 - centre1
    joint = log_weight - precision * (a @ b.T)
    rows, columns = joint.mean(1), joint.mean(0) - joint.mean()
    unit = precision * _LOG2E
    return Pairs(
        centre=centre0 + centre1,
        left=unit * a,
        right=unit * b,
        left_bias=_LOG2E * rows - 0.5 * unit * (a**2).sum(1),
        right_bias=_LOG2E * columns - 0.5 * unit * (b**2).sum(1),
        joint=_LOG2E * (joint - rows[:, None] - columns),
        reach=math.sqrt(precision) * float(np.linalg.norm(a, axis=1).max() + np.linalg.norm(b, axis=1).max()),
        fields={
            "score": (precision * a, precision * b, -precision),
            "velocity": (alpha_dot * ends0 - slope * a, beta_dot * ends1 - slope * b, slope),
        },
    )
