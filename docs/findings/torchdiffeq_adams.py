"""torchdiffeq's Adams methods: unequal steps, and the default order. Needs torchdiffeq and numpy.

Part 1: x' = -x cos 3t to T = 1 on equal steps, and on steps that alternate 6 : 4. Part 2: x' = -2 x, default max_order.
"""

from __future__ import annotations

import numpy as np
import torch
from torchdiffeq import odeint


def error(method: str, grid: np.ndarray, rate: str, **options: int) -> float:
    field, exact = {
        "cosine": (lambda t, x: -x * torch.cos(3 * t), np.exp(-np.sin(3.0) / 3)),
        "decay": (lambda t, x: -2 * x, np.exp(-2.0)),
    }[rate]
    x0, times = torch.ones(1, dtype=torch.float64), torch.tensor(grid)
    x = odeint(field, x0, times, method=method, rtol=1e-13, atol=1e-13, options=options)[-1]
    return abs(float(x) - exact)


def equal(n: int) -> np.ndarray:
    return np.arange(n + 1) / n


def alternating(n: int) -> np.ndarray:
    grid = np.arange(n + 1, dtype=float)
    grid[1::2] += 0.2
    return grid / n


steps = (20, 40, 80, 160)
for method, options in (("implicit_adams", {"max_iters": 50}), ("explicit_adams", {"max_order": 5})):
    for name, grid in (("equal", equal), ("6 : 4", alternating)):
        errors = [error(method, grid(n), "cosine", **options) for n in steps]
        orders = -np.diff(np.log(errors)) / np.diff(np.log(steps))
        print(f"{method:15s} {name:6s} errors", *(f"{e:.1e}" for e in errors), " orders", *(f"{p:.1f}" for p in orders))
for n in (10, 20, 40, 80, 160, 320, 640, 1280):
    default, limited = (
        error("explicit_adams", equal(n), "decay"),
        error("explicit_adams", equal(n), "decay", max_order=5),
    )
    print(f"explicit_adams  n = {n:4d}  default {default:.1e}  max_order=5 {limited:.1e}")
