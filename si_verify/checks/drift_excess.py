"""L[f̂] − min L = ½ ∫E|f̂ − f|² dt: for a learned f̂ by our objective, and for a loss by any f̂."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.learning.batches import Batch
from si_verify.learning.exact import exact_field, minimum
from si_verify.learning.objectives import QuadraticObjective
from si_verify.learning.trial import MARGIN, batch_of, fields_of, of_form, points_of, squares
from si_verify.measurement import Measurement, Outcome
from si_verify.stats import mean_test, split

Tensor = torch.Tensor
_ROWS = (20_000, 40_000, 300_000)


def field(ctx: Context) -> Outcome:
    """Both sides from the same draws, each learned field under its own objective."""
    fields = fields_of(ctx)
    alpha = split(ctx.alpha, len(fields))
    batch = batch_of(ctx, _ROWS[ctx.effort])
    return Outcome(
        tuple(_identity(ctx, q, f, QuadraticObjective(q), batch, alpha, f"the learned {q}") for q, f in fields.items())
    )


def objective(ctx: Context) -> Outcome:
    """A loss under test, on the exact field, on half of it and on one with a wave: minimum and excess of each."""
    quantity = ctx.subject.claims.quantities[0]
    exact = exact_field(ctx.problem.interpolant, quantity)
    tried: dict[str, Callable[[Any, Tensor], Tensor]] = {
        "the exact field": exact,
        "half of it": lambda t, x: 0.5 * exact(t, x),
        "it plus a wave": lambda t, x: exact(t, x) + torch.sin(2.0 * x + 3.0 * t[:, None]),
    }
    alpha = split(ctx.alpha, 2 * len(tried))
    batch = batch_of(ctx, _ROWS[ctx.effort])
    rows = []
    for name, f in tried.items():
        rows += [
            _identity(ctx, quantity, f, ctx.implementation, batch, alpha, name),
            _paired(ctx, quantity, f, batch, alpha, name),
        ]
    return Outcome(tuple(rows))


def _paired(ctx: Context, quantity: str, f: Any, batch: Batch, alpha: float, label: str) -> Measurement:
    """The loss less our own on the same draws has mean zero: the noise of the targets cancels."""
    given = (f, ctx.problem.interpolant, batch.t, batch.x0, batch.x1, batch.z)
    weight = batch.weight.to(torch.float64)
    own, theirs = (
        (loss(*given).detach().to(torch.float64) * weight).cpu().numpy()
        for loss in (QuadraticObjective(quantity), ctx.implementation)
    )
    name = f"|L − L of the suite's objective| of {label}"
    if not np.isfinite(theirs).all():
        return Measurement(name, float("nan"), 0.0, origin="sampling")
    test = mean_test(theirs - own, 0.0, alpha)
    floor = 64.0 * float(torch.finfo(ctx.dtype).eps) * float(np.abs(own).mean())
    return Measurement(
        name, test.deviation, test.critical + floor, origin="sampling",
        why=f"{own.size} common draws, and rounding; the suite's own is held to the minimum beside",
        confidence=1.0 - alpha, detectable=test.detectable + floor,
    )  # fmt: skip


def _identity(ctx: Context, quantity: str, f: Any, loss: Any, batch: Batch, alpha: float, label: str) -> Measurement:
    """loss − ½|f̂ − f|² averages to the minimum, whatever f̂: one mean, with what both sides share cancelled."""
    interpolant = ctx.problem.interpolant
    known = minimum(ctx.problem, quantity)
    x = points_of(ctx, batch)
    exact = exact_field(interpolant, quantity)(batch.t, x)
    excess = 0.5 * squares(f(batch.t, x) - exact)
    losses = loss(f, interpolant, batch.t, batch.x0, batch.x1, batch.z).detach().to(torch.float64).cpu().numpy()
    weight = batch.weight.to(torch.float64).cpu().numpy()
    sample = (losses - excess) * weight
    name = f"|L − excess − min L| of {label}"
    if not np.isfinite(sample).all():
        return Measurement(name, float("nan"), 0.0, origin="sampling")
    test = mean_test(sample, known.value, alpha)
    # Draws nearer than MARGIN to an end are taken at MARGIN: that share of an integrand no larger than near there.
    clipped = 2.0 * MARGIN * abs(known.value) + 6.0 * known.error
    return Measurement(
        name, test.deviation, test.critical + clipped, origin="sampling",
        why=f"{sample.size} draws; min L = {known.value:.6g} by quadrature; {clipped:.2g} for the ends left out",
        confidence=1.0 - alpha, detectable=test.detectable + clipped, resolution=0.5 * max(abs(known.value), 1e-300),
    )  # fmt: skip


_PROBLEMS = {
    "quick": "product-2d",  # in one dimension a mean over coordinates is their sum
    "standard": "1d-bimodal, gaussian-2d-crossed, product-2d, gaussian-1d",
    "full": "latent and order and (1d or 2d)",
}
CHECKS = (
    Check(
        name="drift-excess",
        claim="L[f̂] − min L = ½∫E|f̂ − f|² dt for the learned field (MATH.md section 5), within sampling error",
        kinds=frozenset({"drift"}),
        measure=field,
        problems=_PROBLEMS,
        scope={"quick": "tag=user", "standard": "1d-bimodal or product-2d"},
        applies=of_form("field"),
        statistical=True,
        dtypes=("float64",),
        tags=frozenset({"drift", "objective"}),
        cost=2.0,
    ),
    Check(
        name="drift-objective",
        claim="A loss has the minimum and the excess of its objective (arXiv:2303.08797, equations 2.13 and 2.15)",
        kinds=frozenset({"drift"}),
        measure=objective,
        problems=_PROBLEMS,
        scope={"standard": "product-2d"},
        applies=of_form("objective"),
        statistical=True,
        dtypes=("float64",),
        tags=frozenset({"drift", "objective"}),
        cost=2.0,
    ),
)
