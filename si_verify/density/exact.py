"""Exact densities on a grid: cell averages and values at cell centres of a Gaussian mixture.

Averages come from differences of distribution functions where components are products over the axes, from
Gauss–Legendre quadrature elsewhere: a finite-volume solution is compared with averages, never with point values, which
differ from them by h²/24 Δρ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import special

from si_verify.density.grid import Grid, lattice

Tensor = torch.Tensor
_NODES = 5  # exact for degree 9 in every coordinate: its error is of order 10, below every scheme's


def exact_values(law: Any, grid: Grid, form: str, device: torch.device | str = "cpu") -> Tensor:
    """ρ on the grid in the form "averages" or "points", float64, (*shape)."""
    if form == "points":
        return _points(law, grid).to(device)
    if form != "averages":
        raise ValueError(f"form: expected 'averages' or 'points', got {form!r}")
    if law.kind != "full":
        return _products(law, grid).to(device)
    return _quadrature(law, grid).to(device)


def log_values(law: Any, grid: Grid, device: torch.device | str = "cpu") -> Tensor:
    """log ρ at the cell centres, float64, (*shape)."""
    return torch.as_tensor(np.asarray(law.log_density(grid.points().numpy()))).reshape(grid.shape).to(device)


def _points(law: Any, grid: Grid) -> Tensor:
    return torch.exp(log_values(law, grid))


def _products(law: Any, grid: Grid) -> Tensor:
    means, weights = np.asarray(law.means), np.asarray(law.weights)
    variances = np.asarray(law.covariances)
    if variances.ndim == 1:
        variances = np.repeat(variances[:, None], law.dim, axis=1)
    total: Any = weights
    for axis in range(grid.dim):
        z = (grid.edges(axis).numpy()[None] - means[:, axis, None]) / np.sqrt(variances[:, axis, None])
        # In the upper half from the upper tail, so that the difference keeps its digits there.
        upper = z[:, :-1] > 0
        mass = np.where(upper, -np.diff(special.ndtr(-z)), np.diff(special.ndtr(z))) / grid.spacing[axis]
        total = total[..., None] * mass.reshape(len(mass), *(1,) * axis, -1) if axis else total[:, None] * mass
    return torch.as_tensor(total.sum(0))


def _quadrature(law: Any, grid: Grid) -> Tensor:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    axes = []
    for axis in range(grid.dim):
        centres = grid.centres(axis).numpy()
        axes.append(torch.as_tensor((centres[:, None] + 0.5 * grid.spacing[axis] * nodes).reshape(-1)))
    fine = tuple(n * _NODES for n in grid.shape)
    rho = np.exp(np.asarray(law.log_density(lattice(axes).numpy()))).reshape(fine)
    for axis in range(grid.dim):
        split = (*rho.shape[:axis], grid.shape[axis], _NODES, *rho.shape[axis + 1 :])
        rho = np.tensordot(rho.reshape(split), weights / 2, axes=([axis + 1], [0]))
    return torch.as_tensor(rho)
