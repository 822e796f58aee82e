"""Error of a density solver against the exact density, at every stored time and in four distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from si_verify.check import Check, Context
from si_verify.density.cases import density_case
from si_verify.density.claims import density_claims
from si_verify.density.errors import NORMS, Shrinking, slack
from si_verify.density.ladder import Rung, climb_one, floor_of, rungs_for
from si_verify.density.order import FACTOR, decided, judge, picture
from si_verify.density.pictures import panels
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

# Cells of a ladder's finest grid, by dimension: what a profile can afford.
_LARGEST = {1: 10_000, 2: 260, 3: 64}
# How often a ladder that has not decided yet goes on, by effort; in the plane twice.
_EXTENSIONS = (2, 4, 6)


def measure(ctx: Context) -> Outcome:
    """A ladder for every kind of diffusion the subject takes; its order in L1, and its decay in all distances."""
    claims = density_claims(ctx.subject)
    measurements: list[Measurement] = []
    data: list[Data] = []
    # The plane costs more than it says anew about how much diffusion there is.
    for amount in claims.amounts()[: 1 + ctx.effort if ctx.problem.dim == 1 or ctx.effort == 2 else 1]:
        direction = "forward" if "forward" in claims.directions else "backward"
        case = density_case(ctx.problem, amount, direction, ctx.device, _span(ctx))  # type: ignore[arg-type]
        largest = _LARGEST[ctx.problem.dim]
        rungs = [climb_one(ctx, case, n, claims.form) for n in rungs_for(ctx.problem, claims, largest)]
        row, curve = _order(ctx, case.label, rungs, claims.order)
        for _ in range(_EXTENSIONS[ctx.effort] if ctx.problem.dim == 1 else 2):
            finer = 2 * max(rungs[-2].grid.shape)
            if decided(row) or finer > largest:
                break
            rungs.append(climb_one(ctx, case, finer, claims.form))
            row, curve = _order(ctx, case.label, rungs, claims.order)
        measurements.append(row)
        data.append(curve)
        for norm in NORMS:
            found, curve = _decay(ctx, case.label, rungs, norm, claims.order_in(norm))
            measurements.append(found)
            data.append(curve)
        data += panels(rungs[-1], case.label)
    return Outcome(tuple(measurements), tuple(data))


def _span(ctx: Context) -> tuple[float, float]:
    """All of the problem's times; in the plane the middle 40 % unless effort is full.

    Over less than that a scheme of large steps takes so few that their whole number sets its error.
    """
    start, end = ctx.problem.t_span
    if ctx.problem.dim == 1 or ctx.effort == 2:
        return start, end
    return start + 0.3 * (end - start), start + 0.7 * (end - start)


def _order(ctx: Context, label: str, rungs: list[Rung], claimed: float) -> tuple[Measurement, Data]:
    steps = np.array([r.step for r in rungs])
    errors = np.array([r.errors["L1"][-1] for r in rungs])
    floor = np.array([floor_of(r, ctx.dtype, "L1") for r in rungs])
    row, fit = judge(f"L1 error, {label}", steps, errors, floor, claimed)
    return row, picture(label, [max(r.grid.shape) for r in rungs], steps, errors, floor, claimed, fit)


def _decay(ctx: Context, label: str, rungs: list[Rung], norm: str, order: float) -> tuple[Measurement, Data]:
    """The finest rung against the first one that is about twice as coarse."""
    fine = rungs[-1]
    coarse = next(r for r in reversed(rungs) if r.step >= FACTOR * fine.step)
    shrinking = Shrinking(
        coarse.errors[norm],
        fine.errors[norm],
        coarse.step / fine.step,
        order,
        floor_of(fine, ctx.dtype, norm),
        slack(norm, order),
    )
    columns: dict[str, Any] = {
        "t": fine.times[1:],
        "error": [float(e) if math.isfinite(e) else None for e in fine.errors[norm]],
        "bound": [float(b) if math.isfinite(b) else None for b in shrinking.allowed],
    }
    cells = max(fine.grid.shape)
    found = Data(
        "error-vs-t", f"{norm} error of the density against t", columns,
        {"quantity": f"density in {norm}", "label": label, "note": f"{cells} cells on the longest axis."},
    )  # fmt: skip
    return shrinking.measurement(f"{norm} at every t, {label}"), found


def applies(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return claims.on_grid and problem.dim in claims.dims


CHECK = Check(
    name="pde-error",
    claim="The computed density converges to ρ(t) at every stored time, in L1, L2, L∞ and KL, at the claimed order "
    "(arXiv:2303.08797, Theorem 2.6 and Corollary 2.10)",
    # In the plane: the kernels, which are made for it, and one of each kind; first orders climb for minutes.
    scope={"standard": "1d and not kernel or 2d and (kernel, pde/muscl, pde/semi-lagrangian, pde/implicit-diffusion)"},
    kinds=frozenset({"pde"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal",
        "standard": "1d-bimodal, product-2d",
        "full": "order and (1d or 2d)",
    },
    applies=applies,
    dtypes=("float64",),
    tags=frozenset({"pde", "order", "noise-free"}),
    cost=3.0,
)
