"""Honest timing of two callables side by side: interleaved, warmed up, with the interval of the paired ratio."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats as sps


@dataclass(frozen=True)
class PairedRatio:
    """Median of time(b)/time(a) over pairs, its distribution-free interval, and single times in seconds."""

    ratio: float
    low: float
    high: float
    seconds_a: float
    seconds_b: float
    pairs: int

    @property
    def floor(self) -> float:
        """The largest relative difference the interval allows: for an A/A run, the machine's noise floor."""
        return max(abs(self.low - 1.0), abs(self.high - 1.0))


def _timed(function: Callable[[], object], sync: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    sync()
    return time.perf_counter() - start


def paired_ratio(
    a: Callable[[], object],
    b: Callable[[], object],
    pairs: int = 31,
    confidence: float = 0.99,
    sync: Callable[[], None] = lambda: None,
) -> PairedRatio:
    """Time ``a`` and ``b`` in alternating order (ab, ba, ...) after a warm-up of each.

    The interval of the median ratio is the sign test's: order statistics, no assumption on the noise's law.
    """
    if pairs < 8:
        raise ValueError(f"pairs: expected at least 8, got {pairs}")
    for function in (a, b):
        _timed(function, sync)
    times = np.empty((pairs, 2))
    for i in range(pairs):
        first, second = (a, b) if i % 2 == 0 else (b, a)
        t_first, t_second = _timed(first, sync), _timed(second, sync)
        times[i] = (t_first, t_second) if i % 2 == 0 else (t_second, t_first)
    ratios = np.sort(times[:, 1] / times[:, 0])
    k = max(0, math.floor(sps.binom.ppf((1 - confidence) / 2, pairs, 0.5)) - 1)
    medians = np.median(times, axis=0)
    return PairedRatio(
        float(np.median(ratios)), float(ratios[k]), float(ratios[-1 - k]), float(medians[0]), float(medians[1]), pairs
    )
