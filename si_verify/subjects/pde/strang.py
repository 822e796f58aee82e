"""Strang splitting over the axes: second order if every axis' own step is."""

from __future__ import annotations

from collections.abc import Callable

import torch

from si_verify.subjects.pde.marching import Step

Tensor = torch.Tensor
AxisStep = Callable[[Tensor, float, float, int], Tensor]  # (ρ, t, signed dt, axis) -> ρ at t + dt


def strang(dim: int, along: AxisStep) -> Step:
    """Half steps up the axes, a whole one on the last, half steps down; one axis needs no splitting."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        for axis in range(dim - 1):
            rho = along(rho, t, 0.5 * dt, axis)
        rho = along(rho, t, dt, dim - 1)
        for axis in reversed(range(dim - 1)):
            rho = along(rho, t + 0.5 * dt, 0.5 * dt, axis)
        return rho

    return step
