"""Work against precision: errors of one run, several measures, and the columns of the ``work-precision`` picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from si_verify.laws.statistics import projected_cdf
from si_verify.measurement import Data, Measurement
from si_verify.stats import split

# Steps are chosen so that a run costs at most so many evaluations of the field.
BUDGETS = (5, 10, 20, 50, 100)
ERRORS = {
    "error_rms": "root mean square path error",
    "error_w2": "Wasserstein error",
    "error_energy": "energy distance",
    "distance": "Kolmogorov distance",
}
# Coordinates whose distribution functions are looked at.
_AXES = 4


@dataclass(frozen=True)
class Table:
    """One column per measure, one row per run."""

    columns: dict[str, list[float | None]] = field(
        default_factory=lambda: {name: [] for name in ("nfe", "seconds", *ERRORS)}
    )

    def add(self, row: Mapping[str, float | None]) -> None:
        for name, column in self.columns.items():
            column.append(row.get(name))

    def __len__(self) -> int:
        return len(self.columns["nfe"])

    def shown(self) -> list[Measurement]:
        """Every error as a number that is not judged."""
        found = []
        for name, words in ERRORS.items():
            for calls, value in zip(self.columns["nfe"], self.columns[name], strict=True):
                if calls is not None and value is not None:
                    found.append(Measurement(f"{words} at {calls:.0f} evaluations", value, origin="exact"))
        return found

    def data(self, label: str, what: str) -> Data:
        return Data("work-precision", f"Error against evaluations of the {what}", self.columns, {"label": label})

    def judge_paths(self, floor: float) -> Measurement:
        """The path error of the dearest run is no larger than that of the cheapest."""
        first, last = (_number(self.columns["error_rms"][i]) for i in (0, -1))
        return Measurement(
            "path error at the largest budget", last, max(first, floor), "at_most", "truncation",
            f"no larger than at {self.columns['nfe'][0]:.0f} evaluations from the same starting points, or rounding",
        )  # fmt: skip

    def judge_laws(self, rows: int, dim: int, alpha: float) -> Measurement:
        """The Kolmogorov distance of the dearest run is no larger than that of the cheapest, up to sampling noise."""
        first, last = (_number(self.columns["distance"][i]) for i in (0, -1))
        # Dvoretzky–Kiefer–Wolfowitz with Massart's constant, for each of the two samples and every coordinate.
        each = split(alpha, 2 * min(dim, _AXES))
        radius = math.sqrt(math.log(2.0 / each) / (2.0 * rows))
        return Measurement(
            "Kolmogorov distance at the largest budget", last, first + 2.0 * radius, "at_most", "sampling",
            f"no larger than at {self.columns['nfe'][0]:.0f} evaluations, up to the noise of two samples of {rows} at "
            f"error rate {alpha:.1g} ({2.0 * radius:.2g})",
            confidence=1.0 - alpha, detectable=first + 4.0 * radius,
        )  # fmt: skip


def errors(answer: np.ndarray, exact: np.ndarray, law: Any, unit: float, paths: bool) -> dict[str, float | None]:
    """Errors of ``answer`` (N, D) in units of the law's spread.

    ``exact`` (N, D): where the rows should have ended if ``paths``, otherwise any exact sample.
    """
    rms = math.sqrt(float(np.mean((answer - exact) ** 2))) / unit if paths else None
    return {
        "error_rms": rms,
        "error_w2": wasserstein(answer, exact) / unit,
        "error_energy": energy(answer / unit, exact / unit),
        "distance": kolmogorov(answer, law),
    }


def kolmogorov(answer: np.ndarray, law: Any) -> float:
    """The largest distance between the distribution function of a coordinate and the exact one, over up to four."""
    n, dim = answer.shape
    if not np.isfinite(answer).all():
        return math.nan
    grid, worst = np.arange(n) / n, 0.0
    for axis in np.eye(dim)[:_AXES]:
        u = np.sort(projected_cdf(law, axis, answer))
        worst = max(worst, float(np.max(u - grid)), float(np.max(grid + 1.0 / n - u)))
    return worst


def wasserstein(first: np.ndarray, second: np.ndarray) -> float:
    """2-Wasserstein distance of two samples in one dimension; the root mean square over coordinates in several."""
    return math.sqrt(float(np.mean((np.sort(first, axis=0) - np.sort(second, axis=0)) ** 2)))


def energy(first: np.ndarray, second: np.ndarray) -> float:
    """√(2 E|X − Y| − E|X − X'| − E|Y − Y'|), summed over coordinates: in one dimension the root of 2 ∫ (F − G)²."""
    total = 0.0
    for a, b in zip(np.sort(first, axis=0).T, np.sort(second, axis=0).T, strict=True):
        both = np.sort(np.concatenate([a, b]))
        gap = np.searchsorted(a, both[:-1], "right") / a.size - np.searchsorted(b, both[:-1], "right") / b.size
        total += 2.0 * float(np.sum(gap**2 * np.diff(both)))
    return math.sqrt(total)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
