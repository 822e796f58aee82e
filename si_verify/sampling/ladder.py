"""A refinement ladder for samplers: errors over numbers of steps, grown until the order they show decides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from si_verify.measurement import Measurement
from si_verify.orders.rows import SPACING, judge_order
from si_verify.sampling.many_rungs import fit_many
from si_verify.stats import OrderFit, fit_order

# Two rungs closer than this show their own scatter and no slope.
_APART = 1.15
# Where scatter is averaged over many rungs they may be closer.
_APART_MANY = 1.05


@dataclass
class SamplerLadder:
    """error(n) and floor(n) at the counts climbed so far, with the order that they show."""

    error: Callable[[int], float]
    floor: Callable[[int], float]
    claimed: float
    counts: list[int]
    errors: list[float]
    fit: OrderFit
    many: bool = False

    @classmethod
    def climb(
        cls,
        error: Callable[[int], float],
        floor: Callable[[int], float],
        claimed: float,
        counts: Callable[[int, int, int], list[int]],
        first: int,
        last: int,
        most: int,
    ) -> SamplerLadder:
        """From ``first`` to ``last`` steps, then on up to ``most`` while undecided or against the claim.

        ``counts(a, b, r)``: about r counts between a and b that the sampler accepts.
        """
        ladder = cls(error, floor, claimed, [], [], OrderFit(math.nan, -math.inf, math.inf, ()))
        ladder._run(counts(first, last, 7))
        while not ladder.decided and last < most and not ladder.errors[-1] <= 2.0 * floor(ladder.counts[-1]):
            if not math.isfinite(ladder.errors[-1]):
                break
            first, last = last, min(2 * last, most)
            ladder._run(counts(first, last, 3))
        if not ladder.decided:
            ladder._run(counts(ladder.counts[0], ladder.counts[-1], 14))
        if ladder.vague:
            ladder._run(counts(max(ladder.counts[0], ladder.counts[-1] // 9), ladder.counts[-1], 24), apart=_APART_MANY)
            fit = fit_many(ladder.steps, ladder.errors, ladder.floors, claimed)
            if ladder.vague and fit.found:
                ladder.fit, ladder.many = fit, True
        return ladder

    def judged(self, name: str, why: str) -> Measurement:
        """The claimed order held against the ladder."""
        if not self.many:
            return judge_order(name, self.steps, self.errors, self.floors, self.claimed, why)[0]
        clear = self.fit.low >= self.claimed
        return Measurement(
            f"order of {name}", self.fit.order, self.claimed, "at_least", "truncation",
            f"{why}; from {len(self.fit.used)} rungs at once, as two neighbours contradict each other",
            interval=self.fit.interval, resolution=None if clear else SPACING,
        )  # fmt: skip

    @property
    def vague(self) -> bool:
        """Whether the smooth fit can neither confirm nor refuse the claim."""
        if not self.fit.found:
            return False
        against = self.fit.high < self.claimed
        return not against and self.fit.low < self.claimed and self.fit.high - self.fit.low > SPACING

    @property
    def decided(self) -> bool:
        """Whether the fit speaks for the claim, or is narrow enough and not against it."""
        if not self.fit.found or self.fit.high < self.claimed:
            return False
        return self.fit.low >= self.claimed or self.fit.high - self.fit.low <= SPACING

    @property
    def floors(self) -> np.ndarray:
        return np.array([self.floor(n) for n in self.counts])

    @property
    def steps(self) -> np.ndarray:
        """1/n, the step of a grid that is refined as a whole."""
        return 1.0 / np.array(self.counts, dtype=float)

    def _run(self, counts: list[int], apart: float = _APART) -> None:
        known = dict(zip(self.counts, self.errors, strict=True))
        for n in counts:
            if all(max(n, m) >= apart * min(n, m) for m in known):
                known[n] = self.error(n)
        self.counts = sorted(known)
        self.errors = [known[n] for n in self.counts]
        self.fit = fit_order(self.steps, np.array(self.errors), self.floors)
