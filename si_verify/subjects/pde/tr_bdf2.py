"""Exponentially fitted finite volumes with TR-BDF2, axes joined by Strang splitting: stiff ε at order 2.

Bank et al., IEEE Trans. CAD 4 (1985): a trapezoidal stage to t + γ dt, γ = 2 − √2, then BDF2; L-stable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde.fluxes import effective_diffusion, inner
from si_verify.subjects.pde.marching import courant_steps, march
from si_verify.subjects.pde.strang import strang
from si_verify.subjects.pde.tridiagonal import LineOperator

Tensor = torch.Tensor
_GAMMA = 2.0 - math.sqrt(2.0)


def _operator(problem: DensityProblem, t: float, axis: int) -> LineOperator:
    drift = problem.sign * problem.face_drift(t, axis).movedim(axis, -1)
    h = problem.grid.spacing[axis]
    return LineOperator(drift, effective_diffusion(inner(drift, drift.ndim - 1), h, problem.epsilon(t)), h)


def line_step(problem: DensityProblem, rho: Tensor, t: float, dt: float, axis: int) -> Tensor:
    """One TR-BDF2 step of the axis' own equation from t to t + dt."""
    line, tau = rho.movedim(axis, -1), abs(dt)
    half = 0.5 * _GAMMA * tau
    start = line + half * _operator(problem, t, axis).apply(line)
    middle = _operator(problem, t + _GAMMA * dt, axis).implicit(half, start)
    mixed = (middle - (1.0 - _GAMMA) ** 2 * line) / (_GAMMA * (2.0 - _GAMMA))
    # (1 − γ)/(2 − γ) = γ/2
    return _operator(problem, t + dt, axis).implicit(half, mixed).movedim(-1, axis)


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``; order 2 for ε > 0 with dt ∝ h (Courant number 1)."""
    step = strang(problem.grid.dim, lambda rho, t, dt, axis: line_step(problem, rho, t, dt, axis))
    return march(problem, times, step, courant_steps(problem, 1.0))


SUBJECT = Subject(
    name="pde/tr-bdf2",
    kind="pde",
    load=lambda: solve,
    claims=Claims(
        order=2.0,
        extra={
            "form": "averages",
            "conservative": True,
            "walls": "closed",
            "equations": ("fokker-planck",),
            "steady": "exact",
        },
    ),
    tags=frozenset({"grid", "finite-volume", "implicit"}),
    modules=("si_verify.subjects.pde.tr_bdf2", "si_verify.subjects.pde.tridiagonal"),
    summary="exponentially fitted finite volumes, TR-BDF2 by Strang splitting",
)
