"""Finite-volume fluxes through the inner faces of a grid; the walls are closed.

Every face's flux is taken from one cell and given to its neighbour, so mass is kept to rounding whatever the flux.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from si_verify.density.problem import DensityProblem

Tensor = torch.Tensor
# (drift on inner faces, ρ, axis, h, ε) -> flux through the inner faces of the axis
Flux = Callable[[Tensor, Tensor, int, float, float], Tensor]


def inner(faces: Tensor, axis: int) -> Tensor:
    """Values on faces without the two walls, n − 1 along ``axis``."""
    return faces.narrow(axis, 1, faces.shape[axis] - 2)


def left(rho: Tensor, axis: int) -> Tensor:
    """The cell below every inner face."""
    return rho.narrow(axis, 0, rho.shape[axis] - 1)


def right(rho: Tensor, axis: int) -> Tensor:
    """The cell above every inner face."""
    return rho.narrow(axis, 1, rho.shape[axis] - 1)


def divergence_of(problem: DensityProblem, flux: Flux) -> Callable[[float, Tensor], Tensor]:
    """(t, ρ) -> −∇·F in elapsed time, F = flux(sign · drift, ρ, ...)."""

    def rate(t: float, rho: Tensor) -> Tensor:
        total = torch.zeros_like(rho)
        eps = problem.epsilon(t)
        for axis, h in enumerate(problem.grid.spacing):
            drift = problem.sign * inner(problem.face_drift(t, axis), axis)
            moved = flux(drift, rho, axis, h, eps) / h
            left(total, axis).sub_(moved)
            right(total, axis).add_(moved)
        return total

    return rate


def upwind(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    """w⁺ ρ_L + w⁻ ρ_R − ε (ρ_R − ρ_L)/h; first order."""
    low, high = left(rho, axis), right(rho, axis)
    return drift.clamp(min=0) * low + drift.clamp(max=0) * high - (eps / h) * (high - low)


def limited(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    """Upwinding of linear reconstructions with central slopes, limited so that no face value is negative.

    half slope = clip((ρ_{i+1} − ρ_{i−1})/4, −ρ_i, ρ_i): second order at extrema too, which limiters that forbid new
    extrema clip (van Leer, J. Comput. Phys. 32 (1979); positivity as Zhang, Shu, J. Comput. Phys. 229 (2010)).
    Zero in the cells at the walls. Face values lie between 0 and twice the average.
    """
    low, high = left(rho, axis), right(rho, axis)
    n = rho.shape[axis]
    half = torch.zeros_like(rho)
    middle = rho.narrow(axis, 1, n - 2)
    central = 0.25 * (rho.narrow(axis, 2, n - 2) - rho.narrow(axis, 0, n - 2))
    half.narrow(axis, 1, n - 2).copy_(torch.maximum(torch.minimum(central, middle), -middle))
    below, above = low + left(half, axis), high - right(half, axis)
    return drift.clamp(min=0) * below + drift.clamp(max=0) * above - (eps / h) * (high - low)


def bernoulli(z: Tensor) -> Tensor:
    """B(z) = z/(e^z − 1) for z ≥ 0, 1 at z = 0."""
    z = z.clamp(max=700.0 if z.dtype == torch.float64 else 80.0)
    return torch.where(z > 0, z / torch.expm1(torch.where(z > 0, z, 1.0)), 1.0)


def effective_diffusion(drift: Tensor, h: float, eps: float) -> Tensor:
    """ε B(|w| h/ε): with upwinding it makes the flux of the two-point problem with constant drift exact."""
    if eps == 0.0:
        return torch.zeros_like(drift)
    return eps * bernoulli(drift.abs() * (h / eps))


def fitted(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    """Scharfetter–Gummel: (ε/h)(B(−Pe) ρ_L − B(Pe) ρ_R), Pe = w h/ε, written as upwinding plus ε B(|Pe|) diffusion.

    Scharfetter, Gummel, IEEE Trans. Electron Devices 16 (1969). Second order; upwind at ε = 0. Gibbs states are kept
    exactly where w h is ε times the difference of log-densities of the two cells.
    """
    low, high = left(rho, axis), right(rho, axis)
    return (
        drift.clamp(min=0) * low + drift.clamp(max=0) * high - (effective_diffusion(drift, h, eps) / h) * (high - low)
    )
