"""Fourier pseudo-spectral with an integrating factor for the diffusion and classical RK4: order 4 in time.

The box is taken as periodic: where the density has vanished before the walls, that and closed walls are the same.
d/dτ (e^{k²E} ρ̂) = −e^{k²E} i k·(b ρ)^, E = ∫ε. Trefethen, Spectral Methods in MATLAB (2000), chapter 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde.implicit_diffusion import epsilon_integral
from si_verify.subjects.pde.marching import courant_steps, march

Tensor = torch.Tensor
_COURANT = 0.6  # RK4 is stable on the imaginary axis to 2.83 and the largest wave number is π/h: 0.9 is the limit


def wave_numbers(problem: DensityProblem) -> list[Tensor]:
    """2π j / (n h) along every axis, shaped to broadcast; the Nyquist mode, which has no derivative, is set to 0."""
    grid, numbers = problem.grid, []
    for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        k = 2 * math.pi * torch.fft.fftfreq(n, h, dtype=torch.float64, device=problem.device)
        if n % 2 == 0:
            k[n // 2] = 0.0
        numbers.append(k.to(problem.dtype).reshape(*(1,) * axis, -1, *(1,) * (grid.dim - axis - 1)))
    return numbers


def spectral_filter(problem: DensityProblem, numbers: list[Tensor]) -> Tensor:
    """Π_d exp(−36 (k_d h_d/π)^16): one to rounding below half the largest wave number, eps at it.

    It takes away what products alias into the highest modes, which grows where the drift compresses (Hou, Li,
    J. Comput. Phys. 226 (2007), with their strength and a lower power).
    """
    total = torch.ones(problem.grid.shape, dtype=problem.dtype, device=problem.device)
    for axis, (n, h) in enumerate(zip(problem.grid.shape, problem.grid.spacing, strict=True)):
        share = (numbers[axis].abs() * (h / math.pi)).reshape(-1)
        if n % 2 == 0:
            share[n // 2] = 1.0
        total = total * torch.exp(-36.0 * share**16).reshape(numbers[axis].shape)
    return total


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``; spectral in space, order 4 with dt ∝ h (Courant number 0.6)."""
    numbers = wave_numbers(problem)
    square = sum((k * k for k in numbers), torch.zeros_like(numbers[0]))
    keep = spectral_filter(problem, numbers)
    axes = tuple(range(problem.grid.dim))

    def advect(t: float, spectrum: Tensor) -> Tensor:
        rho = torch.fft.ifftn(spectrum, dim=axes).real
        total = torch.zeros_like(spectrum)
        for axis, k in enumerate(numbers):
            total -= 1j * k * torch.fft.fftn(problem.sign * problem.centre_drift(t, axis) * rho, dim=axes)
        return total

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        tau, middle = abs(dt), t + 0.5 * dt
        first, second = (torch.exp(-square * epsilon_integral(problem, s, 0.5 * dt)) for s in (t, middle))
        f = torch.fft.fftn(rho, dim=axes)
        k1 = advect(t, f)
        k2 = advect(middle, first * (f + 0.5 * tau * k1))
        k3 = advect(middle, first * f + 0.5 * tau * k2)
        k4 = advect(t + dt, second * (first * f + tau * k3))
        whole = first * second
        f = keep * (whole * f + tau / 6 * (whole * k1 + 2 * second * (k2 + k3) + k4))
        return torch.fft.ifftn(f, dim=axes).real

    return march(problem, times, step, courant_steps(problem, _COURANT))


SUBJECT = Subject(
    name="pde/fourier",
    kind="pde",
    load=lambda: solve,
    claims=Claims(order=4.0, extra={"form": "points", "conservative": True}),
    tags=frozenset({"grid", "spectral", "explicit"}),
    modules=("si_verify.subjects.pde.fourier",),
    summary="Fourier pseudo-spectral, integrating factor, RK4",
)
