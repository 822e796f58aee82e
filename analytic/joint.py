"""Joint draws of an interpolant's ingredients, for objectives and Monte-Carlo checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from analytic.arrays import Array, transfer
from analytic.coupling import Coupling
from analytic.sampling import Seed, check_count
from analytic.schedule import Schedule
from analytic.times import is_scalar


@dataclass(frozen=True, eq=False)
class JointSample:
    """Draws of x0, x1, z and x_t = alpha x0 + beta x1 + gamma z, each (n, D), and their times t (n,)."""

    t: Array
    x0: Array
    x1: Array
    z: Array
    x_t: Array


def draw_joint(coupling: Coupling, schedule: Schedule, t: Any, n: int, seed: Seed) -> JointSample:
    """n joint draws at t, a float or (n,), float64 in the library of the coupling."""
    n = check_count(n)
    rng = np.random.default_rng(seed)
    x0, x1 = coupling.sample(n, rng)
    z = transfer(rng.standard_normal((n, coupling.dim)), x0)
    xp = array_namespace(x0)
    if is_scalar(t):
        t = xp.full((n,), float(t), dtype=xp.float64, device=device(x0))
    elif tuple(t.shape) != (n,):
        raise ValueError(f"t: expected a float or shape ({n},), got {tuple(t.shape)}")
    times = transfer(t, x0)
    c = schedule.at(times)
    x_t = c.gamma[:, None] * z
    if coupling.tied:  # exactly x0 + gamma z where alpha + beta = 1
        x_t = x_t + (c.alpha + c.beta)[:, None] * x0
    else:
        x_t = x_t + c.alpha[:, None] * x0 + c.beta[:, None] * x1
    return JointSample(times, x0, x1, z, x_t)
