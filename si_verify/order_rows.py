"""From errors on a ladder to a judged order and the columns of its picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from si_verify.measurement import Data, Measurement
from si_verify.stats import OrderFit, fit_order

# Orders of SDE schemes are multiples of one half: a wider interval does not tell neighbours apart.
SPACING = 0.5


def judge_order(
    name: str,
    step: Any,
    error: Any,
    floor: Any,
    claimed: float | None,
    why: str,
    bars: Any = None,
    alone: bool = True,
) -> tuple[Measurement, OrderFit]:
    """``claimed`` at most the fitted order. Where all finest errors are below ``floor`` the scheme is exact: a pass.

    step, error (R,), floor a number or (R,); ``claimed`` None shows the order without judging it. ``bars`` (R, 2), the
    interval of each sampled error, widens the order's by what a tilt through them makes of it. The interval's width
    decides only where the interval reaches below the claim, and only if this fit stands ``alone``.
    """
    errors, floors = np.asarray(error, dtype=float), np.broadcast_to(np.asarray(floor, dtype=float), np.shape(error))
    fit = fit_order(step, errors, floors)
    if fit.found:
        fit = _widened(fit, np.asarray(step, dtype=float), bars)
        clear = claimed is not None and fit.low >= claimed
        return (
            Measurement(
                f"order of {name}", fit.order, claimed, "at_least", "truncation", why,
                interval=fit.interval, resolution=None if clear or not alone else SPACING,
            ),
            fit,
        )  # fmt: skip
    finest = int(np.argmin(np.asarray(step, dtype=float)))
    value = float(errors[finest]) if np.isfinite(errors).all() else math.nan
    bound = None if claimed is None else float(floors[finest])
    return (
        Measurement(
            f"error of {name}", value, bound, "at_most", "rounding",
            f"no order to fit ({fit.reason}): the finest rung must be exact up to the floor",
        ),
        fit,
    )  # fmt: skip


def _widened(fit: OrderFit, step: np.ndarray, bars: Any) -> OrderFit:
    if bars is None:
        return fit
    used = list(fit.used)
    low, high = np.log(np.maximum(np.asarray(bars, dtype=float)[used], 1e-300)).T
    tilt = float(np.max(high - low)) / float(np.ptp(np.log(step[used])))
    return replace(fit, low=fit.low - tilt, high=fit.high + tilt)


def convergence(
    title: str,
    label: str,
    steps: Sequence[int],
    step: Any,
    error: Any,
    floor: Any,
    claimed: float | None,
    fit: OrderFit,
    bars: Any = None,
) -> Data:
    """The ``convergence`` picture (docs/record.md); ``bars`` (R, 2): interval of each error."""
    columns: dict[str, Sequence[Any]] = {
        "step": [float(h) for h in np.asarray(step)],
        "n": [int(n) for n in steps],
        "error": [float(e) if math.isfinite(e) else None for e in np.asarray(error)],
        "used": [i in fit.used for i in range(len(steps))],
    }
    if bars is not None:
        columns["error_low"], columns["error_high"] = ([float(v) for v in side] for side in np.asarray(bars).T)
    return Data(
        "convergence",
        title,
        columns,
        {
            "claimed": claimed,
            "order": fit.order if fit.found else None,
            "low": fit.low if fit.found else None,
            "high": fit.high if fit.found else None,
            "floor": float(np.max(floor)),
            "label": label,
        },
    )
