"""DPM-Solver++(3M) of diffusers converges with order two: its second difference has half the weight it needs."""

from __future__ import annotations

import itertools
import math

import torch
from diffusers import DPMSolverMultistepScheduler
from diffusers_ideal import DEVIATION, data_prediction, flow, path_error, points, smooth, table, told_by_level

COUNTS = [42, 60, 84, 120, 168]


def textbook(weight: float, ratios: list[float]) -> float:
    """The same method in float64 with the second difference's term times ``weight``; its error."""
    x0 = points(ratios[0])
    x, past = x0, []
    for now, then in itertools.pairwise(ratios):
        (_, s), (b, r) = ((1 / math.hypot(1, q), q / math.hypot(1, q)) for q in (now, then))
        h = math.log(now / then)
        past = [(-math.log(now), data_prediction(x, now)), *past[:2]]
        (l0, m0), e = past[0], math.expm1(-h)
        x = r / s * x - b * e * m0
        if len(past) == 2:
            x = x - 0.5 * b * e * (m0 - past[1][1]) * h / (l0 - past[1][0])
        if len(past) == 3:
            (l1, m1), (l2, m2) = past[1:]
            first, second = (m0 - m1) / (l0 - l1), (m1 - m2) / (l1 - l2)
            bend = (first - second) / (l0 - l2) * h * h
            slope = first * h + (l0 - l1) / (l0 - l2) * (first - second) * h
            x = x + b * (e / h + 1) * slope - weight * b * ((e + h) / h**2 - 0.5) * bend
    return float((x - flow(x0, ratios[0], ratios[-1])).square().mean().sqrt()) / DEVIATION


shipped = DPMSolverMultistepScheduler(
    **smooth(), solver_order=3, timestep_spacing="linspace", final_sigmas_type="sigma_min"
)
orders = table("diffusers", COUNTS, [path_error(shipped, told_by_level(shipped), n) for n in COUNTS])
grids = []
for n in COUNTS:
    shipped.set_timesteps(n)
    grids.append([float(v) for v in shipped.sigmas.to(torch.float64)])
half = table("float64, weight 1 (as in diffusers)", COUNTS, [textbook(1.0, g) for g in grids])
whole = table("float64, weight 2", COUNTS, [textbook(2.0, g) for g in grids])
assert all(p < 2.2 for p in orders), orders
assert all(p < 2.2 for p in half), half
assert all(p > 2.7 for p in whole[1:]), whole
