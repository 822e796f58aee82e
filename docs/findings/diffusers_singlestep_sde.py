"""SDE-DPM-Solver++(2S) and (3S) of diffusers have weak order one: stage and step draw independent noise."""

from __future__ import annotations

from diffusers import DPMSolverSinglestepScheduler
from diffusers.schedulers import scheduling_dpmsolver_singlestep as module
from diffusers_ideal import smooth, table, variance_error

COUNTS = [84, 126, 168, 252]
for order in (2, 3):
    scheduler = DPMSolverSinglestepScheduler(
        **smooth(), solver_order=order, algorithm_type="sde-dpmsolver++", final_sigmas_type="sigma_min"
    )
    found = table(f"variance, solver_order = {order}", COUNTS, [variance_error(scheduler, module, n) for n in COUNTS])
    assert all(0.6 < p < 1.2 for p in found), found
