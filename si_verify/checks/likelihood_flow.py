"""Flow log-likelihood: its order on exact and on perturbed fields, and what an adaptive one's tolerance is worth."""

from __future__ import annotations

import math

import numpy as np
import torch

from analytic.flow import amplification, reference_flow
from si_verify.check import Check, Context
from si_verify.density.order import decided, judge
from si_verify.likelihood.cases import LikelihoodCase, exact_case, perturbed_case
from si_verify.likelihood.trial import log_density, of_form, rounding
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.rows import convergence

_POINTS = 16
# Where the coarser rungs are not yet asymptotic (points that a flow tears apart) the finer ones are asked for in turn.
_LADDERS = ((8, 11, 16, 22, 32, 45), (64, 90), (128, 180), (256, 360))
_TOLERANCES = (1e-3, 1e-5, 1e-7)


def _cases(ctx: Context) -> list[LikelihoodCase]:
    found = [exact_case(ctx.problem, ctx.device)]
    if ctx.problem.n_components == 1:
        found += [perturbed_case(ctx.problem, 0.0, ctx.seed % 2**32 + i, ctx.device) for i in range(1 + ctx.effort)]
    return found


def _points(ctx: Context, case: LikelihoodCase, down: bool, count: int = _POINTS) -> torch.Tensor:
    start = case.span[0]
    drawn = case.draw(count, ctx.seed) if down else np.asarray(ctx.problem.interpolant.sample(start, count, ctx.seed))
    return torch.as_tensor(drawn, device=ctx.device).to(ctx.dtype)


def order(ctx: Context) -> Outcome:
    """RMS error of log ρ̂ over points of the law, against steps, both ways in t."""
    rows, data = [], []
    claimed = ctx.subject.claims.order or 1.0
    for number, case in enumerate(_cases(ctx)):
        for down in (True, False):
            label = f"{case.label}{f' {number}' if number else ''}, {'down' if down else 'up'} in t"
            x = _points(ctx, case, down)
            exact = (case.last if down else case.first)(x.to(torch.float64))
            steps: list[int] = []
            errors: list[float] = []
            for more in _LADDERS:
                for n in more:
                    found, _ = log_density(ctx, case, x, n, down)
                    errors.append(math.sqrt(float(((found - exact) ** 2).mean())))
                steps += more
                floors = [rounding(ctx, exact, n) for n in steps]
                widths = [(case.span[1] - case.span[0]) / n for n in steps]
                row, fit = judge(f"log-likelihood, {label}", widths, errors, floors, claimed, "dt")
                if decided(row) or (fit.found and fit.high < claimed - 1.0):
                    break
            rows.append(row)
            drawn = convergence("Order of the log-likelihood", label, steps, widths, errors, floors, claimed, fit)
            data.append(Data(drawn.kind, drawn.title, drawn.columns, {**drawn.meta, "x_label": "step size"}))
    return Outcome(tuple(rows), tuple(data))


def tolerance(ctx: Context) -> Outcome:
    """Error of an adaptive estimator against what error control promises at each tolerance."""
    case = exact_case(ctx.problem, ctx.device)
    flow = reference_flow(ctx.problem.interpolant)
    x = _points(ctx, case, down=True, count=32)
    exact = case.last(x.to(torch.float64))
    host = x.to(torch.float64).cpu().numpy()
    end, start = case.span[::-1]
    growth = float(amplification(flow, host, end, start).max())
    base = torch.as_tensor(flow(host, end, start), device=ctx.device)
    steep = float(torch.linalg.vector_norm(ctx.problem.interpolant.score(start, base), dim=1).max())
    size = 1.0 + max(float(x.abs().max()), float(exact.abs().max()))
    rows, columns = [], {"rtol": [], "error": [], "evaluations": [], "bound": []}  # type: ignore[var-annotated]
    for tol in _TOLERANCES:
        found, calls = log_density(ctx, case, x, tol)
        error = float((found - exact).abs().max())
        bound = calls * tol * size * math.sqrt(case.dim + 1) * (1.0 + growth * steep)
        for name, value in zip(columns, (tol, error, calls, bound), strict=True):
            columns[name].append(value)
        rows.append(
            Measurement(
                f"error of log ρ̂ at tolerance {tol:g}", error, bound, origin="truncation",
                why="evaluations·tol·(1 + |state|)·√(D+1)·(1 + amplification·|∇log ρ0|): at most one accepted local "
                "error of tol·(1 + |state|) in each of D + 1 components at every evaluation",
            )
        )  # fmt: skip
    fall = columns["error"][-1] / max(columns["error"][0], 1e-300)
    rows.append(
        Measurement(
            "error at the tightest over error at the loosest tolerance", fall, 0.1, origin="truncation",
            why=f"tolerances {_TOLERANCES[0]:g} to {_TOLERANCES[-1]:g}: a ten-thousandth if errors were proportional "
            "to them; their fourth root is the least that counts as control",
        )
    )  # fmt: skip
    picture = Data("tolerance", "Tolerance and error of the log-likelihood", columns, {"label": ctx.subject.name})
    return Outcome(tuple(rows), (picture,))


_SMOOTH = {
    "quick": "1d-bimodal, gaussian-2d-crossed",
    "standard": "1d-bimodal, gaussian-2d-crossed, correlated-2d, product-2d, two-modes-64d",
    "full": "order and (1d or 2d), gaussian-8d, two-modes-64d",
}
CHECKS = (
    Check(
        name="likelihood-order",
        claim="Exact fields give log ρ(1), affinely perturbed ones the exact perturbed likelihood, at the claimed "
        "order (arXiv:2303.08797, Section 2.5)",
        scope={"standard": "1d-bimodal, gaussian-2d-crossed, correlated-2d"},
        kinds=frozenset({"likelihood"}),
        measure=order,
        problems=_SMOOTH,
        applies=of_form("flow", adaptive=False),
        dtypes=("float64",),
        tags=frozenset({"likelihood", "order", "noise-free"}),
        cost=2.0,
    ),
    Check(
        name="likelihood-tolerance",
        claim="An adaptive log-likelihood errs by no more than its tolerance promises, and by less for a smaller one",
        kinds=frozenset({"likelihood"}),
        measure=tolerance,
        problems={
            "quick": "1d-bimodal, gaussian-2d-crossed",
            "standard": "exact-flow and order and (1d or 2d)",
            "full": "exact-flow and order",
        },
        applies=of_form("flow", adaptive=True),
        dtypes=("float64",),
        tags=frozenset({"likelihood", "adaptive"}),
        cost=2.0,
    ),
)
