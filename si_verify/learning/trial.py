"""What the drift checks share: draws of (t, x_t), the field under test and the exact one there, and claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from si_verify.check import Context
from si_verify.learning.batches import Batch, BatchSource
from si_verify.learning.objectives import QUANTITIES, column
from si_verify.subject import Subject

Tensor = torch.Tensor
# Where γ or a law's spread vanishes at an end, fields there are ratios of zeros; the checks keep this far from it.
MARGIN = 1e-3


def form_of(subject: Subject) -> str:
    """ "field" or "objective" (``claims.extra["form"]``)."""
    form = str(subject.claims.extra.get("form", "field"))
    if form not in ("field", "objective"):
        raise ValueError(f"claims.extra['form']: expected 'field' or 'objective', got {form!r} ({subject.name})")
    return form


def of_form(form: str, *needed: str) -> Callable[[Subject, Any], bool]:
    """``applies`` of a check that speaks of one form, and of subjects that give one of the ``needed`` quantities."""

    def applies(subject: Subject, problem: Any) -> bool:
        given = set(subject.claims.quantities)
        return form_of(subject) == form and (not needed or bool(given & set(needed))) and problem.has("latent")

    return applies


def fields_of(ctx: Context) -> dict[str, Callable[[Any, Tensor], Tensor]]:
    """The subject's learned fields by quantity."""
    given = ctx.implementation(ctx.problem.interpolant, ctx.dtype, ctx.device)
    return {q: f for q, f in given.items() if q in QUANTITIES}


def batch_of(ctx: Context, rows: int, stream: int = 1, law: str = "arcsine") -> Batch:
    """Independent rows of (t, 1/density, x0, x1, z) in the case's dtype; t at least MARGIN from either end."""
    batch = BatchSource(ctx.problem.interpolant, law, torch.float64).draw(rows, ctx.generator(stream))
    inside = batch.t.clamp(MARGIN, 1.0 - MARGIN)
    return Batch(*(a.to(device=ctx.device, dtype=ctx.dtype) for a in batch._replace(t=inside)))


def points_of(ctx: Context, batch: Batch) -> Tensor:
    """x_t of every row."""
    c = ctx.problem.interpolant.schedule.at(batch.t.to(torch.float64))
    parts = ((c.alpha, batch.x0), (c.beta, batch.x1), (c.gamma, batch.z))
    return sum((column(a, x) * x for a, x in parts), torch.zeros_like(batch.x0))


def squares(a: Tensor) -> np.ndarray:
    """Row sums of squares, (N,) float64."""
    return (a.detach().to(torch.float64) ** 2).sum(1).cpu().numpy()
