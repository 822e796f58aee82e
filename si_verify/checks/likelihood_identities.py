"""What every flow likelihood keeps, whatever the field: it is a density, and there and back leaves nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.density.cases import domain
from si_verify.likelihood.cases import exact_case, wavy
from si_verify.likelihood.trial import gain, log_density, of_form, refinement, rounding
from si_verify.measurement import Measurement, Outcome

Tensor = torch.Tensor
_GRID = {1: 480, 2: 60}


def normalised(ctx: Context) -> Outcome:
    """∫ exp(log ρ̂) dx = 1 by the trapezoidal rule on the domain, a fifth wider."""
    case = wavy(exact_case(ctx.problem, ctx.device))
    lower, upper = (np.array(v) for v in domain(ctx.problem))
    middle, half = 0.5 * (lower + upper), 0.6 * (upper - lower)
    axes = [np.linspace(m - h, m + h, _GRID[case.dim] + 1) for m, h in zip(middle, half, strict=True)]
    cell = float(np.prod([a[1] - a[0] for a in axes]))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    x = torch.as_tensor(grid.reshape(-1, case.dim), device=ctx.device).to(ctx.dtype)
    coarse, fine = (torch.exp(log_density(ctx, case, x, f)[0]) for f in refinement(ctx))
    total = float(fine.sum()) * cell
    shape = fine.reshape(grid.shape[:-1])
    # The rule on every second point errs more than on all of them, and differently from one such lattice to the next.
    halves = [
        float(shape[tuple(slice(k, None, 2) for k in shift)].sum()) * cell * 2**case.dim
        for shift in itertools.product((0, 1), repeat=case.dim)
    ]
    rule = max(abs(total - h) for h in halves)
    steps = gain(ctx) * float((fine - coarse).abs().sum()) * cell
    bound = steps + rule + rounding(ctx, fine, 64)
    row = Measurement(
        "|∫ exp(log ρ̂) − 1|", abs(total - 1.0), bound, origin="truncation",
        why=f"what the steps still leave ({steps:.2g}, from half as many) and what halving the grid changes "
        f"({rule:.2g})",
        resolution=0.05, detectable=bound,
    )  # fmt: skip
    return Outcome((row,))


def reversible(ctx: Context) -> Outcome:
    """∫∇·b̂ down along a path and up again along the same cancel, and the path ends where it began."""
    case = wavy(exact_case(ctx.problem, ctx.device))
    x = torch.as_tensor(case.draw(48, ctx.seed), device=ctx.device).to(ctx.dtype)
    ends: list[Tensor] = []

    def nothing(y: Tensor) -> Tensor:
        ends.append(y.detach())
        return torch.zeros_like(y[:, 0])

    left = []
    for fineness in refinement(ctx):
        down, _ = log_density(ctx, case, x, fineness, True, nothing)
        up, _ = log_density(ctx, case, ends[-1], fineness, False, nothing)
        left.append((down, up, ends[-1].to(torch.float64)))
    (d0, u0, x0), (d1, u1, x1) = left
    there = x.to(torch.float64)
    floor = rounding(ctx, d1, 64)
    rows = []
    for name, value, change in (
        ("sum of both integrals", _rms(d1 + u1), _rms(d1 - d0) + _rms(u1 - u0)),
        ("distance from where the path began", _rms(x1 - there), _rms(x1 - x0) + _rms(x0 - there)),
    ):
        rows.append(
            Measurement(
                name, value, gain(ctx) * change + floor, origin="truncation",
                why="what the steps still leave, from half as many (a tolerance a hundred times larger)",
            )
        )  # fmt: skip
    return Outcome(tuple(rows))


def _rms(a: Tensor) -> float:
    return math.sqrt(float((a.to(torch.float64) ** 2).mean()))


CHECKS = (
    Check(
        name="likelihood-normalised",
        claim="exp of a flow's log-likelihood integrates to 1, whatever the field (one and two dimensions)",
        kinds=frozenset({"likelihood"}),
        scope={"standard": "1d-bimodal or gaussian-2d-crossed and likelihood/flow"},
        measure=normalised,
        problems={"quick": "1d-bimodal", "standard": "1d-bimodal, product-2d, gaussian-2d-crossed",
                  "full": "order and (1d or 2d)"},
        applies=of_form("flow"),
        dtypes=("float64",),
        tags=frozenset({"likelihood", "identity", "noise-free"}),
        cost=3.0,
    ),
    Check(
        name="likelihood-reversible",
        claim="The log-determinants of a flow and of its inverse cancel",
        kinds=frozenset({"likelihood"}),
        measure=reversible,
        problems={"quick": "product-2d", "standard": "1d-bimodal, product-2d, gaussian-8d",
                  "full": "order and (1d or 2d), gaussian-8d"},
        applies=of_form("flow"),
        dtypes=("float64",),
        tags=frozenset({"likelihood", "identity", "noise-free"}),
        cost=1.0,
    ),
)  # fmt: skip
