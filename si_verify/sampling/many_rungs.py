"""Order from many rungs: of errors that bend, and of those that a grid cut to integers or rounded tables make uneven.

stats.fit_order reads the slope of a smooth error from its finest rungs, and where neighbouring rungs contradict one
another it answers with an interval that decides nothing. More rungs over a longer range buy a narrower one. Each model
of the error below gives an interval of its own (Student's); none is right for every subject:

straight    log e = c + p log h over the finest factor 2.5
bent        … + d h over a factor 5
curved      … + d h + f h² over a factor 9
envelope    straight, over a factor 9, of the largest error at that or a finer step: order p means e(h) ≤ C h^p, so the
            chance zeros of an uneven error are no part of it; only where errors do rise under refinement
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as sps

from si_verify.stats import OrderFit

_SPANS = {"straight": (2.5, 0), "bent": (5.0, 1), "curved": (9.0, 2)}
# The envelope at a rung is known only if there are finer ones: the two finest enter by it and not by themselves.
_ENVELOPE_SPAN, _BEYOND = 9.0, 2
_FEWEST = 6
_CONFIDENCE = 0.999
# A model whose interval is wider than the step from one whole order to the next says nothing of the order.
_INFORMATIVE = 1.0


def fit_many(step: ArrayLike, error: ArrayLike, floor: ArrayLike, claimed: float) -> OrderFit:
    """The claim is refuted only if every model that says anything refutes it; else the narrowest that does not speaks.

    step, error, floor: (R,). ``reason`` is set where no model has rungs enough.
    """
    fits = [fit for fit in _models(step, error, floor) if fit.found]
    if not fits:
        return OrderFit(math.nan, -math.inf, math.inf, (), f"fewer than {_FEWEST} rungs above the rounding floor")
    telling = [fit for fit in fits if _width(fit) <= _INFORMATIVE] or [min(fits, key=_width)]
    for_it = [fit for fit in telling if fit.high >= claimed]
    if for_it:
        return min(for_it, key=_width)
    best = min(telling, key=_width)
    return OrderFit(best.order, min(fit.low for fit in telling), max(fit.high for fit in telling), best.used)


def _width(fit: OrderFit) -> float:
    return fit.high - fit.low


def _models(step: ArrayLike, error: ArrayLike, floor: ArrayLike) -> Iterator[OrderFit]:
    h, e = np.asarray(step, dtype=float), np.asarray(error, dtype=float)
    for span, powers in _SPANS.values():
        part = _usable(step, error, floor, span)
        yield _fit(part, h[part], e[part], powers)
    part = _usable(step, error, floor, _ENVELOPE_SPAN)
    if np.any(np.diff(e[part]) > 0):
        envelope = np.maximum.accumulate(e[part][::-1])[::-1]
        yield _fit(part, h[part][:-_BEYOND], envelope[:-_BEYOND], 0)


def _fit(part: list[int], h: np.ndarray, e: np.ndarray, powers: int) -> OrderFit:
    """The coefficient of log h beside a constant and the first ``powers`` powers of h."""
    if len(h) < max(_FEWEST, 4 + powers):
        return OrderFit(math.nan, -math.inf, math.inf, tuple(part), "too few rungs")
    x, y = h / h.max(), np.log(e)
    design = np.column_stack([np.log(x), *(x**k for k in range(powers + 1))])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ coefficients
    freedom = len(y) - design.shape[1]
    variance = np.linalg.pinv(design.T @ design)[0, 0] * float(residual @ residual) / freedom
    half = float(sps.t.ppf(0.5 + _CONFIDENCE / 2, freedom)) * math.sqrt(variance)
    order = float(coefficients[0])
    return OrderFit(order, order - half, order + half, tuple(part))


def _usable(step: ArrayLike, error: ArrayLike, floor: ArrayLike, span: float) -> list[int]:
    """Rungs above the floor within the span, coarsest first."""
    h, e = np.asarray(step, dtype=float), np.asarray(error, dtype=float)
    limit = np.broadcast_to(np.asarray(floor, dtype=float), h.shape)
    usable = [int(i) for i in np.argsort(-h) if np.isfinite(e[i]) and e[i] > limit[i]]
    return [i for i in usable if h[i] <= span * h[usable[-1]]]
