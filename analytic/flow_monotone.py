"""The exact flow of a one-dimensional mixture: X_t = F_t^{-1}(F_s(x)), F the mixture's distribution function.

In one dimension the probability flow is monotone, so it carries quantiles to quantiles. Everything is done with the
logarithm of the smaller of the two tails, which resolves points beyond 38 standard deviations on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from analytic.product_law import Line

Array = NDArray[np.floating[Any]]
_EPS = float(np.finfo(np.float64).eps)
_BLOCK = 1 << 21  # elements of (points, components) at once


@dataclass(frozen=True, eq=False)
class MonotoneFlow:
    """The flow of a `Line`; points are (N,) or (N, 1) float64 NumPy arrays, answers have the same shape."""

    line: Line
    exact: bool = True

    @property
    def error_bound(self) -> float:
        """Rounding per operation, relative; `error` turns it into an absolute bound at a point."""
        return 16.0 * _EPS

    def __call__(self, x: Array, s: float, t: float) -> Array:
        """X_t for X_s = x. ValueError where s or t is outside [0, 1] or the law has a point mass there."""
        if s == t:
            return np.array(x, dtype=np.float64)
        flat = np.asarray(x, dtype=np.float64).reshape(-1)
        source, target = _Mixture.of(self.line, s), _Mixture.of(self.line, t)
        return _transport(flat, source, target).reshape(np.shape(x))

    def log_derivative(self, x: Array, s: float, t: float) -> Array:
        """log dX_t / dx = log rho_s(x) − log rho_t(X_t), shaped like x."""
        flat = np.asarray(x, dtype=np.float64).reshape(-1)
        source, target = _Mixture.of(self.line, s), _Mixture.of(self.line, t)
        out = source.log_density(flat) - target.log_density(_transport(flat, source, target))
        return out.reshape(np.shape(x))

    def error(self, x: Array, s: float, t: float) -> Array:
        """A bound on |computed X_t − exact X_t|, shaped like x: rounding of x, of the tails and of X_t, amplified.

        A relative rounding d in the tail probability P moves X_t by d P / rho_t(X_t), so between two far modes,
        where rho_t is tiny, the flow is as ill-conditioned as this bound says.
        """
        flat = np.asarray(x, dtype=np.float64).reshape(-1)
        source, target = _Mixture.of(self.line, s), _Mixture.of(self.line, t)
        lower, upper = source.log_tails(flat)
        level = np.minimum(lower, upper)
        y = _transport(flat, source, target)
        with np.errstate(over="ignore"):
            tail = np.exp(level - target.log_density(y)) * (1.0 + np.abs(level))
            slope = np.exp(source.log_density(flat) - target.log_density(y))
        places = np.abs(y) + target.reach + slope * (np.abs(flat) + source.reach)
        return (self.error_bound * (tail + places)).reshape(np.shape(x))


@dataclass(frozen=True, eq=False)
class _Mixture:
    log_weight: Array
    mean: Array
    sd: Array

    @classmethod
    def of(cls, line: Line, t: float) -> _Mixture:
        mean, sd = line.at(t)
        keep = line.weights > 0.0
        return cls(np.log(line.weights[keep]), mean[keep], sd[keep])

    @property
    def reach(self) -> float:
        return float(np.max(np.abs(self.mean)))

    def log_tails(self, x: Array) -> tuple[Array, Array]:
        """(log F, log(1 − F)), (N,) each."""
        return self._sum(x, log_ndtr), self._sum(x, lambda z: log_ndtr(-z))

    def log_tail(self, x: Array, lower: NDArray[np.bool_]) -> Array:
        """log F where `lower`, else log(1 − F)."""
        sign = np.where(lower, 1.0, -1.0)
        return self._sum(x, lambda z, rows=slice(None): log_ndtr(sign[rows, None] * z), rows=True)

    def log_density(self, x: Array) -> Array:
        """log rho, (N,)."""
        constant = -0.5 * np.log(2.0 * np.pi) - np.log(self.sd)
        return self._sum(x, lambda z: constant - 0.5 * z * z)

    def _sum(self, x: Array, term, rows: bool = False) -> Array:  # type: ignore[no-untyped-def]
        out = np.empty(x.shape)
        size = max(1, _BLOCK // self.mean.size)
        for start in range(0, x.size, size):
            part = slice(start, start + size)
            z = (x[part, None] - self.mean) / self.sd
            logs = self.log_weight + (term(z, part) if rows else term(z))
            peak = np.max(logs, axis=1)
            out[part] = peak + np.log(np.sum(np.exp(logs - peak[:, None]), axis=1))
        return out


def _transport(x: Array, source: _Mixture, target: _Mixture) -> Array:
    if not np.all(np.isfinite(x)):
        raise ValueError("x: expected finite points, got NaN or infinity among them")
    log_lower, log_upper = source.log_tails(x)
    lower = log_lower <= log_upper
    return _quantile(target, np.where(lower, log_lower, log_upper), lower)


def _quantile(law: _Mixture, level: Array, lower: NDArray[np.bool_]) -> Array:
    """The y with log tail(y) = level, tail the lower one where `lower`: safeguarded Newton on the log tail.

    A mixture's quantile lies between the smallest and the largest quantile of its components, which brackets it.
    """
    sign = np.where(lower, 1.0, -1.0)
    z = sign * ndtri_exp(level)
    lo, hi = np.full(z.shape, np.inf), np.full(z.shape, -np.inf)
    for mean, sd in zip(law.mean, law.sd, strict=True):
        lo, hi = np.minimum(lo, mean + sd * z), np.maximum(hi, mean + sd * z)
    pad = 8.0 * _EPS * (np.abs(lo) + np.abs(hi) + np.max(law.sd))
    lo, hi = lo - pad, hi + pad
    y = 0.5 * (lo + hi)
    active = np.arange(y.size)
    previous = hi - lo
    # Bisection alone needs 52 + log2(range / ulp of the answer) halvings; Newton ends it after a few.
    for _ in range(200):
        here, side = y[active], sign[active]
        tail = law.log_tail(here, lower[active])
        gap = side * (tail - level[active])  # rising in y on both sides
        lo[active] = np.where(gap <= 0.0, here, lo[active])
        hi[active] = np.where(gap >= 0.0, here, hi[active])
        with np.errstate(over="ignore", invalid="ignore"):
            step = -gap * np.exp(tail - law.log_density(here))
        trial = here + step
        bad = ~((trial > lo[active]) & (trial < hi[active])) | (np.abs(step) > 0.5 * previous[active])
        fresh = np.where(bad, 0.5 * (lo[active] + hi[active]), trial)
        fresh = np.where(gap == 0.0, here, fresh)
        previous[active] = np.where(bad, hi[active] - lo[active], np.abs(step))
        moved = np.abs(fresh - here)
        y[active] = fresh
        active = active[moved > _EPS * np.abs(fresh)]
        if active.size == 0:
            break
    return y
