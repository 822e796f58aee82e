"""Large grids over a stretch of time: 512² in the plane, 48³ in space."""

from __future__ import annotations

from typing import Any

import numpy as np

from si_verify.check import Check, Context
from si_verify.density.cases import box, density_case
from si_verify.density.claims import density_claims
from si_verify.density.errors import NORMS, ROUNDINGS, Shrinking, slack
from si_verify.density.ladder import floor_of, on_grid
from si_verify.density.pictures import panels
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

# Cells on the longest axis of the finer grid by dimension, and the share of the time span that is run.
_CELLS, _SHARE = {2: 512, 3: 48}, {2: 0.002, 3: 0.01}


def measure(ctx: Context) -> Outcome:
    """Errors on a grid and on one twice as coarse, over a short stretch around the middle of the time span."""
    claims, dim = density_claims(ctx.subject), ctx.problem.dim
    start, end = ctx.problem.t_span
    middle, half = 0.5 * (start + end), 0.5 * _SHARE[dim] * (end - start)
    amount = claims.amounts()[0]
    direction = "forward" if "forward" in claims.directions else "backward"
    case = density_case(ctx.problem, amount, direction, ctx.device, (middle - half, middle + half))  # type: ignore[arg-type]
    coarse, fine = (on_grid(ctx, case, box(ctx.problem, n), claims.form, 3) for n in (_CELLS[dim] // 2, _CELLS[dim]))
    rows, data = [], []
    cells = " x ".join(map(str, fine.grid.shape))
    for norm in NORMS:
        order = claims.order_in(norm)
        floor = floor_of(fine, ctx.dtype, norm)
        ratio = coarse.step / fine.step
        shrinking = Shrinking(coarse.errors[norm], fine.errors[norm], ratio, order, floor, slack(norm, order))
        rows.append(shrinking.measurement(f"{norm} on {cells}, {case.label}"))
        columns = {"t": fine.times[1:], "error": fine.errors[norm].tolist(), "bound": shrinking.allowed.tolist()}
        meta = {"quantity": f"density in {norm}", "label": cells}
        data.append(Data("error-vs-t", f"{norm} error on a large grid", columns, meta))
    if claims.conservative:
        sums = fine.computed.reshape(len(fine.times), -1).sum(1).cpu().numpy() * fine.grid.volume
        bound = ROUNDINGS * float(np.finfo(np.float64).eps)
        rows.append(Measurement(f"mass lost on {cells}", float(np.abs(sums - sums[0]).max()), bound, why="4096 eps"))
    return Outcome(tuple(rows), tuple(data + panels(fine, f"{case.label}, {cells}")))


def applies(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return claims.on_grid and problem.dim in claims.dims


CHECK = Check(
    name="pde-large-grid",
    claim="On 512² and on 48³ cells the error has fallen at the claimed order, and no mass is lost",
    scope={
        "standard": "product-2d and (pde/chang-cooper, pde/fourier, pde/muscl, pde/fused) or "
        "product-3d and (pde/implicit-diffusion, pde/fused-tr-bdf2)"
    },
    kinds=frozenset({"pde"}),
    measure=measure,
    problems={"quick": "", "standard": "product-2d, product-3d", "full": "product-2d, product-3d, correlated-2d"},
    applies=applies,
    dtypes=("float64",),
    tags=frozenset({"pde", "order", "noise-free"}),
    cost=4.0,
)
