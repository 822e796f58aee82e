"""With an exponential grid and final_sigmas_type="sigma_min" the last level of diffusers stands twice: 0/0."""

from __future__ import annotations

import torch
from diffusers import DPMSolverMultistepScheduler
from diffusers_ideal import points, run, told_by_level

scheduler = DPMSolverMultistepScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", solver_order=3, use_exponential_sigmas=True,
    final_sigmas_type="sigma_min",
)  # fmt: skip
for steps in (10, 20, 50):
    scheduler.set_timesteps(steps)
    last = [float(s) for s in scheduler.sigmas[-3:]]
    answer = run(scheduler, told_by_level(scheduler), points(float(scheduler.sigmas[0])), steps)
    print(f"{steps} steps: last levels {last}, answer finite: {bool(torch.isfinite(answer).all())}")
    assert abs(last[-1] / last[-2] - 1.0) < 1e-6
    if steps >= 15:
        assert not torch.isfinite(answer).any()
