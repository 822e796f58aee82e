"""Time marching: from stored time to stored time in equal steps, and strong-stability-preserving Runge–Kutta.

All rates are with respect to elapsed time, so a backward run is the same code with drift −b and times that fall:
``dt`` is signed, |dt| multiplies rates. SSP methods: Gottlieb, Shu, Tadmor, SIAM Review 43 (2001), eqs. 3.1–4.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from si_verify.density.problem import DensityProblem

Tensor = torch.Tensor
Rate = Callable[[float, Tensor], Tensor]  # (t, ρ) -> dρ/d(elapsed time)
Step = Callable[[Tensor, float, float], Tensor]  # (ρ, t, signed dt) -> ρ at t + dt
_PROBES = 5  # times at which a stretch between two stored times is asked for its fastest drift


def march(problem: DensityProblem, times: Sequence[float], step: Step, steps: Callable[[float, float], int]) -> Tensor:
    """Densities at all stored times, (T, *shape); ``steps(a, b)`` is the number of equal steps between two of them."""
    rho, stored = problem.initial, [problem.initial]
    knots = [float(t) for t in times]
    for a, b in pairwise(knots):
        count = steps(a, b)
        for i in range(count):
            t = a + (b - a) * (i / count)
            rho = step(rho, t, (b if i == count - 1 else a + (b - a) * ((i + 1) / count)) - t)
        stored.append(rho)
    return torch.stack(stored)


def ssp1(rate: Rate) -> Step:
    """Forward Euler."""
    return lambda rho, t, dt: rho + abs(dt) * rate(t, rho)


def ssp2(rate: Rate) -> Step:
    """SSPRK(2,2), Heun's method as a mean of Euler steps; order 2."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        first = rho + abs(dt) * rate(t, rho)
        return 0.5 * (rho + first + abs(dt) * rate(t + dt, first))

    return step


def ssp3(rate: Rate) -> Step:
    """SSPRK(3,3); order 3."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        first = rho + abs(dt) * rate(t, rho)
        second = 0.75 * rho + 0.25 * (first + abs(dt) * rate(t + dt, first))
        return (rho + 2.0 * (second + abs(dt) * rate(t + 0.5 * dt, second))) / 3.0

    return step


def probes(a: float, b: float) -> list[float]:
    """Times at which a stretch is sampled, both ends included."""
    return [a + (b - a) * i / (_PROBES - 1) for i in range(_PROBES)]


def fastest(problem: DensityProblem, t: float) -> list[float]:
    """max |drift| on the faces of every axis."""
    return [float(problem.face_drift(t, axis).abs().max()) for axis in range(problem.grid.dim)]


def advective_rate(problem: DensityProblem, a: float, b: float) -> float:
    """max over the stretch of Σ_d max|w_d| / h_d, in 1/time: the Courant number of a step dt is dt times this."""
    spacing, looks = problem.grid.spacing, [a] if problem.steady else probes(a, b)
    return max(sum(w / h for w, h in zip(fastest(problem, t), spacing, strict=True)) for t in looks)


def diffusive_rate(problem: DensityProblem, a: float, b: float) -> float:
    """max over the stretch of Σ_d 2ε / h_d²: the rate at which explicit diffusion empties a cell."""
    largest = max(problem.epsilon(t) for t in probes(a, b))
    return largest * sum(2.0 / h**2 for h in problem.grid.spacing)


def explicit_steps(problem: DensityProblem, safety: float = 0.9) -> Callable[[float, float], int]:
    """Steps that keep forward Euler positive for every upwind or limited flux.

    A cell loses at most 2|w|/h to both faces of an axis (limited face values are at most twice the average) and
    2ε/h² by diffusion: dt Σ_d (2 max|w_d|/h_d + 2ε/h_d²) ≤ 1.
    """

    def steps(a: float, b: float) -> int:
        rate = 2.0 * advective_rate(problem, a, b) + diffusive_rate(problem, a, b)
        return max(1, math.ceil(abs(b - a) * rate / safety))

    return steps


def whole_steps(crossed: float, courant: float, cells: int) -> int:
    """Steps in which the drift crosses ``crossed`` cells at most ``courant`` at a time, with ``cells`` on an axis.

    Steps a cell are rounded up to eighths, so that dt/h is the same on every grid whose cells are a multiple of 8.
    """
    per_cell = crossed / (courant * cells)
    # Short stretches take less than a step for every other cell: eighths of the power of two below that.
    unit = 0.125 if per_cell >= 0.5 else 0.125 * 2.0 ** math.floor(math.log2(max(per_cell, 1e-9)))
    return max(1, math.ceil(math.ceil(per_cell / unit) * unit * cells))


def courant_steps(problem: DensityProblem, courant: float) -> Callable[[float, float], int]:
    """Steps of at most the given Courant number Σ_d max|w_d| dt / h_d, whatever the diffusion (``whole_steps``)."""
    cells = max(problem.grid.shape)
    return lambda a, b: whole_steps(abs(b - a) * advective_rate(problem, a, b), courant, cells)
