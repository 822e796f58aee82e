"""torchdiffeq: error at the requested time, as is and with a step forced to end there. Needs torchdiffeq and numpy.

x' = -x cos 3t, x(0) = 1, exact x(T) = exp(-sin(3T)/3); the worst of eight requested times T in [1, 2].
"""

from __future__ import annotations

import numpy as np
import torch
from torchdiffeq import odeint


def worst(method: str, tol: float, forced: bool) -> float:
    errors = []
    for last in np.linspace(1.0, 2.0, 8):
        times = torch.tensor([0.0, last], dtype=torch.float64)
        options = {"step_t": times[1:]} if forced else {}
        x = odeint(
            lambda t, x: -x * torch.cos(3 * t), torch.ones(1, dtype=torch.float64), times,
            method=method, rtol=tol, atol=tol, options=options,
        )[-1]  # fmt: skip
        errors.append(abs(float(x) - np.exp(-np.sin(3 * last) / 3)))
    return max(errors)


print(f"{'method':14s} {'tolerance':>9s} {'as is':>9s} {'step there':>10s} {'as is / tolerance':>18s}")
found = {}
for method, tolerances in {
    "dopri8": (1e-6, 1e-8, 1e-10),
    "bosh3": (1e-4, 1e-6),
    "dopri5": (1e-8,),
    "adaptive_heun": (1e-4,),
}.items():
    for tol in tolerances:
        free, forced = worst(method, tol, False), worst(method, tol, True)
        found[method, tol] = free / tol, forced / tol
        print(f"{method:14s} {tol:9.0e} {free:9.1e} {forced:10.1e} {free / tol:18.1f}")

# How far a kept tolerance may lie below the error of the whole run: errors of many steps add up.
assert found["dopri8", 1e-10][0] > 1000, "dopri8 misses its tolerance by orders of magnitude"
assert found["dopri8", 1e-10][1] < 5, "and keeps it with a step that ends at the requested time"
assert found["bosh3", 1e-6][0] > 10 * found["bosh3", 1e-6][1], "bosh3: most of the error is made by reading it off"
assert 3 < found["dopri5", 1e-8][0] < 300, "dopri5: a small loss"
