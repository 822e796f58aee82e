"""Total probability of a conservative density solver."""

from __future__ import annotations

import math
from typing import Any

import torch

from si_verify.check import Check, Context
from si_verify.density.cases import density_case
from si_verify.density.claims import density_claims
from si_verify.density.errors import ROUNDINGS
from si_verify.density.ladder import climb_one, under_resolved
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject


def measure(ctx: Context) -> Outcome:
    """|Σρ(t) − Σρ(start)| h^D at every stored time, for every diffusion and direction the subject takes."""
    claims = density_claims(ctx.subject)
    bound = ROUNDINGS * float(torch.finfo(ctx.dtype).eps)
    measurements, data = [], []
    for amount in claims.amounts()[: 1 + ctx.effort]:
        for direction in claims.directions:
            case = density_case(ctx.problem, amount, direction, ctx.device)  # type: ignore[arg-type]
            rung = climb_one(ctx, case, under_resolved(ctx.problem, 1.0), claims.form, stored=5)
            sums = rung.computed.reshape(len(rung.times), -1).sum(1) * rung.grid.volume
            lost = [abs(float(s - sums[0])) for s in sums]
            worst = max(lost) if all(map(math.isfinite, lost)) else math.nan
            measurements.append(
                Measurement(
                    f"mass lost, {case.label}", worst, bound, origin="rounding",
                    why="4096 eps: each of as many steps rounds every cell once; what leaves a cell enters another",
                )
            )  # fmt: skip
            columns = {"t": rung.times, "error": lost, "bound": [bound] * len(lost)}
            data.append(Data("error-vs-t", "Mass lost against t", columns, {"quantity": "mass", "label": case.label}))
    return Outcome(tuple(measurements), tuple(data))


def applies(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return claims.on_grid and claims.conservative and problem.dim in claims.dims


CHECK = Check(
    name="pde-mass",
    claim="A conservative scheme keeps the total probability to rounding (1e-12 in float64) at every stored time",
    quick_dtypes=("float64",),
    kinds=frozenset({"pde"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal",
        "standard": "1d-bimodal, correlated-2d",
        "full": "order and (1d or 2d)",
    },
    applies=applies,
    tags=frozenset({"pde", "conservation", "noise-free"}),
    cost=0.5,
)
