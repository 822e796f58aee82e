"""DDIM of diffusers with timestep_spacing="trailing": steps of 1000 // n between timesteps 1000/n apart."""

from __future__ import annotations

from diffusers import DDIMScheduler
from diffusers_ideal import DEVIATION, flow, points, ratios_of, run, told_by_time

scheduler = DDIMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, timestep_spacing="trailing",
    set_alpha_to_one=False,
)  # fmt: skip
ratios = ratios_of(scheduler)
errors = {}
for steps in (20, 30, 50, 60, 125, 130, 250, 260, 300, 400, 500):
    scheduler.set_timesteps(steps)
    start, end = float(ratios[int(scheduler.timesteps[0])]), float(ratios[0])
    x = points(start)
    miss = run(scheduler, told_by_time(scheduler), x, steps) - flow(x, start, end)
    errors[steps] = float(miss.square().mean().sqrt()) / DEVIATION
    strides = f"timesteps {1000 / steps:6.2f} apart, steps {1000 // steps:2d} long"
    print(f"{steps:4d} steps: {strides}, error {errors[steps]:.4f}")
assert errors[500] < errors[250] < errors[125] < errors[50] < errors[20], "where n divides 1000 it converges"
assert errors[400] > 10 * errors[250], "and elsewhere it does not"
