"""UniPC of diffusers with solver_order=3 has order three, not four: lower_order_final ends it with lower orders."""

from __future__ import annotations

from diffusers import UniPCMultistepScheduler
from diffusers_ideal import path_error, smooth, table, told_by_level

COUNTS = [30, 42, 60, 84, 105]
found = {}
for final in (True, False):
    scheduler = UniPCMultistepScheduler(
        **smooth(), timestep_spacing="linspace", final_sigmas_type="sigma_min", solver_order=3, lower_order_final=final
    )
    errors = [path_error(scheduler, told_by_level(scheduler), n) for n in COUNTS]
    found[final] = table(f"lower_order_final={final}", COUNTS, errors)
assert all(p < 3.4 for p in found[True]), found[True]
assert all(p > 3.7 for p in found[False]), found[False]
