"""Data of every drawn kind, as checks would bring it back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from si_verify.record import DataRow


def convergence(order: float, seed: int, claimed: float | None) -> DataRow:
    """Errors of a method of this order with a rounding floor."""
    n = [4, 8, 16, 32, 64, 128, 256]
    noise = np.random.default_rng(seed)
    floor = 3e-14
    errors = [max(0.3 * (1 / k) ** order, floor) * float(np.exp(noise.normal(0, 0.08))) for k in n]
    columns = {"step": [1 / k for k in n], "n": n, "error": errors, "used": [e > 5 * floor for e in errors]}
    meta = {"claimed": claimed, "order": order + 0.03, "low": order - 0.08, "high": order + 0.11, "floor": floor}
    return DataRow(kind="convergence", title="Order of convergence", columns=columns, meta=meta)


def error_vs_t(seed: int) -> DataRow:
    """Errors that grow towards both ends of the path."""
    u = np.linspace(-12, 12, 49)
    t = 1 / (1 + 10.0**-u)
    error = 2e-16 * (1 + np.abs(u)) * np.exp(np.random.default_rng(seed).normal(0, 0.4, u.size))
    return DataRow(
        kind="error-vs-t",
        title="Error of the score against t",
        meta={"quantity": "score"},
        columns={"t": t.tolist(), "error": error.tolist(), "bound": (4e-15 * (1 + np.abs(u))).tolist()},
    )


def error_vs_tail(seed: int) -> DataRow:
    """Scattered errors out to forty standard deviations."""
    rng = np.random.default_rng(seed)
    d = rng.uniform(0, 40, 300)
    error = 2e-16 * np.exp(0.04 * d + rng.normal(0, 0.7, d.size))
    return DataRow(
        kind="error-vs-tail",
        title="Error of the score into the tail",
        meta={"quantity": "score"},
        columns={"distance": d.tolist(), "error": error.tolist(), "bound": [2e-14] * 300},
    )


def tolerance(ratio: float) -> DataRow:
    """An adaptive solver whose error is ``ratio`` times what it was asked for."""
    rtol = [10.0**-k for k in range(3, 11)]
    columns = {
        "rtol": rtol,
        "error": [ratio * r**0.97 for r in rtol],
        "evaluations": [14 * k * k for k in range(3, 11)],
        "bound": [10 * r for r in rtol],
    }
    return DataRow(kind="tolerance", title="Error against tolerance", columns=columns, meta={"atol": 1e-9})


def _mixture(x: np.ndarray, t: float) -> np.ndarray:
    s = math.sqrt(1 - 0.75 * t)
    return sum(0.5 * np.exp(-0.5 * ((x - 3 * t * k) / s) ** 2) / (s * math.sqrt(2 * math.pi)) for k in (-1, 1))


def one_dimension(seed: int) -> tuple[DataRow, DataRow]:
    """A path from one mode to two: paths and marginals."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-6, 6, 121)
    density: dict[str, list[Any]] = {"t": [], "x": [], "exact": [], "sampled": []}
    for t in (0.0, 0.25, 0.5, 0.75, 1.0):
        exact = _mixture(x, t)
        density["t"] += [t] * x.size
        density["x"] += x.tolist()
        density["exact"] += exact.tolist()
        density["sampled"] += (exact * np.exp(rng.normal(0, 0.12, x.size))).tolist()
    times = np.linspace(0, 1, 41)
    paths: dict[str, list[Any]] = {"path": [], "t": [], "x": []}
    for p, z in enumerate(rng.normal(size=48)):
        side = 1 if z > 0 else -1
        paths["path"] += [p] * times.size
        paths["t"] += times.tolist()
        paths["x"] += (z * np.sqrt(1 - 0.75 * times) + 3 * side * times**1.5).tolist()
    return (
        DataRow(kind="trajectories-1d", title="Trajectories", columns=paths),
        DataRow(kind="density-1d", title="Marginals", columns=density),
    )


def two_dimensions(seed: int) -> tuple[DataRow, DataRow, DataRow]:
    """A ring of eight modes: grid, samples, paths."""
    rng = np.random.default_rng(seed)
    g = np.linspace(-5, 5, 40)
    X, Y = np.meshgrid(g, g)
    modes = [(3.5 * math.cos(k * math.pi / 4), 3.5 * math.sin(k * math.pi / 4)) for k in range(8)]
    grid: dict[str, list[Any]] = {"t": [], "x": [], "y": [], "exact": []}
    dots: dict[str, list[Any]] = {"t": [], "x": [], "y": []}
    for t in (0.0, 0.5, 1.0):
        s = math.sqrt((1 - t) ** 2 + 0.15 * t**2)
        rho = sum(np.exp(-0.5 * ((X - t * a) ** 2 + (Y - t * b) ** 2) / s**2) for a, b in modes) / (16 * math.pi * s**2)
        for name, values in (("t", np.full(X.size, t)), ("x", X.ravel()), ("y", Y.ravel()), ("exact", rho.ravel())):
            grid[name] += values.tolist()
        centre = np.array(modes)[rng.integers(0, 8, 300)] * t
        for name, values in (
            ("t", np.full(300, t)),
            *zip("xy", (centre + s * rng.normal(size=(300, 2))).T, strict=True),
        ):
            dots[name] += values.tolist()
    times = np.linspace(0, 1, 31)
    paths: dict[str, list[Any]] = {"path": [], "t": [], "x": [], "y": []}
    for p in range(40):
        start, end = rng.normal(size=2), np.array(modes[p % 8]) + 0.3 * rng.normal(size=2)
        along = start[None] * (1 - times[:, None]) ** 1.3 + end[None] * times[:, None] ** 1.7
        for name, values in (("path", np.full(31, p)), ("t", times), ("x", along[:, 0]), ("y", along[:, 1])):
            paths[name] += values.tolist()
    return (
        DataRow(kind="density-2d", title="Marginals", columns=grid),
        DataRow(kind="samples-2d", title="Samples", columns=dots),
        DataRow(kind="trajectories-2d", title="Trajectories", columns=paths),
    )


def law(scale: float, seed: int) -> DataRow:
    """Five statistics of a terminal law."""
    rng = np.random.default_rng(seed)
    columns = {
        "statistic": ["mean", "variance", "skewness", "energy distance", "Kolmogorov–Smirnov"],
        "value": (0.004 * scale * rng.uniform(0.2, 1, 5)).tolist(),
        "bound": [0.01] * 5,
        "detectable": [0.006, 0.008, 0.02, 0.011, None],
    }
    return DataRow(kind="law", title="Terminal law", columns=columns)
