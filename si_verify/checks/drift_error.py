"""Error of a learned field against t and against likelihood level, and its worst regions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.learning.exact import exact_field
from si_verify.learning.trial import MARGIN, batch_of, fields_of, of_form, points_of, squares
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.stats import mean_test, split

_ROWS = (6000, 20_000, 60_000)
_TIMES, _AT_ONE_TIME, _LEVELS = 17, 800, 10


def measure(ctx: Context) -> Outcome:
    """Relative L2 error over (t, x_t) against the claim; shares of it by t and by decile of log ρ."""
    claimed = float(ctx.subject.claims.extra["relative_error"])
    fields = fields_of(ctx)
    alpha = split(ctx.alpha, len(fields))
    batch = batch_of(ctx, _ROWS[ctx.effort])
    x, rows, data, notes = points_of(ctx, batch), [], [], []
    weight = batch.weight.to(torch.float64).cpu().numpy()
    log = ctx.problem.interpolant.log_density(batch.t.to(torch.float64), x.to(torch.float64)).cpu().numpy()
    for quantity, field in fields.items():
        exact = exact_field(ctx.problem.interpolant, quantity)(batch.t.to(torch.float64), x.to(torch.float64))
        error, size = squares(field(batch.t, x).to(torch.float64) - exact) * weight, squares(exact) * weight
        rows += _overall(quantity, error, size, claimed, alpha)
        by_level, worst = _levels(quantity, error / weight, size, log)
        data += [by_level, _against_t(ctx, quantity, field)]
        notes.append(worst)
    return Outcome(tuple(rows), tuple(data), tuple(notes))


def _overall(quantity: str, error: np.ndarray, size: np.ndarray, claimed: float, alpha: float) -> list[Measurement]:
    name = f"relative L2 error of the {quantity.replace('_', ' ')}"
    if not np.isfinite(error).all():
        return [Measurement(name, math.nan, claimed, origin="sampling", why="the field is not finite somewhere")]
    mean = float(size.mean())
    value = math.sqrt(float(error.mean()) / mean)
    # error − claimed² size has mean ≤ 0 where the claim holds: one test of one mean, no ratio of two.
    test = mean_test((error - claimed**2 * size) / mean, 0.0, alpha)
    low, high = (math.sqrt(max(0.0, value**2 + sign * test.critical)) for sign in (-1, 1))
    why = "the claim" if claimed != 1.0 else "no claim made: the zero field has 1"
    return [
        Measurement(
            name, value, claimed, origin="sampling", why=f"{why}; {error.size} draws of (t, x_t)",
            interval=(low, high), confidence=1.0 - alpha, detectable=math.sqrt(claimed**2 + test.detectable),
        ),
        Measurement(f"½ ∫E|error|² dt, {quantity.replace('_', ' ')}", 0.5 * float(error.mean()), origin="sampling"),
    ]  # fmt: skip


def _levels(quantity: str, error: np.ndarray, size: np.ndarray, log: np.ndarray) -> tuple[Data, str]:
    edges = np.quantile(log, np.linspace(0.0, 1.0, _LEVELS + 1))
    where = np.clip(np.searchsorted(edges, log, side="right") - 1, 0, _LEVELS - 1)
    rms = [math.sqrt(float(np.mean(error[where == i]))) for i in range(_LEVELS)]
    levels = [-float(np.median(log[where == i])) for i in range(_LEVELS)]
    shares = np.array([float(error[where == i].sum()) for i in range(_LEVELS)])
    worst = int(np.nanargmax(rms)) if np.isfinite(rms).any() else 0
    label = quantity.replace("_", " ")
    share = shares[worst] / max(float(shares.sum()), 1e-300)
    note = (
        f"{label}: worst in the decile of log ρ from {edges[worst]:.3g} to {edges[worst + 1]:.3g}, RMS error "
        f"{rms[worst]:.3g}, {share:.0%} of the squared error"
    )
    columns: dict[str, Any] = {"distance": levels, "error": rms}
    meta = {"quantity": label, "x_label": "−log density"}
    return Data("error-vs-tail", f"Error of the {label} against likelihood level", columns, meta), note


def _against_t(ctx: Context, quantity: str, field: Any) -> Data:
    times, errors = np.linspace(MARGIN, 1.0 - MARGIN, _TIMES), []
    exact = exact_field(ctx.problem.interpolant, quantity)
    for i, t in enumerate(times):
        drawn = np.asarray(ctx.problem.interpolant.sample(float(t), _AT_ONE_TIME, ctx.seed % 2**32 + i))
        x = torch.as_tensor(drawn, device=ctx.device)
        now = torch.full((len(x),), float(t), dtype=ctx.dtype, device=ctx.device)
        gap = field(now, x.to(ctx.dtype)).to(torch.float64) - exact(float(t), x)
        errors.append(math.sqrt(float(squares(gap).mean())))
    label = quantity.replace("_", " ")
    columns: dict[str, Any] = {"t": times.tolist(), "error": errors}
    title = f"Error of the {label} against t"
    return Data("error-vs-t", title, columns,
                {"quantity": label})  # fmt: skip


CHECK = Check(
    name="drift-error",
    claim="A learned field is as near to the exact one in L2 over (t, x_t) as it claims; else nearer than zero is",
    kinds=frozenset({"drift"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal, product-2d",
        "standard": "1d-bimodal, product-2d, 2d-ring, correlated-2d",
        "full": "latent and order and (1d or 2d), two-modes-64d",
    },
    applies=of_form("field"),
    statistical=True,
    quick_dtypes=("float64",),
    tags=frozenset({"drift", "error"}),
    cost=1.0,
)
