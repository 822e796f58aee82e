"""Seeded faults in time: levels, steps, direction, splitting, and what depends on t."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from si_verify.density.problem import DensityProblem
from si_verify.faults.pde_fluxes import fault
from si_verify.subjects.pde import fluxes, implicit_diffusion, semi_lagrangian
from si_verify.subjects.pde.marching import Rate, Step, advective_rate, courant_steps, explicit_steps, march, ssp2

Tensor = torch.Tensor


def _muscl(step_of: Callable[[Rate], Step]) -> Callable[[DensityProblem, Sequence[float]], Tensor]:
    def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
        rate = fluxes.divergence_of(problem, fluxes.limited)
        return march(problem, times, step_of(rate), explicit_steps(problem))

    return solve


def _frozen_level(rate: Rate) -> Step:
    """Both stages at the end of the step."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        first = rho + abs(dt) * rate(t + dt, rho)
        return 0.5 * (rho + first + abs(dt) * rate(t + dt, first))

    return step


def _same_slope(rate: Rate) -> Step:
    """The second stage is evaluated at the old state."""
    return lambda rho, t, dt: rho + 0.5 * abs(dt) * (rate(t, rho) + rate(t + dt, rho))


def _large_steps(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    rate = fluxes.divergence_of(problem, fluxes.limited)
    return march(
        problem, times, ssp2(rate), lambda a, b: max(1, math.ceil(abs(b - a) * advective_rate(problem, a, b) / 4))
    )


def _last_step_skipped(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    step, steps = ssp2(fluxes.divergence_of(problem, fluxes.limited)), explicit_steps(problem)
    rho, stored = problem.initial, [problem.initial]
    for a, b in pairwise(times):
        count = steps(a, b)
        for i in range(count - 1):
            rho = step(rho, a + (b - a) * i / count, (b - a) / count)
        stored.append(rho)
    return torch.stack(stored)


def _one_step_short(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """dt = (b − a)/(n − 1) for n steps."""
    step, steps = ssp2(fluxes.divergence_of(problem, fluxes.limited)), explicit_steps(problem)
    rho, stored = problem.initial, [problem.initial]
    for a, b in pairwise(times):
        count = steps(a, b) + 1
        dt = (b - a) / (count - 1)
        for i in range(count):
            t = min(max(a + dt * i, min(a, b)), max(a, b) - (0 if dt < 0 else dt))
            rho = step(rho, max(t, min(times) + (-dt if dt < 0 else 0)), dt)
        stored.append(rho)
    return torch.stack(stored)


def _late_by_one(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    answer = march(problem, times, ssp2(fluxes.divergence_of(problem, fluxes.limited)), explicit_steps(problem))
    return torch.cat([answer[:1], answer[:-1]])


def _forward_always(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """The drift of a backward run is not turned around."""
    return _muscl(ssp2)(replace(problem, direction="forward"), times)


def _anti_diffusion(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """−ε Δρ taken at face value with dt > 0, kept alive by a floor on the diffusion."""
    signed = replace(problem, epsilon=lambda t: problem.epsilon(t) * (1.0 if problem.sign > 0 else 0.0))
    return _muscl(ssp2)(signed, times)


def _epsilon_at_start(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    return _muscl(ssp2)(replace(problem, epsilon=lambda t: problem.epsilon(times[0])), times)


def _drift_at_start(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """Coefficients are assembled once, at the first time."""
    first = float(times[0])
    still = replace(
        problem,
        lattice_drift=lambda t, axes, axis: problem.lattice_drift(first, axes, axis),
        point_drift=lambda t, x: problem.point_drift(first, x),
    )
    return _muscl(ssp2)(still, times)


def _lie(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """Diffusion after transport for Strang's halves around it: second order becomes first."""
    grid = problem.grid

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        origin = semi_lagrangian.departures(problem, t, dt, 0)
        rho = semi_lagrangian.remap(rho, origin, grid.lower[0], grid.spacing[0])
        amount = implicit_diffusion.epsilon_integral(problem, t, dt)
        return implicit_diffusion.diffuse(rho, grid.spacing, amount) if amount > 0 else rho

    return march(problem, times, step, courant_steps(problem, 2.0))


def _full_halves(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """Both halves of the diffusion are given the whole step."""
    grid = problem.grid
    advect = ssp2(fluxes.divergence_of(replace(problem, epsilon=lambda t: 0.0), fluxes.limited))

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        amount = implicit_diffusion.epsilon_integral(problem, t, dt)
        for half in (0, 1):
            rho = implicit_diffusion.diffuse(rho, grid.spacing, amount) if amount > 0 else rho
            rho = advect(rho, t, dt) if half == 0 else rho
        return rho

    return march(problem, times, step, courant_steps(problem, 0.45))


FAULTS = (
    fault(
        "drift-at-the-wrong-level", _muscl(_frozen_level), ("pde-error",),
        "Both Runge–Kutta stages take the drift at t + dt with the state at t: order 2 becomes 1.",
        "malbergo/stochastic-interpolants (SDE Heun step)",
    ),
    fault("stage-state-reused", _muscl(_same_slope), ("pde-error",), "The second stage forgets the first."),
    fault("cfl-ignored", _large_steps, ("pde-error",), "Steps of Courant number 4 in an explicit scheme."),
    fault(
        "last-step-skipped", _last_step_skipped, ("pde-error",), "The last step before a stored time is not made.",
        "huggingface/diffusers#6477",
    ),
    fault("step-1-over-n-minus-1", _one_step_short, ("pde-error",), "n steps of size 1/(n − 1)."),
    fault("stored-late", _late_by_one, ("pde-error",), "Densities are stored before the stretch, not after it."),
    fault(
        "direction-ignored", _forward_always, ("pde-directions-meet",),
        "A backward run goes forward: the drift is not reversed where dt < 0.", "hustvl/LightningDiT#89",
    ),
    fault(
        "backward-diffusion-dropped", _anti_diffusion, ("pde-directions-meet",),
        "−ε Δρ of the backward equation is unstable if taken at face value, so it was left out.",
    ),
    fault("epsilon-at-start", _epsilon_at_start, ("pde-error",), "ε(t) is read once, at the first time."),
    fault("drift-at-start", _drift_at_start, ("pde-error",), "The operator is assembled once, at the first time."),
    fault(
        "lie-splitting", _lie, ("pde-error",), "Lie splitting under the claim of Strang's order.", dims=(1,), walls="",
    ),
    fault(
        "strang-full-halves", _full_halves, ("pde-error",),
        "Both half steps of the diffusion are whole ones: twice the diffusion.", walls="",
    ),
)  # fmt: skip
