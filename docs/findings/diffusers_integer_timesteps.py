"""Karras, exponential and flow grids of diffusers ask the model at timesteps cut to integers."""

from __future__ import annotations

from diffusers import DPMSolverMultistepScheduler
from diffusers_ideal import path_error, table, told_by_level, told_by_time

SHIPPED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
COUNTS = [28, 56, 112, 224, 448]
for grid in ("use_exponential_sigmas", "use_karras_sigmas"):
    scheduler = DPMSolverMultistepScheduler(**SHIPPED, solver_order=2, final_sigmas_type="sigma_min", **{grid: True})
    told = [path_error(scheduler, told_by_time(scheduler), n) for n in COUNTS]
    known = [path_error(scheduler, told_by_level(scheduler), n) for n in COUNTS]
    table(f"{grid}, model asked at the timestep handed to it", COUNTS, told)
    table(f"{grid}, model asked at the scheduler's own level", COUNTS, known)
    assert known[-1] < 0.35 * told[-1], "asked at the level, the error goes on falling"
    assert told[-1] > 0.5 * told[-2] or told[-2] > 0.5 * told[-3], "asked at integer timesteps, it stops falling"
