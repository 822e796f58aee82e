"""DEIS and SA-Solver of order three: weights from differences of float32 logarithms, worse with every step."""

from __future__ import annotations

import numpy as np
from diffusers import DEISMultistepScheduler, SASolverScheduler
from diffusers_ideal import path_error, smooth, table, told_by_level

COUNTS = [20, 28, 42, 84, 168, 315]
deis = DEISMultistepScheduler(**smooth(), solver_order=3, timestep_spacing="linspace")
sa = SASolverScheduler(
    **smooth(), predictor_order=3, corrector_order=3, tau_func=lambda t: 0.0, timestep_spacing="linspace"
)


class InFloat64(DEISMultistepScheduler):
    """The same scheduler with its table of levels in float64."""

    def set_timesteps(self, *args: object, **more: object) -> None:
        super().set_timesteps(*args, **more)
        a, b = 40.0 ** (1 / 7), 0.02 ** (1 / 7)
        exact = (a + np.linspace(0.0, 1.0, len(self.sigmas)) * (b - a)) ** 7
        assert np.allclose(exact, self.sigmas.numpy(), rtol=1e-3)
        self.sigmas = self.sigmas.double().new_tensor(exact)


better = InFloat64(**smooth(), solver_order=3, timestep_spacing="linspace")
errors = [path_error(deis, told_by_level(deis), n) for n in COUNTS]
table("DEIS, order 3", COUNTS, errors)
exact = [path_error(better, told_by_level(better), n) for n in COUNTS]
orders = table("DEIS, order 3, levels in float64", COUNTS, exact)
few = COUNTS[1:5]
other = [path_error(sa, told_by_level(sa), n) for n in few]
table("SA-Solver, order 3, tau = 0", few, other)
assert errors[-1] > 10 * min(errors), "more steps make it worse"
assert all(p > 2.6 for p in orders[2:]), orders
assert other[-1] > 2 * min(other)
