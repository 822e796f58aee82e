"""Chang–Cooper with backward Euler, axis by axis: positive, conservative and stable at any step.

Chang, Cooper, J. Comput. Phys. 6 (1970): the face value is δ ρ_R + (1 − δ) ρ_L in their weights, here for the flux
w ρ − ε ∂ρ: ρ_face = δ ρ_L + (1 − δ) ρ_R with δ = 1 − 1/Pe + 1/(e^Pe − 1), Pe = w h/ε.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde.marching import courant_steps, march
from si_verify.subjects.pde.tridiagonal import solve_tridiagonal

Tensor = torch.Tensor


def weight(peclet: Tensor) -> Tensor:
    """δ(Pe) in [0, 1], by its series ½ + Pe/12 − Pe³/720 where 1/Pe cancels."""
    small = peclet.abs() < 1e-2
    safe = torch.where(small, 1.0, peclet)
    return torch.where(small, 0.5 + peclet / 12 - peclet**3 / 720, 1.0 - 1.0 / safe + 1.0 / torch.expm1(safe))


def line_step(rho: Tensor, drift: Tensor, eps: float, h: float, tau: float) -> Tensor:
    """One backward Euler step along the last axis; drift (..., n − 1) on inner faces."""
    delta = weight(drift * (h / eps)) if eps > 0 else (drift > 0).to(drift.dtype)
    out_up = (tau / h) * (drift * delta + eps / h)
    out_down = (tau / h) * (eps / h - drift * (1.0 - delta))
    zero = torch.zeros_like(rho[..., :1])
    diagonal = 1.0 + torch.cat([out_up, zero], -1) + torch.cat([zero, out_down], -1)
    return solve_tridiagonal(torch.cat([zero, -out_up], -1), diagonal, torch.cat([-out_down, zero], -1), rho)


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``; order 1 with dt ∝ h (Courant number 1), coefficients at the end of each step."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        eps = problem.epsilon(t + dt)
        for axis, h in enumerate(problem.grid.spacing):
            drift = problem.sign * problem.face_drift(t + dt, axis).movedim(axis, -1)[..., 1:-1]
            rho = line_step(rho.movedim(axis, -1), drift, eps, h, abs(dt)).movedim(-1, axis)
        return rho

    return march(problem, times, step, courant_steps(problem, 1.0))


SUBJECT = Subject(
    name="pde/chang-cooper",
    kind="pde",
    load=lambda: solve,
    claims=Claims(
        order=1.0,
        extra={
            "form": "averages",
            "conservative": True,
            "walls": "closed",
            "positive": True,
            "steady": "exact",
            "equations": ("fokker-planck",),
        },
    ),
    tags=frozenset({"grid", "finite-volume", "implicit"}),
    modules=("si_verify.subjects.pde.chang_cooper", "si_verify.subjects.pde.tridiagonal"),
    summary="exponentially fitted finite volumes, backward Euler by axes",
)
