"""Schroedinger bridges with closed forms: of two Gaussians, and of a base with a mixture potential.

The bridge is the law nearest in KL to sigma dW among those with the given ends. It is the stochastic interpolant
alpha = 1 − t, beta = t, gamma = sigma sqrt(t (1 − t)) of the entropic coupling; its SDE has eps = sigma²/2 and drift
b + eps s. Sources: arXiv:2303.08797, Section 3.3; Bunne, Hsieh, Cuturi, Krause, arXiv:2202.05722 (Gaussians);
Gushchin et al., arXiv:2306.10161 (mixture potentials).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.affine import AffineField, AffineSDE, GaussianPath, isotropic_noise
from analytic.gaussian import Gaussian, factor
from analytic.schedule import Schedule

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class GaussianBridge:
    """The Schroedinger bridge from `base` to `target` with reference noise sigma dW, sigma > 0; base regular."""

    base: Gaussian
    target: Gaussian
    sigma: float

    def __post_init__(self) -> None:
        if self.base.dim != self.target.dim:
            raise ValueError(f"target: expected dimension {self.base.dim} like base, got {self.target.dim}")
        _check_sigma(self.sigma)
        if np.linalg.eigvalsh(self.base.cov)[0] <= 0.0:
            raise ValueError("base: expected a positive definite covariance")

    @property
    def epsilon(self) -> float:
        """sigma²/2, the eps of MATH.md section 4."""
        return 0.5 * self.sigma**2

    def cross_covariance(self) -> Array:
        """C01 = ½ (A^½ D A^−½ − sigma² I), D = (4 A^½ B A^½ + sigma⁴ I)^½, (D, D), not symmetric in general.

        With A = L Lᵀ and the singular values S of (root of B)ᵀ L = U S Vᵀ it is L V h V ᵀ L⁻¹ with
        h = 2 S² / (sqrt(4 S² + sigma⁴) + sigma²): no cancellation for large or small sigma.
        """
        left, right = np.linalg.cholesky(self.base.cov), factor(self.target.cov)
        _, s, vt = np.linalg.svd(right.T @ left)
        s2 = self.sigma**2
        h = 2.0 * s**2 / (np.hypot(2.0 * s, s2) + s2)
        return np.linalg.solve(left.T, (vt.T * h) @ vt @ left.T).T

    @property
    def path(self) -> GaussianPath:
        """The bridge's law in time, as a Gaussian path."""
        return GaussianPath(
            Schedule.linear("brownian", scale=self.sigma**2),
            self.base.mean,
            self.target.mean,
            self.base.cov,
            self.target.cov,
            self.cross_covariance(),
        )

    def interpolant(self) -> Any:
        """The same law as an `Interpolant`."""
        from analytic.coupling import Coupling
        from analytic.interpolant import Interpolant

        path = self.path
        blocks = (path.cov00[None], path.cov11[None], path.cov01[None])
        coupling = Coupling.correlated(np.ones(1), path.mean0[None], path.mean1[None], *blocks)
        return Interpolant(coupling, path.schedule)

    def drift(self) -> AffineField:
        """b + eps s, the drift of the forward SDE: affine with a symmetric matrix, so a gradient."""
        return self.path.drift(self.epsilon)

    def sde(self) -> AffineSDE:
        """dX = (b + eps s) dt + sigma dW."""
        return AffineSDE(self.drift(), isotropic_noise(self.epsilon, self.base.dim))


@dataclass(frozen=True, eq=False)
class MixturePotentialBridge:
    """The Schroedinger bridge whose plan is pi(x1 | x0) ∝ exp(x0·x1 / sigma²) Σ_k c_k N(x1; mu_k, S_k).

    weights c (K,) > 0 (any scale), means mu (K, D), covariances S (K, D, D). The base law is free: plan and drift
    do not depend on it, and the target is the law of x1 so obtained: exact samples, no closed density.
    """

    weights: Array
    means: Array
    covariances: Array
    sigma: float

    def __post_init__(self) -> None:
        for name in ("weights", "means", "covariances"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        k, dim = self.means.shape
        if self.weights.shape != (k,) or np.any(self.weights <= 0.0):
            raise ValueError(f"weights: expected {k} positive numbers, got {self.weights}")
        if self.covariances.shape != (k, dim, dim):
            raise ValueError(f"covariances: expected shape {(k, dim, dim)}, got {self.covariances.shape}")
        if np.any(np.linalg.eigvalsh(self.covariances)[:, 0] <= 0.0):
            raise ValueError("covariances: expected positive definite matrices")
        _check_sigma(self.sigma)

    def plan(self, x0: Array) -> tuple[Array, Array, Array]:
        """pi(· | x0) as a mixture: weights (N, K), means (N, K, D), covariances (K, D, D) for x0 (N, D)."""
        x0 = np.asarray(x0, dtype=np.float64)
        logs = self._log_terms(0.0, x0)
        shift = np.einsum("kij,nj->nki", self.covariances, x0) / self.sigma**2
        return _softmax(logs), self.means + shift, self.covariances

    def sample_target(self, x0: Array, seed: int | np.random.Generator) -> Array:
        """One draw of x1 for each x0, (N, D)."""
        rng = np.random.default_rng(seed)
        _, means, covariances = self.plan(x0)
        # The Gumbel maximum draws an index from log weights that may differ by thousands.
        logs = self._log_terms(0.0, np.asarray(x0, dtype=np.float64))
        choice = np.argmax(logs + rng.gumbel(size=logs.shape), axis=1)
        roots = np.array([factor(c) for c in covariances])
        rows = np.arange(len(means))
        return means[rows, choice] + np.einsum("nij,nj->ni", roots[choice], rng.standard_normal(means.shape[::2]))

    def sample(self, t: float, x0: Array, seed: int | np.random.Generator) -> Array:
        """Draws of X_t given the starting points: a Brownian bridge between the ends of the plan, (N, D)."""
        rng = np.random.default_rng(seed)
        x1 = self.sample_target(x0, rng)
        noise = self.sigma * np.sqrt(t * (1.0 - t)) * rng.standard_normal(x1.shape)
        return (1.0 - t) * np.asarray(x0) + t * x1 + noise

    def log_potential(self, t: float, x: Array) -> Array:
        """log phi(t, x), phi = E[exp(|X_1|²/2 sigma²) v(X_1) | X_t = x] under sigma dW, (N,), t in [0, 1]."""
        logs = self._log_terms(t, np.asarray(x, dtype=np.float64))
        peak = logs.max(axis=1)
        return peak + np.log(np.sum(np.exp(logs - peak[:, None]), axis=1))

    def drift(self, t: float, x: Array) -> Array:
        """sigma² ∇log phi(t, x), (N, D): the drift of dX = drift dt + sigma dW."""
        x = np.asarray(x, dtype=np.float64)
        inverse = np.linalg.inv(self._spread(t))
        pull = self.means - x[:, None, :] + np.einsum("kij,nj->nki", self.covariances, x) / self.sigma**2
        return np.einsum("nk,kij,nkj->ni", _softmax(self._log_terms(t, x)), inverse, pull)

    def _spread(self, t: float) -> Array:
        """R_k = (1 − t) I + (t / sigma²) S_k; it commutes with S_k."""
        if not 0.0 <= t <= 1.0:
            raise ValueError(f"t: expected a time in [0, 1], got {t!r}")
        return (1.0 - t) * np.eye(self.means.shape[1]) + (t / self.sigma**2) * self.covariances

    def _log_terms(self, t: float, x: Array) -> Array:
        """log of the k-th part of phi, (N, K): the Gaussian integral written with R_k, regular at t = 1.

        log c − ½ log det R − (t / 2 sigma²) muᵀR⁻¹mu + xᵀR⁻¹mu / sigma² − xᵀR⁻¹(I − S/sigma²)x / 2 sigma².
        """
        s2, dim = self.sigma**2, self.means.shape[1]
        spread = self._spread(t)
        centre = np.linalg.solve(spread, self.means[..., None])[..., 0]
        curve = np.linalg.solve(spread, np.eye(dim) - self.covariances / s2)
        constant = np.log(self.weights) - 0.5 * (
            dim * np.log(2.0 * np.pi * s2) + np.linalg.slogdet(spread)[1] + t / s2 * np.sum(self.means * centre, axis=1)
        )
        return constant + (x @ centre.T - 0.5 * np.einsum("ni,kij,nj->nk", x, curve, x)) / s2


def _softmax(logs: Array) -> Array:
    shifted = np.exp(logs - logs.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _check_sigma(sigma: float) -> None:
    if not (np.isfinite(sigma) and sigma > 0.0):
        raise ValueError(f"sigma: expected a positive finite number, got {sigma!r}")
