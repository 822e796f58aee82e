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
        "faster": (lambda t, x: -8 * x, np.exp(-8.0)),
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
orders = {}
for method, options in (("implicit_adams", {"max_iters": 50}), ("explicit_adams", {"max_order": 5})):
    for name, grid in (("equal", equal), ("6 : 4", alternating)):
        errors = [error(method, grid(n), "cosine", **options) for n in steps]
        found = -np.diff(np.log(errors)) / np.diff(np.log(steps))
        orders[method, name] = float(found[-1])
        print(f"{method:15s} {name:6s} errors", *(f"{e:.1e}" for e in errors), " orders", *(f"{p:.1f}" for p in found))
default, limited = {}, {}
for n in (10, 20, 40, 80, 160, 320):
    default[n] = error("explicit_adams", equal(n), "decay")
    limited[n] = error("explicit_adams", equal(n), "decay", max_order=5)
    print(f"explicit_adams  n = {n:4d}  default {default[n]:.1e}  max_order=5 {limited[n]:.1e}")
implicit = {
    order: [error("implicit_adams", equal(n), "faster", max_iters=50, max_order=order) for n in (10, 20, 40, 80)]
    for order in (12, 5)
}
for order, errors in implicit.items():
    print(f"implicit_adams  max_order={order:2d} errors", *(f"{e:.1e}" for e in errors))

for method in ("implicit_adams", "explicit_adams"):
    assert orders[method, "equal"] > 3.8, "order 4 or more on equal steps"
    assert orders[method, "6 : 4"] < 1.2, "order 1 on unequal steps"
assert default[160] > 1e6, "the default climbs to an order that is unstable at h = 1/160"
assert limited[160] < 1e-8, "order 4 is stable there"
assert implicit[12][1] > implicit[12][0], "the default corrector, of order 12, is unstable as well"
assert implicit[5][1] < 1e-6, "that of order 5 is not"
