"""Full covariances of independent endpoints: the cross-covariance of a pair is a sum over its two ends.

    ṁ_ij = α̇ m0_i + β̇ m1_j,    A_ij = Cov(ẋ, x | i, j) = (αα̇ C0_i + γγ̇ I) + ββ̇ C1_j           (MATH.md section 2)
    b(x) = Σ_ij r_ij (ṁ_ij + A_ij g_ij),     g_ij = C_ij⁻¹ (x − m_ij)
         = Σ_i (A_i G_i + p_i α̇ m0_i) + Σ_j (A_j G_j + p_j β̇ m1_j),     G_i = Σ_j r_ij g_ij,   p_i = Σ_j r_ij

so that K0 + K1 matrices are applied instead of one a pair. What is added is what the condition number of the velocity
holds anyway: it takes a relative change of C0 and C1, αα̇ and ββ̇ each on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from analytic import Interpolant
from si_verify.fields.formula import inputs_at


@dataclass(frozen=True, eq=False)
class Ends:
    """NumPy. members (K, 2): the two ends of a component, in the order of ``pack``, those at
    t = 0 first; matrix (K0 + K1, D, D) and offset (K0 + K1, D) float64: A_e and α̇ m0_i or β̇ m1_j.
    """

    members: Any
    matrix: Any
    offset: Any


def pack_ends(interpolant: Interpolant, t: float) -> Ends | None:
    """None where covariances are not full, endpoints are correlated given their components, the velocity does not
    exist, or ends are so many that a matrix a component costs no more.
    """
    with np.errstate(invalid="ignore"):
        p = inputs_at(interpolant, float(t), torch.float64, torch.device("cpu"))
    keep = (p.weights > 0).numpy()
    rates = (p.alpha_dot, p.beta_dot, p.alpha_alpha_dot, p.beta_beta_dot, p.gamma_gamma_dot)
    if p.cov00.ndim != 3 or bool(p.cov01.any()) or not all(bool(torch.isfinite(rate)) for rate in rates):
        return None
    mean0, which0, cov0 = distinct(p.mean0.numpy()[keep], p.cov00.numpy()[keep])
    mean1, which1, cov1 = distinct(p.mean1.numpy()[keep], p.cov11.numpy()[keep])
    if 2 * (len(mean0) + len(mean1)) > keep.sum():
        return None
    own = float(p.alpha_alpha_dot) * cov0 + float(p.gamma_gamma_dot) * np.eye(cov0.shape[1])
    return Ends(
        members=np.stack([which0, len(mean0) + which1], axis=1),
        matrix=np.concatenate([own, float(p.beta_beta_dot) * cov1]),
        offset=np.concatenate([float(p.alpha_dot) * mean0, float(p.beta_dot) * mean1]),
    )


def distinct(mean: np.ndarray, cov: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct pairs of mean and covariance: means (E, D), the one that each row is (K,), covariances (E, D, D)."""
    rows = np.concatenate([mean, cov.reshape(len(cov), -1)], axis=1)
    _, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return mean[first], which.reshape(-1), cov[first]
