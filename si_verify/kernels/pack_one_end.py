"""Full covariances of independent endpoints by the components of one end alone.

Of the pair (i, j), m = α m0_i + β m1_j, C = α² C0_i + β² C1_j + γ² I and A = αα̇ C0_i + ββ̇ C1_j + γγ̇ I (MATH.md section
2; A = Cov(ẋ, x | i, j)), so that with λ = α̇/α what belongs to i drops out of ṁ − λ m and of A − λ C:

    A = λ C + κ C1_j + μ I,   κ = ββ̇ − λ β²,   μ = γγ̇ − λ γ²,       g = C⁻¹ (x − m)
    b(x) = Σ_ij r_ij (ṁ + A g) = λ (x − c) + Σ_j (M_j G_j + p_j v_j)
    M_j = κ C1_j + μ I,   v_j = (β̇ − λβ) m1_j + λ c,   G_j = Σ_i r_ij g_ij,   p_j = Σ_i r_ij

for any c, of which the mean of x_t leaves the least to cancel: K1 matrices are applied for K0·K1 components, where
pack_ends.py applies K0 + K1. The roles of the ends may be exchanged. With a Gaussian at one end a single matrix serves.

What is added loses more than what the condition number of the velocity holds by ``amplification`` at most: that takes a
relative change of αα̇ C0, ββ̇ C1 and γγ̇ each on its own, and here stand λ β² C1 and λ γ² beside them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from analytic import Interpolant
from si_verify.fields.formula import Inputs, inputs_at, mixture_at
from si_verify.kernels.pack_ends import distinct

# Of the bound's 100 units; a kernel's own roundings are a few units, and this many times as much is still far below.
MOST = 4.0


@dataclass(frozen=True, eq=False)
class OneEnd:
    """NumPy float64. members (K,): the kept end of a component, in the order of ``pack``; matrix (E, D, D) M, offset
    (E, D) v, centre (D,) c, rate λ.
    """

    members: Any
    matrix: Any
    offset: Any
    centre: Any
    rate: float
    amplification: float


def pack_one_end(interpolant: Interpolant, t: float) -> OneEnd | None:
    """The end with fewer components of those that can be kept. None where covariances are not full, endpoints are
    correlated given their components, the velocity does not exist, no end has at most half as many components as there
    are pairs, or both lose more than ``MOST`` times what the condition number holds.
    """
    with np.errstate(invalid="ignore"):
        p = inputs_at(interpolant, float(t), torch.float64, torch.device("cpu"))
    rates = (p.alpha_dot, p.beta_dot, p.alpha_alpha_dot, p.beta_beta_dot, p.gamma_gamma_dot)
    if p.cov00.ndim != 3 or bool(p.cov01.any()) or not all(bool(torch.isfinite(rate)) for rate in rates):
        return None
    found = [end for kept in (0, 1) if (end := _kept(p, kept)) is not None]
    return min(found, key=lambda end: (len(end.matrix), end.amplification), default=None)


def _kept(p: Inputs, kept: int) -> OneEnd | None:
    keep = (p.weights > 0).numpy()
    covs, means = (p.cov00, p.cov11), (p.mean0, p.mean1)
    scale = [(float(p.alpha), float(p.alpha_dot)), (float(p.beta), float(p.beta_dot))]
    products = (float(p.alpha_alpha_dot), float(p.beta_beta_dot))
    (a, a_dot), (b, b_dot) = scale[1 - kept], scale[kept]
    if a == 0:
        return None
    rate = a_dot / a
    kappa, mu = products[kept] - rate * b**2, float(p.gamma_gamma_dot) - rate * float(p.gamma2)
    # Sizes of the covariances, their mean variance, stand for them.
    size = [float(torch.diagonal(c, dim1=-2, dim2=-1).mean()) for c in covs]
    held = abs(products[0]) * size[0] + abs(products[1]) * size[1] + abs(float(p.gamma_gamma_dot))
    extra = abs(rate) * (b**2 * size[kept] + float(p.gamma2))
    amplification = extra / held if held > 0 else math.inf
    mean, which, cov = distinct(means[kept].numpy()[keep], covs[kept].numpy()[keep])
    if not amplification <= MOST or 2 * len(mean) > keep.sum():
        return None
    law = mixture_at(p)
    centre = (law.weights @ law.mean / law.weights.sum()).numpy()
    return OneEnd(
        members=which,
        matrix=kappa * cov + mu * np.eye(cov.shape[1]),
        offset=(b_dot - rate * b) * mean + rate * centre,
        centre=centre,
        rate=rate,
        amplification=amplification,
    )
