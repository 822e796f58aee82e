"""No negative probability from a scheme that claims so."""

from __future__ import annotations

import math
from typing import Any

from si_verify.check import Check, Context
from si_verify.density.cases import density_case
from si_verify.density.claims import density_claims
from si_verify.density.ladder import climb_one, under_resolved
from si_verify.measurement import Measurement, Outcome
from si_verify.subject import Subject


def measure(ctx: Context) -> Outcome:
    """min ρ over all cells and stored times, on cells as wide as the narrowest component: there schemes undershoot."""
    claims = density_claims(ctx.subject)
    measurements = []
    for amount in claims.amounts()[:2]:
        for direction in claims.directions:
            case = density_case(ctx.problem, amount, direction, ctx.device)  # type: ignore[arg-type]
            rung = climb_one(ctx, case, under_resolved(ctx.problem, 1.0), claims.form, stored=5)
            lowest = float(rung.computed.min())
            measurements.append(
                Measurement(
                    f"least density, {case.label}", lowest if math.isfinite(lowest) else math.nan, 0.0, "at_least",
                    "exact", "sums of non-negative terms: no rounding makes them negative",
                )
            )  # fmt: skip
    return Outcome(tuple(measurements))


def applies(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return claims.on_grid and claims.positive and problem.dim in claims.dims


CHECK = Check(
    name="pde-positivity",
    claim="A positive scheme never answers a negative density, however coarse the grid",
    kinds=frozenset({"pde"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal",
        "standard": "1d-bimodal, 1d-bimodal-to-trimodal, correlated-2d",
        "full": "order and (1d or 2d)",
    },
    applies=applies,
    tags=frozenset({"pde", "positivity", "noise-free"}),
    cost=0.5,
)
