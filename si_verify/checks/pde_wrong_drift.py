"""Wrong drifts whose consequence is known: the answer must be wrong by exactly that much (MATH.md sections 4 and 6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from analytic.affine import GaussianPath
from analytic.gaussian import Gaussian
from analytic.perturbation import PerturbedFields, integrate
from si_verify.check import Check, Context
from si_verify.density.cases import least_variance
from si_verify.density.claims import DensityClaims, density_claims
from si_verify.density.errors import Shrinking, distances, floors, slack
from si_verify.density.grid import Grid
from si_verify.density.ladder import run_on
from si_verify.fields.mixture import held
from si_verify.laws.gaussian_density import ShiftedDrift, box_around, law_on, shifted_problem
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

_STORED = 5
# Cells with less than this share of the largest density are joined into one for a divergence.
_NEGLIGIBLE = 1e-8


@dataclass(frozen=True, eq=False)
class _Known:
    """A learned Gaussian law ρ̂ and all that is known of it, at the stored times."""

    times: list[float]
    learned: list[Gaussian]
    truth: list[Gaussian]
    kl: np.ndarray
    growth: np.ndarray  # ∫ of the rate of MATH.md section 6 over each stretch, (T − 1,)

    def grids(self) -> list[Grid]:
        return [box_around([*self.learned, *self.truth], per_width) for per_width in (2.0, 4.0)]


def _mistake(problem: Any, gain: float, device: torch.device) -> ShiftedDrift:
    """A push of half the least deviation a unit of time and a stretch by a tenth, on top of b + gain s."""
    return ShiftedDrift(held(problem, device), gain, 0.5 * least_variance(problem) ** 0.5, 0.1)


def _span(ctx: Context) -> tuple[float, float]:
    """The second half of the problem's times where effort is to be small."""
    start, end = ctx.problem.t_span
    return (0.5 * (start + end), end) if ctx.effort == 0 else (start, end)


@lru_cache(maxsize=16)
def _undiffused(problem: Any, span: tuple[float, float]) -> _Known:
    """The flow whose velocity is mistaken by ε s."""
    path, times = GaussianPath.of(problem.interpolant), np.linspace(*span, _STORED)
    fields = PerturbedFields.of(path, velocity_error=path.score().scaled(least_variance(problem)))
    truth = [path.law(float(t)) for t in times]
    return _Known(times.tolist(), fields.laws(0.0, times), truth, fields.kl_along(0.0, times), np.zeros(_STORED - 1))


@lru_cache(maxsize=16)
def _diffused(problem: Any, span: tuple[float, float]) -> _Known:
    """The Fokker–Planck equation whose drift is mistaken by ``_mistake``."""
    path, times, eps = (
        GaussianPath.of(problem.interpolant), np.linspace(*span, _STORED), least_variance(problem),
    )  # fmt: skip
    fields = PerturbedFields.of(path, velocity_error=_mistake(problem, eps, torch.device("cpu")).mistake())
    truth = [path.law(float(t)) for t in times]

    def rate(t: np.ndarray) -> np.ndarray:
        order = np.argsort(t)
        found = fields.kl_rate(eps, np.concatenate([times[:1], t[order]]))[1:]
        return found[np.argsort(order)]

    growth = np.array([integrate(rate, span) for span in pairwise(times.tolist())])
    return _Known(times.tolist(), fields.laws(eps, times), truth, fields.kl_along(eps, times), growth)


def undiffused(ctx: Context) -> Outcome:
    """b_F with ε = 0 transports ρ(0) to a Gaussian that is not ρ(t): the answer is that one."""
    claims, known = density_claims(ctx.subject), _undiffused(ctx.problem, _span(ctx))
    drift = ShiftedDrift(held(ctx.problem, ctx.device), least_variance(ctx.problem))
    errors, apart, between = [], [], []
    grids = known.grids()
    for grid in grids:
        computed = run_on(ctx, shifted_problem(drift, known.learned[0], 0.0, grid, claims.form, ctx.dtype), known.times)
        wrong, right = (
            [law_on(law, grid, claims.form, ctx.device) for law in laws] for laws in (known.learned, known.truth)
        )
        errors.append(_l1(computed, wrong, grid))
        apart.append(_l1(computed, right, grid))
        between.append(_l1(wrong, right, grid))
    floor = floors(grids[1], ctx.dtype)["L1"]
    shrinking = Shrinking(errors[0], errors[1], 2.0, claims.order, floor, slack("L1", claims.order))
    off = float(np.max(np.abs(apart[1] - between[1]) / (shrinking.allowed + floor)))
    measurements = (
        shrinking.measurement("L1 distance to the law of the flow of b_F", "a Gaussian known to rounding"),
        Measurement(
            "L1 distance to ρ(t) off its known value, over what is allowed", off, 1.0, origin="truncation",
            why=f"the known distance is {between[1][-1]:.4g} at the last time; allowed is the error of the scheme",
        ),
    )  # fmt: skip
    columns = {"t": known.times[1:], "error": apart[1].tolist(), "bound": between[1].tolist()}
    meta = {"quantity": "L1 distance to ρ(t)", "note": "Dashed: the known distance, to be met, not undercut."}
    return Outcome(measurements, (Data("error-vs-t", "Distance from ρ(t) under b_F with ε = 0", columns, meta),))


def _l1(first: Any, second: Any, grid: Grid) -> np.ndarray:
    return np.array([distances(a, b, grid)["L1"] for a, b in zip(first[1:], second[1:], strict=True)])


def divergence_growth(ctx: Context) -> Outcome:
    """KL(ρ(t)‖ρ̂(t)) under a drift that is wrong by a field affine in x, and its growth between stored times."""
    claims, known = density_claims(ctx.subject), _diffused(ctx.problem, _span(ctx))
    eps = least_variance(ctx.problem)
    drift = _mistake(ctx.problem, eps, ctx.device)
    curves = []
    grids = known.grids()
    for grid in grids:
        computed = run_on(ctx, shifted_problem(drift, known.learned[0], eps, grid, claims.form, ctx.dtype), known.times)
        right = [law_on(law, grid, claims.form, ctx.device) for law in known.truth]
        curves.append(np.array([_divergence(p, q, grid) for p, q in zip(right, computed, strict=True)]))
    errors, grown = [np.abs(c - known.kl)[1:] for c in curves], np.abs(np.diff(curves[1]) - known.growth)
    # The joined cells hold little mass, but log(p/q) may be large there: a hundred times their share.
    floor = 1e2 * (_NEGLIGIBLE + floors(grids[1], ctx.dtype)["L1"])
    # The error of a difference of two values is that of either; at some time two errors may cancel in one of them.
    coarse = np.full_like(errors[0], errors[0].max())
    open_ = slack("KL", claims.order)
    measurements = (
        Shrinking(coarse, errors[1], 2.0, claims.order, floor, open_).measurement(
            "error of KL(ρ‖ρ̂) at every t", f"KL at the last time is {known.kl[-1]:.4g}"
        ),
        Shrinking(2 * coarse, grown, 2.0, claims.order, floor, open_).measurement(
            "error of the growth of KL between times", "against the integral of the rate of MATH.md section 6"
        ),
    )
    columns = {"t": known.times[1:], "error": curves[1][1:].tolist(), "bound": known.kl[1:].tolist()}
    meta = {"quantity": "KL(ρ‖ρ̂) under a wrong drift", "note": "Dashed: the exact divergence, to be met."}
    return Outcome(measurements, (Data("error-vs-t", "KL over time under a wrong drift", columns, meta),))


def _divergence(p: torch.Tensor, q: torch.Tensor, grid: Grid) -> float:
    """KL of the laws with negligible and non-positive cells joined into one (a lower bound, by data processing)."""
    kept = (p > _NEGLIGIBLE * p.max()) & ~(q <= 0)
    a, b = p[kept], q[kept]
    rest, found = (v[~kept].sum().reshape(1) for v in (p, q))
    if float(rest) > 0 and float(found) > 0:
        a, b = torch.cat([a, rest]), torch.cat([b, found])
    elif float(rest) * grid.volume > _NEGLIGIBLE * grid.cells:
        return math.inf  # what the scheme has made negative is no matter of rounding
    ratio = b / a - 1.0
    return float((a * (ratio - torch.log1p(ratio))).sum()) * grid.volume


def _transports(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return _fits(claims, problem) and "transport" in claims.equations


def _diffuses(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return _fits(claims, problem) and "fokker-planck" in claims.equations


def _fits(claims: DensityClaims, problem: Any) -> bool:
    return claims.on_grid and "forward" in claims.directions and problem.dim in claims.dims


_PROBLEMS = {
    "quick": "gaussian-1d",
    "standard": "gaussian-1d, correlated-2d",
    "full": "gaussian and order and (1d or 2d)",
}
CHECKS = (
    Check(
        name="pde-undiffused-drift",
        claim="With b replaced by b_F and ε = 0 the density differs from ρ(t) by the known amount (MATH.md section 4)",
        scope={"standard": "1d or not (pde/weno5, pde/fourier)"},
        kinds=frozenset({"pde"}),
        measure=undiffused,
        problems=_PROBLEMS | {"quick": ""},
        applies=_transports,
        dtypes=("float64",),
        tags=frozenset({"pde", "identity", "noise-free"}),
        cost=1.0,
    ),
    Check(
        name="pde-divergence-growth",
        claim="Under a wrong drift KL(ρ‖ρ̂) grows at the rate E[(∇log ρ̂ − s)·(b̂_F − b_F)] − ε E|∇log ρ̂ − s|² "
        "(MATH.md section 6)",
        scope={"standard": "1d or not pde/fused-rkl2"},
        kinds=frozenset({"pde"}),
        measure=divergence_growth,
        problems=_PROBLEMS | {"quick": ""},
        applies=_diffuses,
        dtypes=("float64",),
        tags=frozenset({"pde", "kl", "noise-free"}),
        cost=1.0,
    ),
)
