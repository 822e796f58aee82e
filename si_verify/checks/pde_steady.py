"""Steady states: a Gibbs density under its own drift stays, in open space and between closed walls."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from analytic.affine import GaussianPath
from analytic.gaussian import Gaussian
from si_verify.check import Check, Context
from si_verify.density.cases import least_variance
from si_verify.density.claims import DensityClaims, density_claims
from si_verify.density.errors import ROUNDINGS, Shrinking, floors, slack
from si_verify.density.exact import exact_values
from si_verify.density.grid import Grid
from si_verify.density.ladder import run_on
from si_verify.density.problem import DensityProblem
from si_verify.fields.mixture import MixtureFields, held
from si_verify.laws.gaussian_density import as_mixture, box_around
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

_STORED = 5
# Rounding of an exchange that balances: the drift, two exponentials and two products, each relative to what is moved.
_ROUNDING = 64.0
# Where the walls cut the law, in standard deviations from its mean: unevenly, and deep enough to matter.
_CUT = (-1.2, 0.8)


def _problem(fields: MixtureFields, at: float, law: Gaussian, grid: Grid, eps: float, ctx: Context) -> DensityProblem:
    """∂_t ρ + ∇·(ε ∇log π ρ) = ε Δρ from π itself, sampled at centres and normalised on the grid."""
    values = exact_values(as_mixture(law), grid, "points", ctx.device)
    values = values / (values.sum() * grid.volume)

    def lattice_drift(t: float, axes: Any, axis: int) -> torch.Tensor:
        return fields.on_lattice(at, axes, axis, eps) - fields.on_lattice(at, axes, axis, 0.0)

    return DensityProblem(
        grid=grid,
        initial=values.to(ctx.dtype),
        epsilon=lambda t: eps,
        direction="forward",
        lattice_drift=lattice_drift,
        point_drift=lambda t, x: fields.points(at, x, eps) - fields.points(at, x, 0.0),
    )


def _measure(ctx: Context, grids: list[Grid], law: Gaussian, at: float, what: str) -> Outcome:
    claims = density_claims(ctx.subject)
    eps = 0.5 * least_variance(ctx.problem)
    fields = held(ctx.problem, ctx.device)
    times = [float(t) for t in np.linspace(0.0, 1.0, _STORED)]
    gaps, lost, exchanged = [], [], []
    for grid in grids if claims.steady != "exact" else grids[:1]:
        problem = _problem(fields, at, law, grid, eps, ctx)
        answer = run_on(ctx, problem, times)
        flat = answer.reshape(_STORED, -1)
        gaps.append(((flat[1:] - flat[0]).abs().sum(1) * grid.volume).cpu().numpy())
        lost.append(float((flat.sum(1) - flat[0].sum()).abs().max()) * grid.volume)
        fastest = [float(problem.face_drift(0.0, axis).abs().max()) for axis in range(grid.dim)]
        exchanged.append(sum(2 * w / h + 2 * eps / h**2 for w, h in zip(fastest, grid.spacing, strict=True)))
    eps_machine = float(torch.finfo(ctx.dtype).eps)
    if claims.steady == "exact":
        bound = _ROUNDING * eps_machine * (1.0 + exchanged[0])
        row = Measurement(
            f"L1 distance from {what}", float(gaps[0].max()), bound, origin="rounding",
            why=f"64 eps of what is exchanged between cells in one unit of time ({exchanged[0]:.3g} times the mass)",
        )  # fmt: skip
        allowed = np.full(_STORED - 1, bound)
    else:
        floor = floors(grids[1], ctx.dtype)["L1"]
        shrinking = Shrinking(gaps[0], gaps[1], 2.0, claims.order, floor, slack("L1", claims.order))
        row, allowed = shrinking.measurement(f"L1 distance from {what}"), shrinking.allowed
    rows = [row]
    if claims.conservative:
        rows.append(Measurement(f"mass lost from {what}", max(lost), ROUNDINGS * eps_machine, why="4096 eps"))
    columns = {"t": times[1:], "error": gaps[-1].tolist(), "bound": allowed.tolist()}
    return Outcome(
        tuple(rows), (Data("error-vs-t", "Distance from a steady state", columns, {"quantity": "steady density"}),)
    )


def _law(problem: Any) -> tuple[float, Gaussian]:
    at = 0.5 * sum(problem.t_span)
    return at, GaussianPath.of(problem.interpolant).law(at)


def steady(ctx: Context) -> Outcome:
    """In a box that holds the law whole."""
    at, law = _law(ctx.problem)
    return _measure(ctx, [box_around([law], n) for n in (4.0, 8.0)], law, at, "a Gibbs state")


def walls(ctx: Context) -> Outcome:
    """In a box whose walls cut through the law: nothing may cross them, in either direction or around."""
    at, law = _law(ctx.problem)
    deviation = np.sqrt(np.diag(law.cov))
    low, high = (tuple(map(float, law.mean + c * deviation)) for c in _CUT)
    grids = [Grid(low, high, (n,) * law.dim) for n in (16, 32)]
    return _measure(ctx, grids, law, at, "a Gibbs state cut by walls")


def _applies(claims: DensityClaims, problem: Any) -> bool:
    return (
        claims.on_grid
        and "fokker-planck" in claims.equations
        and "forward" in claims.directions
        and problem.dim in claims.dims
    )


def _steady_applies(subject: Subject, problem: Any) -> bool:
    return _applies(density_claims(subject), problem)


def _walls_apply(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return _applies(claims, problem) and claims.walls == "closed"


_PROBLEMS = {
    "quick": "gaussian-1d",
    "standard": "gaussian-1d, gaussian-2d-crossed, correlated-2d",
    "full": "gaussian and order and (1d or 2d)",
}
CHECKS = (
    Check(
        name="pde-steady-state",
        claim="π stays under ∂_t ρ + ∇·(ε ∇log π ρ) = ε Δρ: to rounding for exponentially fitted schemes, else to the "
        "claimed order (Chang, Cooper, J. Comput. Phys. 6 (1970))",
        scope={"standard": "1d or (correlated-2d and not (pde/weno5, pde/fused-rkl2))"},
        kinds=frozenset({"pde"}),
        measure=steady,
        problems=_PROBLEMS,
        applies=_steady_applies,
        dtypes=("float64",),
        tags=frozenset({"pde", "steady", "noise-free"}),
        cost=0.7,
    ),
    Check(
        name="pde-closed-walls",
        claim="No probability crosses the walls: a Gibbs state cut by them stays",
        kinds=frozenset({"pde"}),
        measure=walls,
        problems=_PROBLEMS | {"quick": "gaussian-1d, gaussian-2d-commuting"},
        applies=_walls_apply,
        dtypes=("float64",),
        tags=frozenset({"pde", "walls", "noise-free"}),
        cost=0.4,
    ),
)
