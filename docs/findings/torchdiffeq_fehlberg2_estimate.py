"""torchdiffeq's fehlberg2: one step's error against its own estimate. Needs torchdiffeq and numpy.

x' = -x cos 3t from (0, 1); a step of size h is accepted at any tolerance above the estimate.
"""

from __future__ import annotations

import numpy as np
import torch
from torchdiffeq._impl.fehlberg2 import Fehlberg2
from torchdiffeq._impl.rk_common import _runge_kutta_step


def field(t: torch.Tensor, x: torch.Tensor, perturb: object = None) -> torch.Tensor:
    return -x * torch.cos(3 * t)


start, x0 = torch.tensor(0.0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
print(f"{'h':>6s} {'error':>9s} {'estimate':>9s} {'error / estimate':>17s}")
ratios = {}
for size in (0.4, 0.2, 0.1, 0.05, 0.02, 0.01):
    h = torch.tensor(size, dtype=torch.float64)
    x1, _, estimate, _ = _runge_kutta_step(field, x0, field(start, x0), start, h, start + h, Fehlberg2.tableau)
    error = abs(float(x1) - np.exp(-np.sin(3 * size) / 3))
    print(f"{size:6.2f} {error:9.1e} {abs(float(estimate)):9.1e} {error / abs(float(estimate)):17.1f}")
    ratios[size] = error / abs(float(estimate))

assert ratios[0.1] > 3, "the step errs several times more than its estimate says"
assert ratios[0.01] < 1.5, "only below about h = 1/50 the estimate covers the error"
