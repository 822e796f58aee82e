"""WENO5-Z finite differences, Lax–Friedrichs splitting within each stencil, sixth-order diffusion, SSPRK3.

Jiang, Shu, J. Comput. Phys. 126 (1996), with the weights of Borges et al., J. Comput. Phys. 227 (2008). Unknowns are
values at cell centres, so the axes can be treated one by one at full order; the flux form keeps their sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import pad

from si_verify.density.problem import DensityProblem
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde.marching import advective_rate, diffusive_rate, march, ssp3

Tensor = torch.Tensor
_GHOSTS = 3
_FINEST_AT_FULL_COURANT = 40


def reconstruct(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor) -> Tensor:
    """Value at the right face of the middle cell from five cell averages, left to right."""
    s0 = 13 / 12 * (a - 2 * b + c) ** 2 + 0.25 * (a - 4 * b + 3 * c) ** 2
    s1 = 13 / 12 * (b - 2 * c + d) ** 2 + 0.25 * (b - d) ** 2
    s2 = 13 / 12 * (c - 2 * d + e) ** 2 + 0.25 * (3 * c - 4 * d + e) ** 2
    tau = (s0 - s2).abs()
    tiny = torch.finfo(a.dtype).tiny ** 0.5
    w0, w1, w2 = (g * (1 + (tau / (s + tiny)) ** 2) for g, s in ((0.1, s0), (0.6, s1), (0.3, s2)))
    q0, q1, q2 = 2 * a - 7 * b + 11 * c, -b + 5 * c + 2 * d, 2 * c + 5 * d - e
    return (w0 * q0 + w1 * q1 + w2 * q2) / (6 * (w0 + w1 + w2))


def line_flux(rho: Tensor, drift: Tensor, h: float, eps: float) -> Tensor:
    """Flux through the inner faces along the last axis; drift at centres, zeros beyond the walls."""
    n = rho.shape[-1]

    def cells(f: Tensor) -> list[Tensor]:
        g = pad(f, (_GHOSTS, _GHOSTS))
        # Entry j holds the cell i − 2 + j beside face i + ½.
        return [g[..., 1 + j : n + j] for j in range(6)]

    density, moved, drifts = cells(rho), cells(drift * rho), cells(drift)
    # Not below any |drift| of the stencil, and smooth where the drift changes sign (max |drift| has a kink there).
    mean, spread = sum(drifts) / 6, drifts[-1] - drifts[0]
    speed = torch.sqrt(2.0 * (mean**2 + spread**2))
    plus = [0.5 * (f + speed * v) for f, v in zip(moved, density, strict=True)]
    minus = [f - p for f, p in zip(moved, plus, strict=True)]
    # Both directions in one pass: what moves down is reconstructed from a mirrored stencil.
    flux = reconstruct(*(torch.stack(pair) for pair in zip(plus[:5], minus[:0:-1], strict=True))).sum(0)
    if eps > 0:
        p, q, r, s, t, u = density
        flux = flux - eps / (180 * h) * (2 * (u - p) - 25 * (t - q) + 245 * (s - r))
    return flux


def rate_of(problem: DensityProblem) -> Callable[[float, Tensor], Tensor]:
    """(t, ρ) -> −∇·F."""

    def rate(t: float, rho: Tensor) -> Tensor:
        total, eps = torch.zeros_like(rho), problem.epsilon(t)
        for axis, h in enumerate(problem.grid.spacing):
            drift = problem.sign * problem.centre_drift(t, axis).movedim(axis, -1)
            flux = line_flux(rho.movedim(axis, -1), drift, h, eps) / h
            total += (pad(flux, (1, 0)) - pad(flux, (0, 1))).movedim(-1, axis)
        return total

    return rate


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``; order 5 with dt ∝ h^{5/3} (dt³ ∝ h⁵)."""
    cells = max(problem.grid.shape)
    courant = 0.6 * min(1.0, (_FINEST_AT_FULL_COURANT / cells) ** (2 / 3))

    def steps(a: float, b: float) -> int:
        # 272/180 is the largest eigenvalue of the sixth-order difference against that of the second-order one.
        rate = advective_rate(problem, a, b) / courant + 272 / 180 * diffusive_rate(problem, a, b)
        return max(1, math.ceil(abs(b - a) * rate))

    return march(problem, times, ssp3(rate_of(problem)), steps)


SUBJECT = Subject(
    name="pde/weno5",
    kind="pde",
    load=lambda: solve,
    claims=Claims(order=5.0, extra={"form": "points", "conservative": True}),
    tags=frozenset({"grid", "finite-difference", "explicit"}),
    modules=("si_verify.subjects.pde.weno5",),
    summary="fifth-order WENO-Z finite differences, SSPRK3",
)
