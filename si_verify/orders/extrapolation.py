"""What a ladder converges to: Richardson extrapolation to step zero, with its own error estimate.

A one-step scheme's moments on smooth coefficients expand in powers of the step, q(h) = q0 + c1 h + c2 h² + ...
(Talay & Tubaro, Stoch. Anal. Appl. 8, 1990), so that the polynomial through R rungs, read at h = 0, gives q0. A
wrong law is then seen next to a truncation error a hundred times its size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from si_verify.measurement import Measurement

# The estimate is the change made by a rung; what is left after all rungs is smaller by a power of the step ratio.
_SAFETY = 2.0
# Nothing is claimed of a limit beyond this share of the finest rung's own error: corrections that happen to agree to
# more digits say little about the next one.
_DIGITS = 1e-3


@dataclass(frozen=True)
class Limit:
    """value: |r0|, the largest entry of what is extrapolated to; error: its truncation bound; both in units of scale.

    amplification: of rounding in the values. largest: the largest |r| on the ladder.
    """

    value: float
    error: float
    amplification: float
    largest: float


def limit(step: np.ndarray, values: np.ndarray, exact: np.ndarray, scale: float, power: int = 0) -> Limit:
    """Extrapolate r(h) = (q(h) − exact)/h^power, in units of the coarsest step, to step zero.

    step (R,), R at least 4; values (R, ...) on the rungs; exact (...). power 0: the error of the ladder's limit; power
    k: the coefficient of h^k, if those below are zero.
    """
    h = np.asarray(step, dtype=float) / np.max(step)
    if h.size < 4:
        raise ValueError(f"step: expected at least 4 rungs to extrapolate from, got {h.size}")
    order = np.argsort(-h)
    h = h[order]
    miss = (np.asarray(values, dtype=float)[order] - exact).reshape(h.size, -1) / scale
    r = miss / h[:, None] ** power
    whole, without_finest, without_coarsest = (
        _at_zero(h[part], r[part]) for part in (slice(None), slice(None, -1), slice(1, None))
    )
    change = max(float(np.max(np.abs(whole - other))) for other in (without_finest, without_coarsest))
    amplification = float((np.abs(_weights(h)) / h**power).sum())
    error = _SAFETY * change + _DIGITS * float(np.max(np.abs(r[-1])))
    return Limit(float(np.max(np.abs(whole))), error, amplification, float(np.max(np.abs(r))))


def judge_expansion(
    label: str, step: np.ndarray, values: np.ndarray, exact: np.ndarray, scale: float, floor: float, claimed: float
) -> list[Measurement]:
    """The terms h^0 .. that a claimed order says are zero, each read at step zero.

    This decides where a fit of slopes cannot: an error that changes its sign on the ladder has no slope. Of a claim of
    order 1½ only the limit is read: a remainder of order ½ (schemes whose stages use √h) defies the extrapolation,
    while remainders of order one and more, in halves too, stay within half of the bound.
    """
    return [
        _judged(label, limit(step, values, exact, scale, power), floor, power) for power in range(math.floor(claimed))
    ]


def judge_last_below(
    label: str, step: np.ndarray, values: np.ndarray, exact: np.ndarray, scale: float, floor: float, claimed: float
) -> Measurement:
    """The term half an order below the claim is zero, for errors that expand in √h (stages that use √h).

    r(h) = c1 h + c2 h^{3/2} + ... is a polynomial in √h over h: the fit of slopes needs rungs far finer before c2
    outweighs the next term. If a lower term is there, the remainder grows and decides nothing: the fit sees that one.
    """
    doubled = round(2 * claimed) - 1
    return _judged(label, limit(np.sqrt(step), values, exact, scale, doubled), floor, doubled / 2)


def _judged(label: str, found: Limit, floor: float, power: float) -> Measurement:
    name = "limit" if power == 0 else f"term of order {power:g}"
    rounding = found.amplification * floor
    bound = found.error + rounding
    return Measurement(
        f"{name} of {label}", found.value, bound, "at_most", "truncation",
        "(q(h) − exact)/h^k extrapolated to step zero is zero below the claimed order; "
        "bound: twice the last correction, a thousandth of the finest rung's error, and rounding",
        detectable=bound, resolution=0.5 * found.largest if found.largest > 2 * rounding else None,
    )  # fmt: skip


def _at_zero(h: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.tensordot(_weights(h), q, axes=1)


def _weights(h: np.ndarray) -> np.ndarray:
    """Lagrange's basis at 0."""
    return np.array([np.prod([b / (b - a) for b in h if b != a]) for a in h])
