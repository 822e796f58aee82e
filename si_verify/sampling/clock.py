"""Noise levels and clocks of diffusion and flow-matching samplers (MATH.md section 8).

Every one of them runs along x = a x1 + s z, z ~ N(0, I), from mostly noise to mostly data, and differs by its clock
t -> (a, s) only. After division by c = √(a² + s²) that is the one-sided variance-preserving interpolant of
arXiv:2303.08797 (equation 4.10 with α² + β² = 1) at time a/c, whose law and flow are known exactly.

========== ============================== ========================== ===========================================
clock      a(t), s(t)                     noise to data              velocity prediction
========== ============================== ========================== ===========================================
sigma      1, t                           σ_max down to 0            z = dx/dσ (Karras et al., arXiv:2206.00364)
flow       t, 1 − t                       0 up to 1                  x1 − z (Lipman et al., arXiv:2210.02747)
flow-noise 1 − t, t                       1 down to 0                z − x1 (Liu et al., arXiv:2209.03003)
vp         e^{−B/2}, √(1 − e^{−B})        1 down to 0                a z − s x1 (Salimans and Ho, arXiv:2202.00512)
vp-1000    √ᾱ_t, √(1 − ᾱ_t), index t      999 down to 0              a z − s x1
cosine     cos πt/2, sin πt/2             1 down to 0                a z − s x1
========== ============================== ========================== ===========================================

B(t) = 0.1 t + 9.95 t² (Song et al., arXiv:2011.13456, equation 33); ᾱ is the cumulative product of 1 − β over the 1000
β evenly spaced from 1e-4 to 0.02 (Ho et al., arXiv:2006.11239).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Level:
    """x = a x1 + s z: a ≥ 0 of the data, s ≥ 0 of the noise, not both zero."""

    a: float
    s: float

    def __post_init__(self) -> None:
        if not (self.a >= 0.0 and self.s >= 0.0 and math.isfinite(self.a + self.s) and self.a + self.s > 0.0):
            raise ValueError(f"level: expected a, s ≥ 0, finite, not both 0, got a = {self.a!r}, s = {self.s!r}")

    @property
    def scale(self) -> float:
        """c = √(a² + s²)."""
        return math.hypot(self.a, self.s)

    @property
    def time(self) -> float:
        """a/c: the time of the one-sided variance-preserving interpolant with the law of x/c."""
        return self.a / self.scale

    @property
    def log_snr(self) -> float:
        """λ = log(a/s), half the logarithm of the signal-to-noise ratio; ±∞ at the ends."""
        if self.s == 0.0:
            return math.inf
        return -math.inf if self.a == 0.0 else math.log(self.a) - math.log(self.s)


def from_ratio(ratio: float) -> Level:
    """The variance-preserving level with s/a = ratio."""
    c = math.hypot(1.0, ratio)
    return Level(1.0 / c, ratio / c)


def _rotation(level: Level) -> tuple[float, float]:
    return -level.s, level.a


@dataclass(frozen=True)
class Clock:
    """t -> Level, and what "velocity" means to a model on this clock: the weights (of x1, of z) at a level."""

    name: str
    at: Callable[[float], Level]
    velocity: Callable[[Level], tuple[float, float]] = _rotation


def _vp(t: float) -> Level:
    b = 0.1 * t + 9.95 * t * t
    return Level(math.exp(-0.5 * b), math.sqrt(-math.expm1(-b)))


def table_clock(name: str, cumulative: NDArray[np.floating]) -> Clock:
    """A clock in training steps: ``cumulative`` (T,) is ᾱ at t = 0 … T − 1.

    Between integers log(s/a) is linear in t, the convention of Karras et al.'s code and its descendants.
    """
    bar = np.asarray(cumulative, dtype=np.float64)
    if bar.ndim != 1 or bar.size < 2 or not (np.all(bar >= 0) and np.all(bar < 1)):
        raise ValueError(f"cumulative: expected (T,) values in [0, 1), got shape {bar.shape}")
    with np.errstate(divide="ignore"):
        log_ratio = 0.5 * (np.log1p(-bar) - np.log(bar))

    def at(t: float) -> Level:
        if not -0.5 <= t <= bar.size - 0.5:
            raise ValueError(f"t: expected a training step in [0, {bar.size - 1}], got {t!r}")
        if t == int(t):
            return Level(math.sqrt(bar[int(t)]), math.sqrt(1.0 - bar[int(t)]))
        # A time rounded to float32 may lie outside by a rounding: extrapolate there.
        i = min(max(math.floor(t), 0), bar.size - 2)
        return from_ratio(math.exp(log_ratio[i] + (t - i) * (log_ratio[i + 1] - log_ratio[i])))

    return Clock(name, at, _rotation)


@cache
def clock(name: str) -> Clock:
    """A clock of the table above by name. Raises ValueError for others."""
    makers: dict[str, Callable[[], Clock]] = {
        "sigma": lambda: Clock("sigma", lambda t: Level(1.0, t), lambda level: (0.0, 1.0)),
        "flow": lambda: Clock("flow", lambda t: Level(t, 1.0 - t), lambda level: (1.0, -1.0)),
        "flow-noise": lambda: Clock("flow-noise", lambda t: Level(1.0 - t, t), lambda level: (-1.0, 1.0)),
        "vp": lambda: Clock("vp", _vp),
        "vp-1000": lambda: table_clock("vp-1000", np.cumprod(1.0 - np.linspace(1e-4, 0.02, 1000))),
        "cosine": lambda: Clock("cosine", _cosine),
    }
    if name not in makers:
        raise ValueError(f"clock: expected one of {', '.join(makers)}, got {name!r}")
    return makers[name]()


def _cosine(t: float) -> Level:
    # Both from the nearer zero of their function, so that the ends are exact.
    a = math.sin(0.5 * math.pi * (1.0 - t)) if t > 0.5 else math.cos(0.5 * math.pi * t)
    s = math.cos(0.5 * math.pi * (1.0 - t)) if t > 0.5 else math.sin(0.5 * math.pi * t)
    return Level(max(a, 0.0), max(s, 0.0))
