"""Statistics of checks: order fits with intervals, and one-sample tests at tiny error rates.

A run has one false-alarm budget (plan.py shares it over its statistical cases); a case shares its part over its own
assertions with ``split``. Error rates are of the order 1e-9, so only tests with exact or conservative finite-sample
bounds are offered, none that needs resampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as sps

Array = NDArray[np.float64]

# Orders come in halves; a three-term model of an error is itself asymptotic: a tenth of their spacing is left for it.
_MODEL_ERROR = 0.05


def split(alpha: float, assertions: int) -> float:
    """Bonferroni: the error rate of each of ``assertions`` so that together they err with at most ``alpha``."""
    if assertions < 1:
        raise ValueError(f"assertions: expected at least 1, got {assertions}")
    return alpha / assertions


@dataclass(frozen=True)
class OrderFit:
    """Observed order p in e = c h^p (1 + d h): estimate, interval, and the rungs that entered.

    ``reason`` says why there is no fit (``order`` is NaN then): too few rungs above the rounding floor, or errors
    that are not finite.
    """

    order: float
    low: float
    high: float
    used: tuple[int, ...]
    reason: str = ""

    @property
    def interval(self) -> tuple[float, float]:
        return (self.low, self.high)

    @property
    def found(self) -> bool:
        return not self.reason


def fit_order(step: ArrayLike, error: ArrayLike, floor: ArrayLike = 0.0, confidence: float = 0.99) -> OrderFit:
    """Observed order of convergence over a refinement ladder.

    Fits log e = log c + p log h + d h by least squares over the finest rungs that stand above ``floor`` (the level at
    which rounding, not truncation, makes the error) and in the asymptotic regime. The interval joins Student's
    interval of that fit with what the fit without its d-term and the two finest local slopes, extrapolated to h = 0,
    say: the systematic part (not yet asymptotic) counts as uncertainty and is not averaged away.

    step, error: (R,), any order of rungs; floor: scalar or (R,). Steps need not be powers of two.
    """
    h = np.asarray(step, dtype=float)
    e = np.asarray(error, dtype=float)
    if h.ndim != 1 or h.shape != e.shape:
        raise ValueError(f"step, error: expected equal 1-D shapes, got {h.shape} and {e.shape}")
    ranked = np.argsort(-h)
    limit = np.broadcast_to(np.asarray(floor, dtype=float), h.shape)
    usable = [int(i) for i in ranked if np.isfinite(e[i]) and e[i] > 0 and e[i] > limit[i]]
    if len(usable) < 3:
        why = "no finite errors" if not np.isfinite(e).any() else "fewer than 3 rungs above the rounding floor"
        return OrderFit(math.nan, -math.inf, math.inf, tuple(usable), why)
    used = _asymptotic(h, e, usable)
    x, y = np.log(h[used]), np.log(e[used])
    slopes = np.diff(y) / np.diff(x)
    candidates = [_extrapolated(h[used], slopes)]
    spread = 0.0
    plain_slope, plain_spread = _least_squares(np.column_stack([np.ones_like(x), x]), y, confidence)
    order = plain_slope
    if len(used) >= 4:
        scale = h[used] / h[used].max()
        order, spread = _least_squares(np.column_stack([np.ones_like(x), x, scale]), y, confidence)
        candidates.append(order)
    else:
        spread = plain_spread
    candidates.append(float(slopes[-1]))
    spread = max(spread, _MODEL_ERROR)
    low, high = min(candidates) - spread, max(candidates) + spread
    return OrderFit(float(np.clip(order, low, high)), float(low), float(high), tuple(used))


def _asymptotic(h: Array, e: Array, usable: list[int]) -> list[int]:
    """The longest run of finest rungs, at least 3 and at most 6, whose local slopes stay within 0.5 of the last."""
    slopes = [(math.log(e[b]) - math.log(e[a])) / (math.log(h[b]) - math.log(h[a])) for a, b in pairwise(usable)]
    keep = 2
    while keep < min(len(slopes), 5) and abs(slopes[-keep - 1] - slopes[-1]) < 0.5:
        keep += 1
    return usable[-keep - 1 :]


def _extrapolated(h: Array, slopes: Array) -> float:
    """Local slopes extrapolated linearly to h = 0 from the two finest."""
    middles = np.sqrt(h[1:] * h[:-1])
    a, b = middles[-2], middles[-1]
    return float(slopes[-1] - (slopes[-2] - slopes[-1]) * b / (a - b))


def _least_squares(design: Array, y: Array, confidence: float) -> tuple[float, float]:
    """The coefficient of log h (column 1) and the half-width of its Student interval."""
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    freedom = len(y) - design.shape[1]
    if freedom < 1:
        return float(coefficients[1]), 0.0
    residual = y - design @ coefficients
    covariance = np.linalg.pinv(design.T @ design) * float(residual @ residual) / freedom
    return float(coefficients[1]), float(sps.t.ppf(0.5 + confidence / 2, freedom) * math.sqrt(covariance[1, 1]))


@dataclass(frozen=True)
class MeanTest:
    """|sample mean − expected|, its critical value at the stated error rate, and the smallest shift it detects."""

    deviation: float
    critical: float
    detectable: float
    alpha: float


def mean_test(sample: ArrayLike, expected: float, alpha: float, power: float = 0.99) -> MeanTest:
    """Two-sided test that E[sample] = expected, at error rate ``alpha``.

    Student's t with the sample's standard deviation, widened by the Cornish–Fisher terms for the sample's skewness and
    excess kurtosis, which matter in tails of 1e-9 even at n = 1e5. sample: (n,), n at least 100, independent.
    """
    x = np.asarray(sample, dtype=float)
    if x.ndim != 1 or x.size < 100:
        raise ValueError(f"sample: expected shape (n,) with n ≥ 100, got {x.shape}")
    n = x.size
    centre, scale = float(x.mean()), float(x.std(ddof=1))
    if scale == 0.0 or not math.isfinite(scale):
        level = 8 * np.finfo(float).eps * max(abs(expected), abs(centre))
        return MeanTest(abs(centre - expected), level, level, alpha)
    z = float(sps.t.isf(alpha / 2, n - 1))
    standard = (x - centre) / scale
    skew = abs(float(np.mean(standard**3))) / math.sqrt(n)
    tail = max(0.0, float(np.mean(standard**4)) - 3.0) / n
    width = z + skew * (z * z - 1) / 6 + tail * (z**3 - 3 * z) / 24 + skew**2 * (2 * z**3 - 5 * z) / 36
    error = scale / math.sqrt(n)
    return MeanTest(abs(centre - expected), width * error, (width + float(sps.norm.isf(1 - power))) * error, alpha)


@dataclass(frozen=True)
class CdfTest:
    """Kolmogorov distance, its critical value, and the smallest distance seen with the stated power."""

    distance: float
    critical: float
    detectable: float
    alpha: float


def cdf_test(cdf_values: ArrayLike, alpha: float, power: float = 0.99) -> CdfTest:
    """One-sample Kolmogorov test; ``cdf_values`` (n,) are the exact CDF at the sample.

    The critical value is that of the exact finite-n distribution, at most the Dvoretzky–Kiefer–Wolfowitz bound.
    """
    u = np.sort(np.asarray(cdf_values, dtype=float))
    n = u.size
    if u.ndim != 1 or n < 10:
        raise ValueError(f"cdf_values: expected shape (n,) with n ≥ 10, got {u.shape}")
    if not np.isfinite(u).all():
        return CdfTest(math.nan, math.nan, math.nan, alpha)
    grid = np.arange(1, n + 1) / n
    distance = float(max(np.max(grid - u), np.max(u - grid + 1 / n)))
    critical = min(float(sps.kstwo.isf(alpha, n)), math.sqrt(math.log(2 / alpha) / (2 * n)))
    return CdfTest(distance, critical, critical + math.sqrt(math.log(2 / (1 - power)) / (2 * n)), alpha)


def two_sample_cdf_test(first: ArrayLike, second: ArrayLike, alpha: float, power: float = 0.99) -> CdfTest:
    """Two-sample Kolmogorov test by the DKW bound on each side with sharp constant: conservative at every n.

    P(sup|F_n − G_m| > d) ≤ P(D_n > d n'/...) is replaced by d_n(α/2) + d_m(α/2), valid without asymptotics.
    """
    a, b = np.sort(np.asarray(first, dtype=float)), np.sort(np.asarray(second, dtype=float))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return CdfTest(math.nan, math.nan, math.nan, alpha)
    both = np.concatenate([a, b])
    distance = float(
        np.max(np.abs(np.searchsorted(a, both, "right") / a.size - np.searchsorted(b, both, "right") / b.size))
    )

    def bound(error: float) -> float:
        return sum(math.sqrt(math.log(2 / (error / 2)) / (2 * n)) for n in (a.size, b.size))

    return CdfTest(distance, bound(alpha), bound(alpha) + bound(1 - power), alpha)


def geometric_steps(first: int, last: int, rungs: int) -> Sequence[int]:
    """Step counts from ``first`` to ``last``, evenly spread in log and pairwise distinct, powers of two or not."""
    return sorted({round(float(n)) for n in np.geomspace(first, last, rungs)})
