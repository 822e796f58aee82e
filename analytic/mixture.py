"""Gaussian mixtures: density, score, samples, moments and the one-dimensional distribution function."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from analytic import univariate
from analytic.arrays import Array, as_parameter, points, restore, to_numpy, transfer
from analytic.covariance import Factor, factorise, kind_of, promote
from analytic.posterior import average, log_terms, slices, weigh
from analytic.sampling import Seed, draw_mixture
from analytic.validation import check_covariance, check_weights


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """rho(x) = sum_k w_k N(x; m_k, C_k).

    Parameters: weights (K,), none negative, summing to 1; means (K, D); covariances (K,) isotropic
    variances, (K, D) diagonal variances or (K, D, D). Lists, NumPy, torch or CuPy; held as float64 in the
    library given. A covariance may be singular (a point mass): such a law can be sampled, but its density
    and score raise FieldUndefinedError. Other bad input raises ValueError naming the argument.

    Points x are (N, D) in any array-API library and floating dtype; answers come back in the same library,
    dtype and device, computed in float64.
    """

    weights: Array
    means: Array
    covariances: Array
    block_elements: int = field(default=250_000, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        weights = as_parameter(self.weights, "weights", 1)
        means = as_parameter(self.means, "means", 2)
        covariances = as_parameter(self.covariances, "covariances", (1, 2, 3))
        check_weights(weights)
        if means.shape[0] != weights.shape[0] or means.shape[1] == 0:
            raise ValueError(f"means: expected shape ({weights.shape[0]}, D), got {tuple(means.shape)}")
        check_covariance(covariances, means.shape[0], means.shape[1], "covariances")
        for name, value in (("weights", weights), ("means", means), ("covariances", covariances)):
            object.__setattr__(self, name, transfer(value, means))

    @property
    def dim(self) -> int:
        """D."""
        return self.means.shape[1]

    @property
    def n_components(self) -> int:
        """K."""
        return self.weights.shape[0]

    @property
    def kind(self) -> str:
        """ "isotropic", "diagonal" or "full"."""
        return kind_of(self.covariances)

    def log_density(self, x: Array) -> Array:
        """log rho(x), (N,), by a streaming log-sum-exp over components."""
        _, x64 = points(x, self.dim)
        log, _ = average(_Law(self, x64), x64[None, :, :], lambda weights, block: (), self.block_elements)
        return restore(log[0, :], x)

    def score(self, x: Array) -> Array:
        """grad log rho(x) = -sum_k r_k C_k^-1 (x - m_k), (N, D)."""
        _, x64 = points(x, self.dim)
        _, (score,) = average(
            _Law(self, x64), x64[None, :, :], lambda w, block: (weigh(w, block.slope),), self.block_elements
        )
        return restore(score[0, ...], x)

    def responsibilities(self, x: Array) -> Array:
        """r_k(x) = w_k N(x; m_k, C_k) / rho(x), (N, K), materialised."""
        xp, x64 = points(x, self.dim)
        logs = log_terms(_Law(self, x64), x64[None, :, :])[0, ...]
        shares = xp.exp(logs - xp.max(logs, axis=0)[None, :])
        return restore(xp.matrix_transpose(shares / xp.sum(shares, axis=0)[None, :]), x)

    def cdf(self, x: Array) -> Array:
        """P(X <= x) for D = 1; x (N,) or (N, 1), the answer (N,). Relatively accurate in the lower tail."""
        return self._univariate(x, univariate.cdf)

    def sf(self, x: Array) -> Array:
        """P(X > x) for D = 1, as `cdf`; relatively accurate in the upper tail."""
        return self._univariate(x, univariate.sf)

    def log_cdf(self, x: Array) -> Array:
        """log P(X <= x) for D = 1, finite far beyond where `cdf` underflows."""
        return self._univariate(x, univariate.log_cdf)

    def log_sf(self, x: Array) -> Array:
        """log P(X > x) for D = 1, finite far beyond where `sf` underflows."""
        return self._univariate(x, univariate.log_sf)

    def mean(self) -> Array:
        """E[X], (D,)."""
        xp = array_namespace(self.means)
        return xp.sum(self.weights[:, None] * self.means, axis=0)

    def covariance(self) -> Array:
        """Cov(X) = sum_k w_k (C_k + (m_k - m)(m_k - m)^T), (D, D)."""
        xp = array_namespace(self.means)
        centred = self.means - self.mean()[None, :]
        between = xp.matmul(xp.matrix_transpose(self.weights[:, None] * centred), centred)
        if self.kind == "full":
            return between + xp.sum(self.weights[:, None, None] * self.covariances, axis=0)
        variances = promote(self.covariances, "diagonal", self.dim)
        within = xp.sum(self.weights[:, None] * variances, axis=0)
        return between + promote(within[None, :], "full", self.dim)[0, ...]

    def marginal(self, dims: Any) -> GaussianMixture:
        """The law of the coordinates `dims` (indices, in the order wanted)."""
        index = np.asarray(dims, dtype=np.int64).reshape(-1)
        if index.size == 0 or np.any(index < -self.dim) or np.any(index >= self.dim):
            raise ValueError(f"dims: expected indices below {self.dim}, got {dims!r}")
        xp = array_namespace(self.means)
        index = index % self.dim
        take = xp.asarray(index, device=device(self.means))
        covariances = self.covariances
        for axis in range(1, covariances.ndim):
            covariances = xp.take(covariances, take, axis=axis)
        return GaussianMixture(self.weights, xp.take(self.means, take, axis=1), covariances)

    def sample(self, n: int, seed: Seed) -> Array:
        """n independent draws (n, D), float64, in the library of the parameters; seed as numpy.random takes it."""
        weights, means, covariances = (to_numpy(a) for a in (self.weights, self.means, self.covariances))
        return transfer(draw_mixture(weights, means, covariances, n, np.random.default_rng(seed)), self.means)

    def _univariate(self, x: Array, function: Any) -> Array:
        if self.dim != 1:
            raise ValueError(f"x: a distribution function needs dim 1, this mixture has dim {self.dim}")
        if getattr(x, "ndim", None) == 1:
            x = x[:, None]
        xp, x64 = points(x, 1)
        law = [transfer(a, x64) for a in (self.weights, self.means, self.covariances)]
        weights, means, scales = law[0], law[1][:, 0], xp.sqrt(xp.reshape(law[2], (-1,)))
        parts = [
            function(weights, means, scales, x64[part, 0])
            for part in slices(x.shape[0], max(1, self.block_elements // self.n_components))
        ]
        return restore(parts[0] if len(parts) == 1 else xp.concat(parts), x)


class _Law:
    """A mixture as a source of components, in the library of some points."""

    def __init__(self, mixture: GaussianMixture, like: Array) -> None:
        self.n_components, self.dim, self.kind = mixture.n_components, mixture.dim, mixture.kind
        self.means, self.covariances = transfer(mixture.means, like), transfer(mixture.covariances, like)
        self.log_weights = log_weights(transfer(mixture.weights, like))

    def components(self, times: slice, ks: slice) -> Any:
        covariance = self.covariances[ks, ...][None, ...]
        factor: Factor = factorise(covariance, self.kind, self.dim, "covariances: a component covariance")
        return SimpleNamespace(
            log_weight=self.log_weights[ks], anchor=self.means[None, ks, :], offset=None, factor=factor
        )


def log_weights(weights: Array) -> Array:
    """log w with log 0 = -inf and no warning."""
    xp = array_namespace(weights)
    some = weights > 0.0
    return xp.where(some, xp.log(xp.where(some, weights, xp.ones_like(weights))), -float("inf") * xp.ones_like(weights))
