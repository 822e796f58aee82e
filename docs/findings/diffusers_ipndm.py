"""iPNDM of diffusers has order one: its first prediction of the data is 0/1e-8, whatever the model says."""

from __future__ import annotations

import torch
from diffusers import IPNDMScheduler
from diffusers_ideal import DEVIATION, data_prediction, flow, noise_prediction, points, table

COUNTS = [20, 40, 80, 160, 320]


def error(steps: int, first_right: bool) -> float:
    scheduler = IPNDMScheduler()
    scheduler.set_timesteps(steps)
    x0 = x = points(1e9)
    for i, t in enumerate(scheduler.timesteps):
        s, a = float(scheduler.betas[i]), float(scheduler.alphas[i])
        ratio = s / a if a > 1e-6 else 1e9
        velocity = a * noise_prediction(x, ratio) - s * data_prediction(x, ratio)
        x = scheduler.step(velocity, t, x, return_dict=False)[0]
        if i == 0 and first_right:
            x = flow(x0, 1e9, float(scheduler.betas[1] / scheduler.alphas[1]))
    return float((x - flow(x0, 1e9, 1e-9)).square().mean().sqrt()) / DEVIATION


scheduler = IPNDMScheduler()
x = torch.ones(1, 1, dtype=torch.float64)
answers = []
for prediction in (-5.0, 0.0, 5.0):
    scheduler.set_timesteps(50)
    answers.append(float(scheduler.step(x * prediction, scheduler.timesteps[0], x, return_dict=False)[0]))
print(f"alpha_0 = {float(scheduler.alphas[0])}; the first step's answer for three predictions: {answers}")
assert len(set(answers)) == 1
shipped = table("as shipped", COUNTS, [error(n, False) for n in COUNTS])
repaired = table("first step replaced by the exact flow", COUNTS, [error(n, True) for n in COUNTS])
assert all(abs(p - 1.0) < 0.1 for p in shipped[1:]), shipped
assert all(p > 1.5 for p in repaired[1:]), repaired
