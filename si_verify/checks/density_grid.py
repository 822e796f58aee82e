"""Closed-form densities on the grid of a picture, as columns of the kinds ``density-1d`` and ``density-2d``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.problems.problem import Problem


def centres(window: tuple[float, float], bins: int) -> NDArray[np.float64]:
    """Middles of equal bins over a window."""
    low, high = window
    return low + (high - low) * (np.arange(bins) + 0.5) / bins


def densities(problem: Problem, times: list[float], bins: int) -> dict[str, list[Any]]:
    """Long-form columns t, x, (y,) exact over the problem's window; D is 1 or 2."""
    axes = [centres(w, bins) for w in problem.window]
    mesh = np.meshgrid(*axes, indexing="ij")
    points = np.stack([m.reshape(-1) for m in mesh], axis=1)
    columns: dict[str, list[Any]] = {"t": np.repeat(times, len(points)).tolist()}
    for axis, name in zip(range(problem.dim), "xy", strict=False):
        columns[name] = np.tile(points[:, axis], len(times)).tolist()
    exact = [np.exp(np.asarray(problem.interpolant.log_density(t, points))) for t in times]
    columns["exact"] = np.concatenate(exact).tolist()
    return columns


def histogram(sample: NDArray[np.float64], window: tuple[float, float], bins: int) -> list[float]:
    """Heights of a normalised histogram on the same bins; points outside the window count in the norm."""
    counts, _ = np.histogram(sample[np.isfinite(sample)], bins=bins, range=window)
    return (counts / (max(1, sample.size) * (window[1] - window[0]) / bins)).tolist()
