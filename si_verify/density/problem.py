"""DensityProblem: what a solver of the transport or Fokker–Planck equation on a grid is handed.

    ∂_t ρ + ∇·(b ρ) = sign ε(t) Δρ        sign = +1 run up in t, −1 run down in t   (arXiv:2303.08797, Section 2.2)

with no flux through the walls. ε = 0 is the transport equation. A solver is

    solve(problem, times) -> (len(times), *problem.grid.shape)

with the density at every time; the first time is that of ``problem.initial``. Times rise strictly where sign = +1
and fall where it is −1. How many steps it takes between two times is its own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch

from si_verify.density.grid import Grid

Tensor = torch.Tensor
LatticeDrift = Callable[[float, Sequence[Tensor], int], Tensor]
PointDrift = Callable[[float, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class DensityProblem:
    """One equation on one grid.

    initial     (*shape) of dtype and device: cell averages of ρ, or its values at cell centres, as the solver claims
    epsilon     ε(t) ≥ 0
    direction   "forward" or "backward"
    lattice_drift(t, axes, axis)  component ``axis`` of the drift on a lattice of float64 coordinates
    point_drift(t, x)             the drift at float64 points (N, D)
    steady      the drift does not depend on t, and is asked for once
    """

    grid: Grid
    initial: Tensor
    epsilon: Callable[[float], float]
    direction: Literal["forward", "backward"]
    lattice_drift: LatticeDrift = field(repr=False)
    point_drift: PointDrift = field(repr=False)
    steady: bool = False
    _kept: dict[tuple[str, float, int], Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def sign(self) -> float:
        """+1 run up in t, −1 run down."""
        return 1.0 if self.direction == "forward" else -1.0

    @property
    def dtype(self) -> torch.dtype:
        """Of the initial density and of every answer."""
        return self.initial.dtype

    @property
    def device(self) -> torch.device:
        """Of the initial density and of every answer."""
        return self.initial.device

    def expected(self, answer: Any, times: Sequence[float]) -> list[tuple[str, Any, tuple[int, ...]]]:
        """(name, value, shape) of every tensor in an answer, for the guard."""
        return [("", answer, (len(times), *self.grid.shape))]

    def drift(self, t: float, x: Tensor) -> Tensor:
        """The drift at points x (N, D) -> (N, D), in the dtype of x."""
        return self.point_drift(float(t), x.to(torch.float64)).to(x.dtype)

    def face_drift(self, t: float, axis: int) -> Tensor:
        """Its component along ``axis`` at the centres of the faces across that axis: n + 1 of them, walls included."""
        return self._on("face", float(t), axis)

    def centre_drift(self, t: float, axis: int) -> Tensor:
        """Its component along ``axis`` at the cell centres, (*shape)."""
        return self._on("centre", float(t), axis)

    def _on(self, place: str, t: float, axis: int) -> Tensor:
        # A Runge–Kutta step ends where the next one starts, and every axis is asked for at every stage.
        key = (place, 0.0 if self.steady else t, axis)
        if key not in self._kept:
            if len(self._kept) >= 6 * self.grid.dim:
                self._kept.pop(next(iter(self._kept)))
            centres, edges = self._axes
            axes = list(centres)
            if place == "face":
                axes[axis] = edges[axis]
            self._kept[key] = self.lattice_drift(t, axes, axis).to(self.dtype)
        return self._kept[key]

    @cached_property
    def _axes(self) -> tuple[list[Tensor], list[Tensor]]:
        dims = range(self.grid.dim)
        return [self.grid.centres(d, device=self.device) for d in dims], [
            self.grid.edges(d, device=self.device) for d in dims
        ]
