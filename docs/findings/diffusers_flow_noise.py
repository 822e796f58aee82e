"""Stochastic options of diffusers' flow-matching schedulers change the law: its variance does not converge."""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
from diffusers.schedulers import scheduling_flow_match_euler_discrete as euler
from diffusers.schedulers import scheduling_flow_match_heun_discrete as heun
from diffusers_ideal import DEVIATION, data_prediction, law_of, noise_prediction


def velocity(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """E[z − x1 | x] for x = (1 − sigma) x1 + sigma z."""
    ratio = sigma / max(1.0 - sigma, 1e-12)
    scaled = x.double() / math.hypot(1.0 - sigma, sigma)
    return noise_prediction(scaled, ratio) - data_prediction(scaled, ratio)


def variance(scheduler: Any, module: Any, steps: int, **more: Any) -> float:
    scheduler.set_timesteps(steps)
    sigma0 = float(scheduler.sigmas[0])

    def rows(x: torch.Tensor) -> torch.Tensor:
        scheduler.set_timesteps(steps)
        for t in scheduler.timesteps:
            out = velocity(x, min(float(t) / 1000, 1 - 1e-7))
            x = scheduler.step(out, t, x, **more, return_dict=False)[0].double()
        return x

    assert sigma0 == 1.0
    return law_of(rows, module, len(scheduler.timesteps), 1e9)


exact = DEVIATION**2
print(f"exact variance {exact:.4f}")
plain, churned, again = [], [], []
for steps in (50, 100, 200):
    plain.append(variance(FlowMatchHeunDiscreteScheduler(), heun, steps))
    churned.append(variance(FlowMatchHeunDiscreteScheduler(), heun, steps, s_churn=10.0))
    again.append(variance(FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), euler, steps))
    print(f"{steps:4d} steps: Heun {plain[-1]:.4f}, s_churn=10 {churned[-1]:.4f}, stochastic_sampling {again[-1]:.4f}")
assert abs(plain[-1] / exact - 1) < 1e-2
assert abs(churned[-1] / exact - 1) > 0.2
assert abs(churned[-1] / churned[-2] - 1) < 0.1, "more steps do not help"
assert again[-1] < 0.8 * exact
assert abs(again[-1] / again[-2] - 1) < 0.1, "more steps do not help"
