"""Refinement ladders: grids, the runs on them, and the order they show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from si_verify.checks.ode_setup import Trial, lipschitz, rms
from si_verify.measurement import Data, Measurement
from si_verify.stats import OrderFit, fit_order, geometric_steps

Grid = Callable[[int], np.ndarray]
# Orders come in halves: an interval wider than that says nothing between two neighbours.
RESOLUTION = 0.5
# What is left of the distance to a claimed order on steps half as large, if it is one half, give or take.
_NEARER = 0.75


def uniform(n: int) -> np.ndarray:
    """n equal steps on [0, 1]."""
    return np.arange(n + 1) / n


def non_uniform(n: int) -> np.ndarray:
    """n steps (n even) that alternate 6 : 4 on a smooth map whose own steps vary 3 : 1.

    Self-similar under refinement, so the order of a scheme right for variable steps is what it is on equal ones.
    """
    index = np.arange(n + 1, dtype=float)
    index[1::2] += 0.2
    share = index / n
    grid = share + 0.5 * np.sin(2 * math.pi * share) / (2 * math.pi)
    grid[0], grid[-1] = 0.0, 1.0
    return grid


def first_ladder(trial: Trial, order: float, even: bool) -> list[int]:
    """Step counts for a scheme of this order: the coarsest resolves the field, the finest stays above rounding."""
    coarsest = max(8, math.ceil(1.2 * lipschitz(trial.problem) * abs(trial.end - trial.start)))
    finest = coarsest * (8 if order <= 2 else 6 if order <= 5 else 4)
    return _counts(coarsest, finest, 7, even)


def _counts(first: int, last: int, rungs: int, even: bool) -> list[int]:
    steps = geometric_steps(first, last, rungs)
    return sorted({n + n % 2 if even else n for n in steps})


@dataclass
class Ladder:
    """Errors of one subject on one trial over step counts; grows until its fit decides."""

    trial: Trial
    implementation: Any
    grid: Grid
    claimed: float
    counts: list[int]
    errors: list[float]
    fit: OrderFit
    rising: bool = False

    @classmethod
    def climb(
        cls,
        trial: Trial,
        implementation: Any,
        grid: Grid,
        claimed: float,
        extensions: int,
    ) -> Ladder:
        """Run the ladder; extend it, at most so often, while its interval is too wide or lies below the claim.

        Against the claim it is believed once finer steps bring the order no nearer to it, on steps eight times finer
        too: where terms of opposite sign meet, or where some paths' steps are too long still, a right scheme's order
        stays below its own for a few doublings. An order that was still on its way when the ladder ended may have any
        value up to the claim.
        """
        even = grid is non_uniform
        exact = trial.exact
        ladder = cls(trial, implementation, grid, claimed, [], [], OrderFit(math.nan, -math.inf, math.inf, ()))
        ladder._run(first_ladder(trial, claimed, even), exact)
        missing, confirmed = math.inf, False
        for i in range(extensions + 1):
            if ladder.decided or ladder.diverges or (i == extensions and (confirmed or not ladder.narrow)):
                break
            more = ladder._more(even)
            if ladder.narrow:
                gap = claimed - ladder.fit.order
                if gap > _NEARER * missing or i == extensions:
                    if confirmed:
                        break
                    confirmed, more = True, ladder._far(even)
                missing = gap
            ladder._run(more, exact)
        if not ladder.decided and ladder.narrow and claimed - ladder.fit.order <= _NEARER * missing < math.inf:
            ladder.fit, ladder.rising = replace(ladder.fit, high=claimed), True
        return ladder

    @property
    def narrow(self) -> bool:
        """Whether the interval tells neighbouring orders apart."""
        return self.fit.found and self.fit.high - self.fit.low <= RESOLUTION

    @property
    def decided(self) -> bool:
        """Whether the fit speaks for the claim."""
        return self.fit.found and self.fit.high >= self.claimed and (self.fit.low >= self.claimed or self.narrow)

    @property
    def diverges(self) -> bool:
        """Whether refining made the error grow tenfold: more rungs will not change what is said of it."""
        return not self.errors[-1] <= 10 * self.errors[0]

    def _more(self, even: bool) -> list[int]:
        """Finer rungs while the finest stands above rounding; else rungs between the coarse ones."""
        finest = self.counts[-1]
        if not self.errors[-1] <= 10 * self.trial.floor(finest):
            return _counts(math.ceil(1.25 * finest), 2 * finest, 3, even)
        above = [n for n, e in zip(self.counts, self.errors, strict=True) if e > self.trial.floor(n)] or self.counts[:2]
        return _counts(max(4, self.counts[0] // 2), above[-1], 8, even)

    def _far(self, even: bool) -> list[int]:
        """Four rungs to steps eight times as fine, or four times where eight is at rounding."""
        finest = self.counts[-1]
        for factor in (8, 4):
            if self.errors[-1] / factor**self.claimed > 10 * self.trial.floor(factor * finest):
                return _counts(math.ceil(0.4 * factor * finest), factor * finest, 4, even)
        return self._more(even)

    def _run(self, counts: list[int], exact: Any) -> None:
        for n in counts:
            if n not in self.counts:
                answer, _ = self.trial.solve(self.implementation, self.trial.times(self.grid(n)))
                self.counts.append(n)
                self.errors.append(rms(answer - exact))
        ranked = sorted(zip(self.counts, self.errors, strict=True))
        self.counts, self.errors = [n for n, _ in ranked], [e for _, e in ranked]
        floors = [self.trial.floor(n) for n in self.counts]
        self.fit = fit_order(self.steps, np.asarray(self.errors), floors)

    @property
    def steps(self) -> np.ndarray:
        """Mean step sizes."""
        return abs(self.trial.end - self.trial.start) / np.asarray(self.counts, dtype=float)

    def order(self, name: str, why: str) -> Measurement:
        """The observed order as a measurement held to the claim."""
        return Measurement(
            name=f"order, {name}",
            value=self.fit.order,
            bound=self.claimed,
            relation="at_least",
            origin="truncation",
            why=f"{why}; still rising at the last: up to the claim" if self.rising else why,
            interval=self.fit.interval,
            # An interval wholly above the claim has decided, however wide it is.
            resolution=RESOLUTION if self.fit.low < self.claimed else None,
        )

    def divergence(self, name: str) -> Measurement:
        """Worst error on the finer half of the ladder over that of the coarsest rung: above 1, refining is in vain."""
        errors = np.asarray(self.errors)
        rounding = max(self.trial.floor(n) for n in self.counts)
        worst = float(np.max(errors[len(errors) // 2 :])) if np.isfinite(errors).all() else math.inf
        ratio = 0.0 if worst <= rounding else worst / float(errors[0])
        return Measurement(
            name=f"error under refinement, {name}",
            value=ratio,
            bound=1.0,
            origin="truncation",
            why="a convergent scheme errs less on every finer half of its ladder than on the coarsest rung",
        )

    def plateau(self, name: str) -> list[Measurement]:
        """Where the fit decides nothing: the order between the middle and the finest rung."""
        if self.narrow or self.decided or not np.isfinite(self.errors).all():
            return []
        middle = len(self.errors) // 2
        if min(self.errors[middle], self.errors[-1]) <= 10 * self.trial.floor(self.counts[-1]):
            return []
        secant = math.log(self.errors[middle] / self.errors[-1]) / math.log(self.counts[-1] / self.counts[middle])
        why = "claimed order less a half: errors too rough for a fit still fall from the middle rung to the finest"
        name = f"order over the finer half, {name}"
        return [Measurement(name, secant, self.claimed - 0.5, "at_least", "truncation", why)]

    def data(self, label: str) -> Data:
        """Columns of the kind ``convergence``."""
        used = set(self.fit.used) if self.fit.found else set()
        found = self.fit.found
        return Data(
            kind="convergence",
            title=f"Order of convergence, {label}",
            columns={
                "step": self.steps.tolist(),
                "n": list(self.counts),
                "error": list(self.errors),
                "used": [i in used for i in range(len(self.counts))],
            },
            meta={
                "claimed": self.claimed,
                "order": self.fit.order if found else None,
                "low": self.fit.low if found else None,
                "high": self.fit.high if found else None,
                "floor": self.trial.floor(self.counts[-1]),
                "rising": self.rising,
                "label": label,
            },
        )
