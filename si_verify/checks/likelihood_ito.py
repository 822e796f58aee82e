"""Density along the paths of an SDE: strong order at the points they reach, half way and at the end."""

from __future__ import annotations

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.density.cases import least_variance
from si_verify.density.order import decided, judge
from si_verify.likelihood.carried import PathCase, path_cases
from si_verify.likelihood.trial import of_form, rounding
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.rows import convergence
from si_verify.subject import SubjectError

_PATHS = 2048
# An interval that ends this far below the claim stays there: half of a half, in which strong orders come.
_CLEAR = 0.25
# Errors of both signs cancel on coarse rungs: where these leave the order open, the next are asked for in turn.
_LADDERS = ((16, 32, 64, 128), (256,), (512,))


def measure(ctx: Context) -> Outcome:
    """E|error of log ρ| where the paths are half way and at the end; all rungs see the same Brownian paths."""
    rows: list[Measurement] = []
    data: list[Data] = []
    for case in path_cases(ctx.problem, least_variance(ctx.problem), ctx.seed % 2**32, ctx.device):
        for part, where in ((0.5, "half way"), (1.0, "at the end")):
            row, drawn = _ladder(ctx, case, part, f"{case.label}, {where}")
            rows.append(row)
            data.append(drawn)
    return Outcome(tuple(rows), tuple(data))


def _ladder(ctx: Context, case: PathCase, part: float, label: str) -> tuple[Measurement, Data]:
    start, end = case.span[0], case.span[0] + part * (case.span[1] - case.span[0])
    x0 = torch.as_tensor(case.draw(_PATHS, ctx.seed), device=ctx.device).to(ctx.dtype)
    known = case.log_density(start, x0.to(torch.float64)).to(ctx.dtype)
    finest, count, dim = _LADDERS[-1][-1], *x0.shape
    noise = torch.randn(finest, count, dim, generator=ctx.generator(1), dtype=torch.float64)
    noise = (noise * ((end - start) / finest) ** 0.5).to(ctx.dtype).to(ctx.device)
    claimed = ctx.subject.claims.order or 0.5
    steps: list[int] = []
    errors: list[float] = []
    floors: list[float] = []
    for more in _LADDERS:
        for n in more:
            # Every rung's times are some of the finest one's to the bit, where the carried law is kept.
            times = np.linspace(start, end, finest + 1)[:: finest // n].tolist()
            increments = noise.reshape(n, finest // n, count, dim).sum(1)
            answer = ctx.implementation(
                case.velocity, case.score, lambda t: case.epsilon, lambda x: known, x0, times, increments
            )
            if not isinstance(answer, tuple):
                raise SubjectError("estimate: expected (points (N, D), log density (N,))")
            x, log = (a.to(torch.float64) for a in answer)
            exact = case.log_density(end, x)
            errors.append(float((log - exact).abs().mean()))
            floors.append(rounding(ctx, exact, n))
        steps += more
        widths = [(end - start) / n for n in steps]
        row, fit = judge(f"log-density along paths, {label}", widths, errors, floors, claimed, "dt")
        if decided(row) or (fit.found and fit.high < claimed - _CLEAR):
            break
    drawn = convergence("Order of the density along paths", label, steps, widths, errors, floors, claimed, fit)
    return row, Data(drawn.kind, drawn.title, drawn.columns, {**drawn.meta, "x_label": "step size"})


CHECK = Check(
    name="likelihood-ito",
    claim="The Itô formula along dX = b_F dt + √(2ε) dW gives log ρ(t, X) of exact fields, and that of the law that "
    "affine errors carry, at the claimed strong order (MATH.md section 4)",
    scope={"standard": "1d-bimodal, gaussian-2d-crossed"},
    kinds=frozenset({"likelihood"}),
    measure=measure,
    problems={
        "quick": "gaussian-1d",
        "standard": "gaussian-2d-crossed, 1d-bimodal, product-2d",
        "full": "order and (1d or 2d)",
    },
    applies=of_form("path"),
    dtypes=("float64",),
    tags=frozenset({"likelihood", "order"}),
    cost=2.0,
)
