"""Seeded faults in the coefficients of super time stepping (subjects/pde/rkl.py), with the hybrid flux in torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from si_verify.density.problem import DensityProblem
from si_verify.faults.pde_fluxes import fault
from si_verify.subjects.pde import fluxes, rkl
from si_verify.subjects.pde.marching import Rate, Step, courant_steps, fastest, march

Tensor = torch.Tensor
_SOURCE = "Meyer, Balsara, Aslam, J. Comput. Phys. 257 (2014), eqs. 16-20"


def hybrid(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    """½ w (ρ_L + ρ_R) − max(ε/h, ½|w|)(ρ_R − ρ_L), the flux of fused_kernels.py."""
    low, high = fluxes.left(rho, axis), fluxes.right(rho, axis)
    return 0.5 * drift * (low + high) - (0.5 * drift.abs()).clamp(min=eps / h) * (high - low)


def stepped(rate: Rate, table: Callable[[float, float], np.ndarray]) -> Step:
    """RKL2 stage by stage with the drift of the middle of a step; ``table(t, dt)`` as ``rkl.coefficients``."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        middle = t + 0.5 * dt
        opening = abs(dt) * rate(middle, rho)
        before, now = rho, rho
        for j, (mu, nu, part, fixed) in enumerate(table(middle, dt).tolist()):
            change = opening if j == 0 else abs(dt) * rate(middle, now)
            moved = rho + mu * (now - rho) + nu * (before - rho) + part * change + fixed * opening
            before, now = now, moved
        return now

    return step


def by_table(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[DensityProblem, Sequence[float]], Tensor]:
    """The solver with its coefficients changed; as many stages as the right ones take."""

    def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
        def table(t: float, dt: float) -> np.ndarray:
            moving = [abs(dt) * w / h for w, h in zip(fastest(problem, t), problem.grid.spacing, strict=True)]
            spread = [abs(dt) * problem.epsilon(t) / h**2 for h in problem.grid.spacing]
            stages, parts = rkl.stages_for([max(c, 0.5 * v) for c, v in zip(spread, moving, strict=True)], moving)
            if parts > 1:
                raise ArithmeticError(f"a step of {dt:.3g} takes {parts} of {stages} stages")
            return change(rkl.coefficients(stages))

        return march(problem, times, stepped(fluxes.divergence_of(problem, hybrid), table), courant_steps(problem, 1.0))

    return solve


def _no_start(table: np.ndarray) -> np.ndarray:
    return table * np.array([1.0, 1.0, 1.0, 0.0])


def _one_behind(table: np.ndarray) -> np.ndarray:
    return np.column_stack([table[:, 0] + table[:, 1], np.zeros(len(table)), table[:, 2:]])


def _first_order(table: np.ndarray) -> np.ndarray:
    """RKL1: μ = (2j − 1)/j, ν = −(j − 1)/j, μ̃ = μ · 2/(s² + s), and no γ̃."""
    s, j = len(table), np.arange(1, len(table) + 1)
    mu = (2 * j - 1) / j
    return np.column_stack([mu, -(j - 1) / j, mu * 2 / (s * s + s), np.zeros(s)])


FAULTS = (
    fault(
        "rkl-start-dropped", by_table(_no_start), ("pde-error",),
        "The term γ̃ M(Y_0) of every stage is left out.", _SOURCE, equations=("fokker-planck",),
    ),
    fault(
        "rkl-one-behind", by_table(_one_behind), ("pde-error",),
        "The stage two back is overwritten before it is read: ν Y_{j−2} is ν Y_{j−1}.", _SOURCE,
        equations=("fokker-planck",),
    ),
    fault(
        "rkl-first-order", by_table(_first_order), ("pde-error",),
        "The coefficients of RKL1 under the claim of RKL2's order.", _SOURCE, equations=("fokker-planck",),
    ),
)  # fmt: skip
