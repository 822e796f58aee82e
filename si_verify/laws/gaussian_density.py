"""Density problems with affine drift, whose Gaussian answer is known to rounding for *any* such drift, right or wrong.

``analytic.perturbation`` gives the law ρ̂ that a wrong drift leads to; here it is put on grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from analytic import GaussianMixture
from analytic.affine import AffineField
from analytic.gaussian import Gaussian
from si_verify.density.cases import TAIL
from si_verify.density.exact import exact_values
from si_verify.density.grid import Grid
from si_verify.density.problem import DensityProblem
from si_verify.fields.mixture import MixtureFields

Tensor = torch.Tensor
_REACH = 7.04  # standard deviations beyond which a normal law has mass TAIL
assert TAIL == 1e-12


@dataclass(frozen=True, eq=False)
class ShiftedDrift:
    """b + gain s of a Gaussian problem plus a mistake push + stretch x that does not depend on t."""

    fields: MixtureFields
    gain: float
    push: float = 0.0
    stretch: float = 0.0

    def points(self, t: float, x: Tensor) -> Tensor:
        """At x (N, D)."""
        return self.fields.points(t, x, self.gain) + self.push + self.stretch * x

    def on_lattice(self, t: float, axes: Sequence[Tensor], axis: int) -> Tensor:
        """Component ``axis`` on a lattice."""
        x = axes[axis].reshape(*(1,) * axis, -1, *(1,) * (len(axes) - axis - 1))
        return self.fields.on_lattice(t, axes, axis, self.gain) + (self.push + self.stretch * x)

    def mistake(self) -> AffineField:
        """The mistake as ``analytic`` takes it."""
        dim = int(self.fields.interpolant.dim)
        return AffineField(
            lambda t: np.tile(self.stretch * np.eye(dim), (t.size, 1, 1)), lambda t: np.full((t.size, dim), self.push)
        )


def law_on(law: Gaussian, grid: Grid, form: str, device: torch.device | str = "cpu") -> Tensor:
    """A Gaussian on a grid, float64."""
    return exact_values(as_mixture(law), grid, form, device)


def as_mixture(law: Gaussian) -> GaussianMixture:
    """One component; with diagonal covariance where it is one, so that averages are products."""
    cov = np.asarray(law.cov)
    diagonal = np.diag(np.diag(cov))
    return GaussianMixture([1.0], law.mean[None], np.diag(cov)[None] if np.array_equal(cov, diagonal) else cov[None])


def box_around(laws: Sequence[Gaussian], per_width: float) -> Grid:
    """A grid outside of which no coordinate of any law has mass TAIL; ``per_width`` cells to the least deviation."""
    deviation = np.array([np.sqrt(np.diag(law.cov)) for law in laws])
    mean = np.array([law.mean for law in laws])
    lower, upper = (mean - _REACH * deviation).min(0), (mean + _REACH * deviation).max(0)
    least = min(float(np.sqrt(np.linalg.eigvalsh(law.cov)[0])) for law in laws)
    shape = tuple(max(16, 8 * round(float(length) / least * per_width / 8)) for length in upper - lower)
    return Grid(tuple(map(float, lower)), tuple(map(float, upper)), shape)


def shifted_problem(
    drift: ShiftedDrift, start: Gaussian, epsilon: float, grid: Grid, form: str, dtype: torch.dtype
) -> DensityProblem:
    """∂_t ρ + ∇·(drift ρ) = ε Δρ from a Gaussian, forward in t."""
    return DensityProblem(
        grid=grid,
        initial=law_on(start, grid, form, drift.fields.device).to(dtype),
        epsilon=lambda t: epsilon,
        direction="forward",
        lattice_drift=drift.on_lattice,
        point_drift=drift.points,
    )
