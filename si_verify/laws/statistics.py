"""Tests of a sample against a Gaussian mixture at error rates of 1e-9 and below: moments, modes, tails, projections.

Every test is of one statistic whose exact value is known in closed form; every bound is exact or conservative at
finite n. A bound is widened by the excuse for the step size (si_verify/laws/terminal_sample.py), and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats as sps

from analytic.mixture import GaussianMixture
from si_verify.fields.cached import dense_blocks
from si_verify.laws.terminal_sample import TerminalSample
from si_verify.measurement import Measurement
from si_verify.stats import cdf_test, mean_test, two_sample_cdf_test

# A mode this light is visited too rarely in a sample to be weighed.
_LIGHTEST_MODE = 0.01
_TAIL = 0.01


@dataclass(frozen=True)
class Row:
    """One test: value ≤ critical + allowance, and the smallest effect it would have seen."""

    name: str
    value: float
    critical: float
    detectable: float
    allowance: float
    alpha: float

    def measurement(self, label: str) -> Measurement:
        bound = self.critical + self.allowance
        return Measurement(
            f"{self.name}, {label}", self.value, bound, "at_most", "sampling",
            f"critical value {self.critical:.3g} at error rate {self.alpha:.1g}"
            f" plus {self.allowance:.3g} for the step size, from a run at twice the step",
            confidence=1.0 - self.alpha, detectable=self.detectable + self.allowance,
            # A step-size excuse far above the critical value means that the ladder was too coarse to judge the law.
            resolution=8.0 * self.detectable,
        )  # fmt: skip


def components(law: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (K,), means (K, D), covariances (K, D, D) with identical components merged."""
    means = np.asarray(law.means, dtype=float)
    covs = dense_blocks(np.asarray(law.covariances, dtype=float), means.shape[1])
    keys = np.round(np.concatenate([means, covs.reshape(len(means), -1)], axis=1), 9)
    _, first, owner = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    weights = np.bincount(owner.reshape(-1), weights=np.asarray(law.weights, dtype=float))
    return weights, means[first], covs[first]


def moment_functions(law: Any) -> Iterator[tuple[str, Any, float]]:
    """(name, x (N, D) -> (N,), exact expectation): means, covariances, weights of modes."""
    mean, cov = np.asarray(law.mean(), dtype=float), np.asarray(law.covariance(), dtype=float)
    dim = mean.size
    for i in range(min(dim, 8)):
        yield f"mean of x{i}", (lambda x, i=i: x[:, i]), float(mean[i])
    pairs = [(i, i) for i in range(min(dim, 8))] + [(i, (i + 1) % dim) for i in range(min(dim, 4)) if dim > 1]
    for i, j in sorted({(min(p), max(p)) for p in pairs}):
        name = f"variance of x{i}" if i == j else f"covariance of x{i}, x{j}"
        yield name, (lambda x, i=i, j=j: (x[:, i] - mean[i]) * (x[:, j] - mean[j])), float(cov[i, j])
    weights, means, covs = components(law)
    if 1 < len(weights) <= 16:
        merged = GaussianMixture(weights, means, covs)
        for k in np.flatnonzero(weights >= _LIGHTEST_MODE):
            yield f"weight of mode {k}", (lambda x, k=k: merged.responsibilities(x)[:, k]), float(weights[k])


def moment_row(name: str, f: Any, expected: float, sample: TerminalSample, alpha: float) -> Row:
    """E[f(X)] against its exact value."""
    fine, coarse = f(sample.fine), f(sample.coarse)
    test = mean_test(fine, expected, alpha)
    allowance = sample.excuse * abs(float(np.mean(fine - coarse)))
    return Row(name, test.deviation, test.critical, test.detectable, allowance, alpha)


def projected_cdf(law: Any, direction: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The exact CDF of direction·X at direction·x: a projection of a mixture is a one-dimensional mixture."""
    means = np.asarray(law.means, dtype=float) @ direction
    covs = dense_blocks(np.asarray(law.covariances, dtype=float), direction.size)
    variances = np.einsum("i,kij,j->k", direction, covs, direction)
    line = GaussianMixture(np.asarray(law.weights, dtype=float), means[:, None], variances[:, None])
    return np.asarray(line.cdf(x @ direction))


def tail_row(name: str, u: np.ndarray, u_coarse: np.ndarray, sample: TerminalSample, alpha: float) -> Row:
    """The share of the sample beyond the 1 % quantile; u (N,) is the exact CDF at the sample. Exact binomial bound."""
    n = u.size
    share = float(np.mean(u < _TAIL)) if np.isfinite(u).all() else math.nan
    above = float(sps.binom.isf(alpha / 2, n, _TAIL)) / n - _TAIL
    below = _TAIL - float(sps.binom.ppf(alpha / 2, n, _TAIL)) / n
    critical = below if share < _TAIL else above
    allowance = sample.excuse * abs(float(np.mean(u < _TAIL)) - float(np.mean(u_coarse < _TAIL)))
    power = 2.33 * math.sqrt(_TAIL * (1 - _TAIL) / n)
    return Row(name, abs(share - _TAIL), critical, critical + power, allowance, alpha)


def kolmogorov_row(name: str, u: np.ndarray, u_coarse: np.ndarray, sample: TerminalSample, alpha: float) -> Row:
    """Kolmogorov distance to the exact CDF; u (N,) as above."""
    test = cdf_test(u, alpha)
    allowance = sample.excuse * _distance(u, u_coarse)
    return Row(name, test.distance, test.critical, test.detectable, allowance, alpha)


def density_row(sample: TerminalSample, exact: np.ndarray, alpha: float) -> Row:
    """Two-sample test of log ρ(X) against exact samples: sees what no projection does, in any dimension."""
    fine, coarse, right = (np.asarray(sample.law.log_density(x)) for x in (sample.fine, sample.coarse, exact))
    test = two_sample_cdf_test(fine, right, alpha)
    allowance = sample.excuse * _distance(fine, coarse)
    return Row("log density, two-sample Kolmogorov", test.distance, test.critical, test.detectable, allowance, alpha)


def kernel_row(sample: TerminalSample, alpha: float, rows: int) -> Row:
    """Maximum mean discrepancy to ρ under a Gaussian kernel, ρ's side in closed form.

    P(MMD > (1 + √(2 log 1/α))/√n) ≤ α by McDiarmid for a kernel bounded by one (Gretton et al., JMLR 13, 2012,
    Theorem 7 with the second sample infinite).
    """
    fine, coarse = sample.fine[:rows], sample.coarse[:rows]
    width = float(np.trace(np.asarray(sample.law.covariance()))) / fine.shape[1]
    value = math.sqrt(max(_mmd_to_law(fine, sample.law, width), 0.0)) if np.isfinite(fine).all() else math.nan
    between = _kernel(fine, fine, width) + _kernel(coarse, coarse, width) - 2 * _kernel(fine, coarse, width)
    critical = (1.0 + math.sqrt(2.0 * math.log(1.0 / alpha))) / math.sqrt(len(fine))
    power = math.sqrt(2.0 * math.log(100.0) / len(fine))
    allowance = sample.excuse * math.sqrt(max(between, 0.0)) if math.isfinite(between) else 0.0
    return Row("maximum mean discrepancy", value, critical, critical + power, allowance, alpha)


def _kernel(x: np.ndarray, y: np.ndarray, width: float) -> float:
    square = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    return float(np.exp(-0.5 * np.maximum(square, 0.0) / width).mean())


def _mmd_to_law(x: np.ndarray, law: Any, width: float) -> float:
    """Mean k(x, x') − 2 mean E k(x, Y) + E k(Y, Y'), k = exp(−|x − y|²/2 width)."""
    weights, means, covs = components(law)
    dim = x.shape[1]
    scale = math.sqrt((2 * math.pi * width) ** dim)
    smooth = GaussianMixture(weights, means, covs + width * np.eye(dim))
    cross = float(np.exp(np.asarray(smooth.log_density(x))).mean()) * scale
    own = 0.0
    for k in range(len(weights)):
        pair = GaussianMixture(weights, means, covs + covs[k] + width * np.eye(dim))
        own += weights[k] * float(np.exp(np.asarray(pair.log_density(means[k : k + 1])))[0]) * scale
    return _kernel(x, x, width) - 2 * cross + own


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    """sup |F − G| of two empirical distribution functions."""
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return 0.0
    a, b = np.sort(first), np.sort(second)
    both = np.concatenate([a, b])
    steps = np.searchsorted(a, both, "right") / a.size - np.searchsorted(b, both, "right") / b.size
    return float(np.max(np.abs(steps)))
