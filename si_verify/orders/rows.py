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
# What a path's error of exactly zero counts as, so that its logarithm is a number.
_NIL = 1e-30


def judge_order(
    name: str,
    step: Any,
    error: Any,
    floor: Any,
    claimed: float | None,
    why: str,
    spread: float = 0.0,
    alone: bool = True,
) -> tuple[Measurement, OrderFit]:
    """``claimed`` at most the fitted order. Where all finest errors are below ``floor`` the scheme is exact: a pass.

    step, error (R,), floor a number or (R,); ``claimed`` None shows the order without judging it. ``spread``, the
    sampling half-width of the slope, widens its interval. The interval's width
    decides only where the interval reaches below the claim, and only if this fit stands ``alone``.
    """
    errors, floors = np.asarray(error, dtype=float), np.broadcast_to(np.asarray(floor, dtype=float), np.shape(error))
    fit = fit_order(step, errors, floors)
    if fit.found:
        fit = replace(fit, low=fit.low - spread, high=fit.high + spread)
        return order_row(name, fit, claimed, why, alone), fit
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


def order_row(name: str, fit: OrderFit, claimed: float | None, why: str, alone: bool = True) -> Measurement:
    """``claimed`` at most the order of a fit that was found."""
    clear = claimed is not None and fit.low >= claimed
    return Measurement(
        f"order of {name}", fit.order, claimed, "at_least", "truncation", why,
        interval=fit.interval, resolution=None if clear or not alone else SPACING,
    )  # fmt: skip


def sampled_order(step: Any, errors: Any, floor: float, z: float, typical: bool = False) -> OrderFit:
    """The order of E|error| from the errors of the same paths on every rung, steps (R,), errors (R, N) ≥ 0.

    Slopes of log mean error over all rungs, over the three finest, and the second extrapolated by the first: what is
    not yet asymptotic moves them apart. The interval holds all three with z standard errors of each, first-order in
    every path's influence on all rungs at once. Rungs below ``floor`` are left out.

    ``typical`` takes exp E log|error|, the error of a typical path, which rare paths do not rule: a scheme of strong
    order p for every moment converges on almost every path at a rate of p at least, as near as one likes (Kloeden &
    Neuenkirch, LMS J. Comput. Math. 10 (2007)). A scheme that is wrong on some paths only is not seen by it.
    """
    h, e = np.asarray(step, dtype=float), np.asarray(errors, dtype=float)
    mean = path_mean(e, typical)
    used = [int(i) for i in np.argsort(-h) if np.isfinite(mean[i]) and mean[i] > floor]
    if len(used) < 4:
        return OrderFit(math.nan, -math.inf, math.inf, tuple(used), "fewer than 4 rungs above the reference's error")
    x, y = np.log(h[used]), np.log(mean[used])
    influence = _logarithm(e[used]) if typical else e[used] / mean[used, None]
    whole, fine = _slope_weights(x), np.zeros_like(x)
    fine[-3:] = _slope_weights(x[-3:])
    rows = []
    for weights in (whole, fine, 2.0 * fine - whole):
        spread = z * float((weights @ influence).std(ddof=1)) / math.sqrt(e.shape[1])
        rows.append((float(weights @ y), spread))
    low, high = min(p - s for p, s in rows), max(p + s for p, s in rows)
    return OrderFit(rows[1][0], low, high, tuple(used))


def path_mean(errors: np.ndarray, typical: bool) -> np.ndarray:
    """Mean over paths of errors (..., N), geometric where ``typical``."""
    mean = np.exp(_logarithm(errors).mean(-1)) if typical else errors.mean(-1)
    return np.asarray(mean)


def path_bars(errors: np.ndarray, z: float, typical: bool) -> np.ndarray:
    """``path_mean`` give or take z standard errors, (R, 2)."""
    values = _logarithm(errors) if typical else errors
    half = z * values.std(-1, ddof=1) / math.sqrt(errors.shape[-1])
    low, high = values.mean(-1) - half, values.mean(-1) + half
    return np.stack([np.exp(low), np.exp(high)] if typical else [np.maximum(low, 0.0), high], axis=-1)


def _logarithm(errors: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(errors, _NIL)))


def _slope_weights(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean()
    return centred / float((centred**2).sum())


def slope_spread(step: Any, squares: Any, z: float) -> float:
    """Half-width, z standard errors, of the slope of log RMS error against log step, all rungs on the same paths.

    squares (R, N): squared errors by rung and path. First-order in the path's influence on every rung at once, so that
    what common random numbers share between rungs does not count.
    """
    weights = _slope_weights(np.log(np.asarray(step, dtype=float)))
    s = np.asarray(squares, dtype=float)
    influence = 0.5 * weights @ (s / s.mean(axis=1, keepdims=True))
    return z * float(influence.std(ddof=1)) / math.sqrt(s.shape[1])


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
