"""One Gaussian against another: entropy, cross-entropy, Kullback-Leibler, Bures-Wasserstein, optimal transport.

Everything here is NumPy float64: these are reference values, evaluated once, and not kernels. The formulae are
arranged so that *small* answers keep their relative accuracy: a KL of 1e-20 between nearly equal laws is not
the difference of two numbers of size one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Symmetry and semi-definiteness are tested against rounding only: an assembled sum such as alpha^2 C00 + beta^2 C11
# carries a few eps of its norm per entry.
_ROUNDING = 64.0 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The law N(mean, cov), cov symmetric and positive semi-definite (singular allowed: a point mass has cov 0).

    mean: (D,) or a scalar for D = 1. cov: (D, D), or (D,) the variances of independent coordinates, or a scalar
    variance shared by all of them. Stored as float64 (D,) and (D, D). Raises ValueError on a shape, symmetry,
    finiteness or definiteness that does not fit.
    """

    mean: Array
    cov: Array

    def __init__(self, mean: Any, cov: Any) -> None:
        m = np.atleast_1d(np.array(mean, dtype=np.float64))
        if m.ndim != 1 or m.size == 0 or not np.all(np.isfinite(m)):
            raise ValueError(f"mean: expected a finite vector of shape (D,), got shape {m.shape}: {m!r}")
        c = np.array(cov, dtype=np.float64)
        if c.ndim == 0:
            c = c * np.eye(m.size)
        elif c.ndim == 1 and c.shape == m.shape:
            c = np.diag(c)
        if c.shape != (m.size, m.size) or not np.all(np.isfinite(c)):
            raise ValueError(
                f"cov: expected a finite scalar, ({m.size},) or ({m.size}, {m.size}) array, got shape {c.shape}"
            )
        scale = float(np.max(np.abs(c), initial=0.0))
        if np.max(np.abs(c - c.T)) > _ROUNDING * scale:
            raise ValueError(f"cov: expected a symmetric matrix, got asymmetry {np.max(np.abs(c - c.T)):.3g}")
        c = 0.5 * (c + c.T)
        lowest = float(np.linalg.eigvalsh(c)[0])
        if lowest < -_ROUNDING * m.size * scale:
            raise ValueError(f"cov: expected a positive semi-definite matrix, got an eigenvalue {lowest:.3g}")
        m.setflags(write=False)
        c.setflags(write=False)
        object.__setattr__(self, "mean", m)
        object.__setattr__(self, "cov", c)

    @property
    def dim(self) -> int:
        """D, the number of coordinates."""
        return int(self.mean.size)

    @classmethod
    def from_mixture(cls, mixture: Any) -> Gaussian:
        """The single component of a `GaussianMixture` (any storage form); ValueError if it has several."""
        if int(mixture.n_components) != 1:
            raise ValueError(f"mixture: expected one component, got {mixture.n_components}")
        dim = int(mixture.dim)
        mean = np.asarray(mixture.means, dtype=np.float64)[0]
        return cls(mean, dense(np.asarray(mixture.covariances, dtype=np.float64)[0], dim))

    def sample(self, n: int, seed: int | np.random.Generator) -> Array:
        """n independent draws, (n, D), from a NumPy generator seeded with `seed`."""
        rng = np.random.default_rng(seed)
        return self.mean + rng.standard_normal((n, self.dim)) @ factor(self.cov).T


def dense(cov: Array, dim: int) -> Array:
    """A stored covariance block as a matrix: isotropic () and diagonal (D,) forms become (D, D)."""
    c = np.asarray(cov, dtype=np.float64)
    if c.ndim == 0:
        return c * np.eye(dim)
    return np.diag(c) if c.ndim == 1 else c


def sqrtm(cov: Array) -> Array:
    """The symmetric square root of a positive semi-definite matrix, (D, D)."""
    values, vectors = np.linalg.eigh(cov)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def factor(cov: Array) -> Array:
    """Some L with L Lᵀ = cov: Cholesky's where the matrix is positive definite, else the symmetric root."""
    try:
        return np.linalg.cholesky(cov)
    except np.linalg.LinAlgError:
        return sqrtm(cov)


def entropy(law: Gaussian) -> float:
    """Differential entropy in nats, ½ log det(2 pi e C); -inf for a singular covariance."""
    sign, logdet = np.linalg.slogdet(law.cov)
    if sign <= 0:
        return float("-inf")
    return 0.5 * (law.dim * (1.0 + np.log(2.0 * np.pi)) + float(logdet))


def kl(p: Gaussian, q: Gaussian) -> float:
    """KL(p‖q) in nats = ½ [tr(Q⁻¹P) − D − log det(Q⁻¹P) + (m_p − m_q)ᵀ Q⁻¹ (m_p − m_q)].

    With d_i the eigenvalues of L⁻¹(P − Q)L⁻ᵀ, Q = LLᵀ, the first three terms are ½ Σ d_i − log(1 + d_i): a sum of
    non-negative terms, each evaluated without cancellation, so the relative error is a few eps·cond(Q) even where
    p and q agree to many digits. Infinite if p is singular; ValueError if q is.
    """
    _same_dim(p, q)
    lower = _cholesky(q)
    whitened = np.linalg.solve(lower, np.linalg.solve(lower, p.cov - q.cov).T)
    excess = np.linalg.eigvalsh(0.5 * (whitened + whitened.T))
    shift = np.linalg.solve(lower, p.mean - q.mean)
    if np.any(excess <= -1.0):
        return float("inf")
    return 0.5 * float(np.sum(_minus_log1p(excess)) + shift @ shift)


def cross_entropy(p: Gaussian, q: Gaussian) -> float:
    """−E_p log q in nats = ½ [D log 2pi + log det Q + tr(Q⁻¹P) + |m_p − m_q|²_Q⁻¹]; finite for a singular p."""
    _same_dim(p, q)
    lower = _cholesky(q)
    spread = np.linalg.solve(lower, factor(p.cov))
    shift = np.linalg.solve(lower, p.mean - q.mean)
    logdet = 2.0 * float(np.sum(np.log(np.diag(lower))))
    return 0.5 * (p.dim * np.log(2.0 * np.pi) + logdet + float(np.sum(spread**2)) + float(shift @ shift))


def bures_wasserstein(p: Gaussian, q: Gaussian) -> float:
    """The 2-Wasserstein distance W2(p, q), in the units of x.

    W2² = |m_p − m_q|² + tr(P + Q − 2 (P^½ Q P^½)^½), computed as |m_p − m_q|² + min_U ‖L_p − L_q U‖²_F over
    orthogonal U (the Procrustes form): a sum of squares, accurate for close and for singular laws.
    """
    _same_dim(p, q)
    left, right = factor(p.cov), factor(q.cov)
    u, _, vt = np.linalg.svd(right.T @ left)
    return float(np.hypot(np.linalg.norm(p.mean - q.mean), np.linalg.norm(left - right @ (u @ vt))))


@dataclass(frozen=True, eq=False)
class AffineMap:
    """x -> offset + matrix (x − center); matrix (D, D), offset and center (D,)."""

    matrix: Array
    offset: Array
    center: Array

    def __call__(self, x: Array) -> Array:
        """Apply to rows: (N, D) -> (N, D)."""
        return self.offset + (np.asarray(x, dtype=np.float64) - self.center) @ self.matrix.T


def transport_map(p: Gaussian, q: Gaussian) -> AffineMap:
    """The quadratic-cost optimal map from p to q: x -> m_q + T (x − m_p), T = P^−½ (P^½ Q P^½)^½ P^−½.

    T is symmetric and positive semi-definite (the gradient of a convex function). With P = LLᵀ and the singular
    value decomposition R ᵀL = U S Vᵀ of the two factors, T = L⁻ᵀ V S Vᵀ L⁻¹. ValueError if p is singular.
    """
    _same_dim(p, q)
    left, right = _cholesky(p), factor(q.cov)
    _, s, vt = np.linalg.svd(right.T @ left)
    half = np.linalg.solve(left.T, vt.T * np.sqrt(s))
    return AffineMap(half @ half.T, q.mean, p.mean)


def _same_dim(p: Gaussian, q: Gaussian) -> None:
    if p.dim != q.dim:
        raise ValueError(f"q: expected a law of dimension {p.dim} like p, got {q.dim}")


def _cholesky(law: Gaussian) -> Array:
    try:
        return np.linalg.cholesky(law.cov)
    except np.linalg.LinAlgError as err:
        raise ValueError(
            f"cov: expected a positive definite covariance, got lowest eigenvalue {np.linalg.eigvalsh(law.cov)[0]:.3g}"
        ) from err


def _minus_log1p(x: Array) -> Array:
    """x − log(1 + x) for x > −1 without cancellation at 0.

    With y = x / (2 + x), log(1 + x) = 2 artanh y and x − 2y = xy, hence xy − 2(y³/3 + y⁵/5 + ...).
    """
    y = x / (2.0 + x)
    # |y| <= 1/8 leaves y^(2·10) ~ 1e-18 of the first term: below rounding after ten terms.
    small = np.abs(y) <= 0.125
    ys = np.where(small, y, 0.0)
    series = sum(ys ** (2 * j + 1) / (2 * j + 1) for j in range(1, 11))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(small, x * ys - 2.0 * series, x - np.log1p(x))
