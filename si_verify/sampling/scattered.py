"""Order of errors that scatter about their trend: where a grid cut to integers or rounded tables make them uneven.

stats.fit_order reads the slope of a smooth error from its finest rungs. Where neighbouring rungs contradict one another
it says so by an interval that decides nothing. Order p means e(h) ≤ C h^p, a statement about the largest error at steps
no longer than h: of that envelope the chance zeros of an uneven error are no part. What scatter it keeps is noise about
a line in the logarithms, and more rungs over a longer range buy a narrower interval: Student's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as sps

from si_verify.stats import OrderFit

# The finest part of the ladder that speaks for the limit, in powers of the step, and the rungs needed in it. The
# envelope at a rung is known only if there are finer ones: the two finest enter by it and not by themselves.
_SPAN = 9.0
_FEWEST = 6
_BEYOND = 2
_CONFIDENCE = 0.999


def fit_scattered(step: ArrayLike, error: ArrayLike, floor: ArrayLike) -> OrderFit:
    """log E = log c + p log h with E the largest error at that or a finer step, over rungs above ``floor``.

    step, error, floor: (R,). The interval joins Student's of that line with that of the same rungs less the coarsest
    third, so that a trend that bends is not read as scatter. OrderFit.reason says where there are too few rungs.
    """
    h, e = np.asarray(step, dtype=float), np.asarray(error, dtype=float)
    limit = np.broadcast_to(np.asarray(floor, dtype=float), h.shape)
    usable = [int(i) for i in np.argsort(-h) if np.isfinite(e[i]) and e[i] > limit[i]]
    if usable:
        usable = [i for i in usable if h[i] <= _SPAN * h[usable[-1]]]
    if len(usable) < _FEWEST + _BEYOND:
        reason = f"{len(usable)} rungs above the rounding floor, fewer than {_FEWEST + _BEYOND}"
        return OrderFit(math.nan, -math.inf, math.inf, tuple(usable), reason)
    envelope = np.log(np.maximum.accumulate(e[usable][::-1])[::-1])[:-_BEYOND]
    steps = np.log(h[usable])[:-_BEYOND]
    third = len(steps) // 3
    fits = [_line(steps[skip:], envelope[skip:]) for skip in (0, third)]
    low, high = min(p - w for p, w in fits), max(p + w for p, w in fits)
    return OrderFit(fits[0][0], low, high, tuple(usable))


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope, and half-width of Student's interval."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    freedom = len(x) - 2
    error = math.sqrt(float(residual @ residual) / freedom / float(centred @ centred))
    return slope, float(sps.t.ppf(0.5 + _CONFIDENCE / 2, freedom)) * error
