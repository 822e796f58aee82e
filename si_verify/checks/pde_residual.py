"""Residual of a candidate log-density: a field subject's, or any callable handed to ``check_field``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.density.cases import least_variance
from si_verify.density.residual import density_residual
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
_POINTS = 24


def measure(ctx: Context) -> Outcome:
    """The largest residual in units of what differences leave of an exact density, over times and points of its law."""
    interpolant, (start, end) = ctx.problem.interpolant, ctx.problem.t_span
    log_density = ctx.implementation(interpolant, ctx.dtype, ctx.device)["log_density"]
    worst: dict[str, list[float]] = {"transport": [], "Fokker–Planck": []}
    times = [start + share * (end - start) for share in _SHARES]
    for stream, t in enumerate(times):
        drawn = interpolant.sample(t, _POINTS, np.random.default_rng([ctx.seed, stream]))
        x = torch.as_tensor(np.asarray(drawn)).to(ctx.device, ctx.dtype)
        found = density_residual(log_density, interpolant, t, x, least_variance(ctx.problem), (start, end))
        for form, residual, bound in (
            ("transport", found.transport, found.transport_bound),
            ("Fokker–Planck", found.fokker_planck, found.fokker_planck_bound),
        ):
            ratio = (residual / bound).abs()
            worst[form].append(float(torch.where(torch.isnan(ratio), torch.inf, ratio).max()))
    rows, data = [], []
    for form, values in worst.items():
        rows.append(
            Measurement(
                f"residual in {form} form", max(values), 1.0, origin="truncation",
                why="in units of the differences' own error: two step sizes' disagreement plus rounding",
            )
        )  # fmt: skip
        columns = {"t": times, "error": values, "bound": [1.0] * len(values)}
        meta = {"quantity": "residual over its bound", "label": form}
        data.append(Data("error-vs-t", "Residual of the density", columns, meta))
    return Outcome(tuple(rows), tuple(data))


def applies(subject: Subject, problem: Any) -> bool:
    return "log_density" in subject.claims.quantities


CHECK = Check(
    name="pde-residual",
    claim="A density obeys ∂_t ρ + ∇·(bρ) = 0 and ∂_t ρ + ∇·(b_F ρ) = ε Δρ, whatever gave it "
    "(arXiv:2303.08797, Theorem 2.6 and Corollary 2.10)",
    kinds=frozenset({"field"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal, correlated-mixture-2d",
        "standard": "1d-bimodal, correlated-mixture-2d, product-3d, gaussian-8d",
        "full": "order",
    },
    applies=applies,
    dtypes=("float64",),
    tags=frozenset({"pde", "identity", "noise-free"}),
    cost=0.2,
)
