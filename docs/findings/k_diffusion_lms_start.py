"""k-diffusion's sample_lms starts with steps of order one to three, which shows once the order-four error is smaller.

Needs k-diffusion (its ``linear_multistep_coeff`` only) and analytic/. Data: ½ N(−1, 0.3²) + ½ N(1, 0.3²).
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from analytic.flow import reference_flow
from si_verify.subjects.samplers.k_diffusion import sampling_module

LAW = GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [[0.09], [0.09]])
BASE = GaussianMixture([1.0], [[0.0]], [[1.0]])
IDEAL = Interpolant(Coupling.independent(BASE, LAW), Schedule.variance_preserving())
FLOW, LMS = reference_flow(IDEAL), sampling_module()
COUNTS = [112, 158, 224, 317, 448]


def levels(steps: int) -> np.ndarray:
    a, b = 40.0 ** (1 / 7), 0.02 ** (1 / 7)
    return (a + np.arange(steps + 1) / steps * (b - a)) ** 7


def moved(x: np.ndarray, start: float, end: float) -> np.ndarray:
    c, d = math.hypot(1.0, start), math.hypot(1.0, end)
    return np.asarray(FLOW(x / c, 1.0 / c, 1.0 / d)) * d


def error(steps: int, exact_first: int) -> float:
    sigmas, x0 = levels(steps), 40.0 * np.array([[-1.5], [-0.8], [0.9], [1.7]])
    x, slopes = x0, []
    for i in range(steps):
        c = math.hypot(1.0, sigmas[i])
        data = np.asarray(IDEAL.target_denoiser(1.0 / c, torch.tensor(x / c)))
        slopes = [*slopes[-3:], (x - data) / sigmas[i]]
        weights = [LMS.linear_multistep_coeff(len(slopes), sigmas, i, j) for j in range(len(slopes))]
        x = x + sum(w * s for w, s in zip(weights, reversed(slopes), strict=True))
        if i < exact_first:
            x = moved(x0, sigmas[0], sigmas[i + 1])
    return float(np.sqrt(np.mean((x - moved(x0, 40.0, 0.02)) ** 2)))


orders = {}
for first in (0, 3):
    errors = [error(n, first) for n in COUNTS]
    pairs = itertools.pairwise(zip(COUNTS, errors, strict=True))
    orders[first] = [math.log(e / f) / math.log(m / n) for (n, e), (m, f) in pairs]
    print(f"first {first} steps exact:", [f"{e:.1e}" for e in errors], [f"{p:.2f}" for p in orders[first]])
assert orders[0][-1] < orders[3][-1] - 0.2
assert orders[3][-1] > 3.8
