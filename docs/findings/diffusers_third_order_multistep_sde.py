"""SDE-DPM-Solver++(3M) of diffusers has weak order one: the weight of its second difference does not vanish with h."""

from __future__ import annotations

import math

from diffusers import DPMSolverMultistepScheduler
from diffusers.schedulers import scheduling_dpmsolver_multistep as module
from diffusers_ideal import smooth, table, variance_error

COUNTS = [60, 84, 120, 168, 252]
errors = {}
for order in (2, 3):
    scheduler = DPMSolverMultistepScheduler(
        **smooth(), solver_order=order, algorithm_type="sde-dpmsolver++", timestep_spacing="linspace",
        final_sigmas_type="sigma_min",
    )  # fmt: skip
    errors[order] = [variance_error(scheduler, module, n) for n in COUNTS]
second = table("variance, solver_order = 2", COUNTS, errors[2])
third = table("variance, solver_order = 3", COUNTS, errors[3])
for h in (0.1, 0.01, 0.001):
    shipped, right = (((1 - math.exp(-2 * h) - 2 * h) / (2 * h) ** 2 + sign * 0.5) for sign in (-1, 1))
    print(f"  h = {h}: weight of the second difference {shipped:.4f}, with + for −: {right:.4f}")
assert third[-1] < 1.2, third
assert second[-1] > 1.7, second
assert errors[3][-1] > 5 * errors[2][-1], "the third order is the worse one"
