"""What a ladder converges to: Richardson extrapolation to step zero, with its own error estimate.

A one-step scheme's moments on smooth coefficients expand in powers of the step, q(h) = q0 + c1 h + c2 h² + ...
(Talay & Tubaro, Stoch. Anal. Appl. 8, 1990), so that the polynomial through R rungs, read at h = 0, gives q0. A
wrong law is then seen next to a truncation error a hundred times its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The estimate is the change made by a rung; what is left after all rungs is smaller by a power of the step ratio.
_SAFETY = 2.0


@dataclass(frozen=True)
class Limit:
    """value: |q0 − exact| over entries, largest; error: its truncation bound; amplification of rounding in q."""

    value: float
    error: float
    amplification: float


def limit(step: np.ndarray, values: np.ndarray, exact: np.ndarray, scale: float) -> Limit:
    """step (R,), R at least 4; values (R, ...) on the rungs; exact (...). All in units of ``scale``."""
    h = np.asarray(step, dtype=float) / np.max(step)
    if h.size < 4:
        raise ValueError(f"step: expected at least 4 rungs to extrapolate from, got {h.size}")
    order = np.argsort(-h)
    h, q = h[order], np.asarray(values, dtype=float)[order]
    whole, without_finest, without_coarsest = (_at_zero(h[part], q[part]) for part in (
        slice(None), slice(None, -1), slice(1, None)
    ))  # fmt: skip
    size = float(np.max(np.abs(whole - exact))) / scale
    change = max(float(np.max(np.abs(whole - other))) for other in (without_finest, without_coarsest)) / scale
    return Limit(size, _SAFETY * change, float(np.abs(_weights(h)).sum()))


def _at_zero(h: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.tensordot(_weights(h), q, axes=1)


def _weights(h: np.ndarray) -> np.ndarray:
    """Lagrange's basis at 0."""
    return np.array([np.prod([b / (b - a) for b in h if b != a]) for a in h])
