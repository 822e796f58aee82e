"""One density solver on one equation over several grids, its error at every stored time on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from si_verify.check import Context
from si_verify.density.cases import DensityCase, box, domain, least_variance
from si_verify.density.claims import DensityClaims
from si_verify.density.errors import NORMS, distances, floors
from si_verify.density.grid import Grid
from si_verify.density.problem import DensityProblem

Tensor = torch.Tensor
# Cells per least standard deviation on the rungs of a ladder. First-order schemes need more before their error is
# small against the law itself; high orders reach their floor sooner.
_DENSITY = {1: (2.0, 2.8, 4.0, 5.6, 8.0), 2: (2.0, 2.8, 4.0, 5.6), 3: (1.4, 2.0, 2.8, 4.0)}


@dataclass(frozen=True, eq=False)
class Rung:
    """One run: computed and exact densities (T, *shape) in float64, errors {norm: (T − 1,)} after the start."""

    grid: Grid
    times: list[float]
    computed: Tensor
    exact: Tensor
    errors: dict[str, np.ndarray]

    @property
    def step(self) -> float:
        """The largest cell width."""
        return max(self.grid.spacing)

    def rising(self) -> Rung:
        """The same run with its times rising; the errors stay in the order of the run."""
        if self.times[0] < self.times[-1]:
            return self
        return replace(self, times=self.times[::-1], computed=self.computed.flip(0), exact=self.exact.flip(0))


def _widths(problem: Any) -> float:
    """The longest axis in least standard deviations."""
    lower, upper = domain(problem)
    return max(b - a for a, b in zip(lower, upper, strict=True)) / least_variance(problem) ** 0.5


def under_resolved(problem: Any, per_width: float) -> int:
    """Cells on the longest axis, ``per_width`` to the narrowest component's standard deviation; at most 96 in 2-D."""
    most = {1: 10_000, 2: 96, 3: 32}[problem.dim]
    return min(most, 8 * round(_widths(problem) * per_width / 8))


def resolved(problem: Any, claims: DensityClaims, effort: int) -> int:
    """Cells of the coarse one of two grids, a factor two apart, on both of which the scheme should show its order."""
    per = _DENSITY[min(3, max(1, round(claims.order)))]
    finer = 2 if effort and problem.dim == 1 else min(1, effort)
    return min({1: 10_000, 2: 80, 3: 24}[problem.dim], 8 * round(_widths(problem) * per[finer] / 8))


def rungs_for(problem: Any, claims: DensityClaims, largest: int = 10_000) -> list[int]:
    """Cells on the longest axis, coarse to fine: by the claimed order and the width of the narrowest component."""
    per = _DENSITY[min(3, max(1, round(claims.order)))]
    # Multiples of 8: see subjects/pde/marching.py. Every other rung is twice as fine to the cell.
    cells = [8 * round(_widths(problem) * m / 8) for m in per[:2]]
    while len(cells) < len(per):
        cells.append(2 * cells[-2])
    return [n for n in cells if n <= largest]


def run_on(ctx: Context, problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """The subject's answer, float64."""
    return ctx.implementation(problem, list(times)).to(torch.float64)


def climb_one(ctx: Context, case: DensityCase, cells: int, form: str, stored: int = 5) -> Rung:
    """The subject on one grid of ``cells`` cells along the longest axis."""
    return on_grid(ctx, case, box(case.problem, cells), form, stored)


def on_grid(ctx: Context, case: DensityCase, grid: Grid, form: str, stored: int = 5) -> Rung:
    """The subject on a given grid."""
    times = case.times(stored)
    computed = run_on(ctx, case.on(grid, form, ctx.dtype), times)
    exact = torch.stack([case.exact(grid, t, form) for t in times])
    return rung(grid, times, computed, exact)


def rung(grid: Grid, times: list[float], computed: Tensor, exact: Tensor) -> Rung:
    """Errors at every time after the first."""
    found = [distances(c, e, grid) for c, e in zip(computed[1:], exact[1:], strict=True)]
    return Rung(grid, times, computed, exact, {norm: np.array([f[norm] for f in found]) for norm in NORMS})


def floor_of(rung: Rung, dtype: torch.dtype, norm: str) -> float:
    return floors(rung.grid, dtype)[norm]
