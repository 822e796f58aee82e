"""Structure of a learned field: symmetry of its Jacobian and gauge, growth of its slope towards the ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.learning.exact import exact_field
from si_verify.learning.trial import MARGIN, fields_of, of_form
from si_verify.measurement import Data, Measurement, Outcome

Tensor = torch.Tensor
_POINTS = 96


def _jacobian(field: Any, t: float, x: Tensor) -> Tensor:
    leaf = x.detach().requires_grad_(True)
    value = field(torch.full((len(x),), t, dtype=x.dtype, device=x.device), leaf)
    rows = []
    for d in range(x.shape[1]):
        if not value.requires_grad:
            return torch.zeros(len(x), x.shape[1], x.shape[1], dtype=x.dtype)
        (row,) = torch.autograd.grad(value[:, d].sum(), leaf, retain_graph=True, materialize_grads=True)
        rows.append(row)
    return torch.stack(rows, 1).detach()


def measure(ctx: Context) -> Outcome:
    """At draws of x_t towards both ends: asymmetry, and the largest slope beside the exact one."""
    times = [MARGIN, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0 - MARGIN]
    rows: list[Measurement] = []
    data = []
    gradient = bool(ctx.subject.claims.extra.get("gradient", False))
    for quantity, field in fields_of(ctx).items():
        label = quantity.replace("_", " ")
        exact = exact_field(ctx.problem.interpolant, quantity)
        skew = slope = 0.0
        slopes: list[float] = []
        known: list[float] = []
        bad = 0
        for i, t in enumerate(times):
            drawn = np.asarray(ctx.problem.interpolant.sample(t, _POINTS, ctx.seed % 2**32 + i))
            x = torch.as_tensor(drawn, device=ctx.device).to(ctx.dtype)
            own, right = _jacobian(field, t, x), _jacobian(exact, t, x)
            bad += int((~torch.isfinite(own)).flatten(1).any(1).sum())
            if bad:
                skew = slope = math.nan
                break
            skew = max(skew, float((own - own.mT).norm() / own.norm().clamp(min=1e-300)))
            slopes.append(float(torch.linalg.matrix_norm(own, 2).max()))
            known.append(float(torch.linalg.matrix_norm(right, 2).max()))
            slope = max(slope, slopes[-1] / max(known[-1], 1e-300))
        bound = 64.0 * ctx.problem.dim * float(torch.finfo(ctx.dtype).eps) if gradient else None
        rows += [
            Measurement(f"Jacobians of the {label} that are not finite", float(bad), 0.0, origin="exact",
                        why=f"down to {MARGIN:g} from either end"),
            Measurement(f"asymmetry of ∇ of the {label}, relative", skew, bound, why="a gradient, as claimed"),
            Measurement(f"largest slope of the {label} over the exact one's", slope, origin="exact"),
        ]  # fmt: skip
        for name, values in (("learned", slopes), ("exact", known)):
            columns: dict[str, Any] = {"t": times[: len(values)], "error": values}
            data.append(Data("error-vs-t", f"Largest slope of the {label} against t", columns,
                             {"quantity": f"slope of the {label}", "label": name}))  # fmt: skip
    return Outcome(tuple(rows), tuple(data))


CHECK = Check(
    name="drift-structure",
    claim="A learned field has finite slopes up to the ends, and a symmetric Jacobian where it claims to be a gradient",
    kinds=frozenset({"drift"}),
    measure=measure,
    problems={"quick": "1d-bimodal, product-2d", "standard": "1d-bimodal, product-2d, 2d-ring, correlated-2d",
              "full": "latent and order and (1d or 2d)"},
    applies=of_form("field"),
    dtypes=("float64",),
    tags=frozenset({"drift"}),
    cost=1.0,
)  # fmt: skip
