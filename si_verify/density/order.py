"""Observed order of a density solver over a ladder of grids.

Errors on grids are not smooth in h: extrema fall on centres or on faces, step counts are whole numbers. Slopes between
rungs a factor of two apart are barely touched by that; neighbouring rungs, or a fit with more terms, are. The interval
is the finest of those slopes, give or take what it differs from the one before, be that trend or scatter; towards where
slopes have been heading twice in a row it reaches to their limit under an error c hᵖ(1 + a h).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from si_verify.measurement import Data, Measurement
from si_verify.orders.rows import convergence
from si_verify.stats import OrderFit

FACTOR = 1.9  # rungs this far apart make a slope
# Left to what scatters between grids: a sixteenth of the order (a step count off by 2 % moves the slope between two
# grids by p·0.04/log 2), at least a quarter of a half, in which orders come.
_SCATTER, _LEAST_SCATTER = 1 / 16, 0.125
_RESOLUTION = 0.75


def observed_order(step: Any, error: Any, floor: Any, claimed: float) -> OrderFit:
    """Order from slopes over pairs of rungs; step, error, floor (R,), coarse to fine.

    Rungs at or below ``floor`` do not enter; with fewer than two slopes left there is no fit, and ``reason`` says why.
    """
    h, e = np.asarray(step, dtype=float), np.asarray(error, dtype=float)
    limit = np.broadcast_to(np.asarray(floor, dtype=float), h.shape)
    usable = [i for i in np.argsort(-h) if np.isfinite(e[i]) and e[i] > limit[i]]
    slopes, used = [], set()
    for n, j in enumerate(usable):
        i = next((i for i in reversed(usable[:n]) if h[i] >= FACTOR * h[j]), None)
        if i is not None:
            slopes.append(math.log(e[i] / e[j]) / math.log(h[i] / h[j]))
            used |= {int(i), int(j)}
    if not np.isfinite(e).all():
        return OrderFit(math.nan, -math.inf, math.inf, tuple(usable), "an error is not finite")
    if len(slopes) < 2:
        return OrderFit(math.nan, -math.inf, math.inf, tuple(usable), "fewer than 2 slopes above the rounding floor")
    # What the last slope differs from the one before is trend or scatter: the limit may lie as far on either side.
    change, scatter = slopes[-1] - slopes[-2], _scatter(claimed)
    # Slopes p + a h at h and at the next rung's r h, r < 1, have their limit at change · r/(1 − r) beyond the last.
    ratio = h[usable[-1]] / h[usable[-2]]
    # A trend is what has gone the same way twice; one change may be scatter.
    steady = len(slopes) >= 3 and change * (slopes[-2] - slopes[-3]) > 0
    ahead = change * max(1.0, ratio / (1.0 - ratio)) if steady else change
    # Upwards no further than the claim: what lies beyond decides nothing.
    low, high = min(ahead, -abs(change)) - scatter, max(min(ahead, claimed - slopes[-1]), abs(change)) + scatter
    return OrderFit(slopes[-1], slopes[-1] + low, slopes[-1] + high, tuple(sorted(used)))


def _scatter(claimed: float) -> float:
    return max(_LEAST_SCATTER, _SCATTER * claimed)


def judge(
    name: str, step: Any, error: Any, floor: Any, claimed: float, unit: str = "h"
) -> tuple[Measurement, OrderFit]:
    """The claimed order is at most the observed one; where the finest errors are at the floor the scheme is exact."""
    fit = observed_order(step, error, floor, claimed)
    if fit.found:
        clear = fit.low >= claimed - _scatter(claimed)
        chosen = ", steps as the solver chooses them" if unit == "h" else ""
        why = f"the claimed order in {unit}{chosen}; slopes over pairs of rungs a factor 2 apart"
        row = Measurement(
            f"order of {name}", fit.order, claimed, "at_least", "truncation", why,
            interval=fit.interval, resolution=None if clear else _RESOLUTION,
        )  # fmt: skip
        return row, fit
    errors, floors = np.asarray(error, dtype=float), np.broadcast_to(np.asarray(floor, dtype=float), np.shape(error))
    finest = int(np.argmin(np.asarray(step, dtype=float)))
    value = float(errors[finest]) if np.isfinite(errors).all() else math.nan
    row = Measurement(
        f"error of {name}", value, float(floors[finest]), "at_most", "rounding",
        f"no order to fit ({fit.reason}): the finest grid must be exact up to the floor",
    )  # fmt: skip
    return row, fit


def decided(row: Measurement) -> bool:
    """Whether more rungs could change nothing: not against the claim, and narrow enough."""
    if row.interval is None:
        return True
    low, high = row.interval
    return high >= (row.bound or 0.0) and (row.resolution is None or high - low <= row.resolution)


def picture(label: str, cells: list[int], step: Any, error: Any, floor: Any, claimed: float, fit: OrderFit) -> Data:
    """The convergence picture of a ladder."""
    found = convergence("Order of convergence in L1", label, cells, step, error, floor, claimed, fit)
    return Data(found.kind, found.title, found.columns, {**found.meta, "x_label": "cell width h"})
