"""Hutchinson's divergence in a likelihood: unbiased, with the variance of its law, its probe fixed in one solve.

Where ∇b̂ does not depend on x the estimate is known in closed form: with S = ∫ sym ∇b̂ dt along the path, the error is
vᵀSv − tr S for one fixed probe v, of variance 2‖S‖²_F (Gaussian) or 2(‖S‖²_F − Σ S_ii²) (Rademacher), over M for the
mean of M. A probe redrawn every step or shared by all points is no such thing.
"""

from __future__ import annotations

import numpy as np
import torch

from analytic.affine import GaussianPath
from si_verify.check import Check, Context
from si_verify.likelihood.bounds import quadrature
from si_verify.likelihood.cases import affine_errors, perturbed_case
from si_verify.likelihood.trial import log_density, of_form
from si_verify.measurement import Measurement, Outcome
from si_verify.stats import mean_test, split

_ROWS = (4000, 4000, 20_000)
_STEPS, _TOL = 24, 1e-6
_PROBES = (1, 4)


def law(ctx: Context) -> Outcome:
    """Mean and variance of the error at one point over many rows, each with probes of its own."""
    seed = ctx.seed % 2**32
    case, rows = perturbed_case(ctx.problem, 0.0, seed, ctx.device), _ROWS[ctx.effort]
    x = torch.as_tensor(case.draw(1, ctx.seed), device=ctx.device).to(ctx.dtype).repeat(rows, 1)
    exact = float(case.last(x[:1].to(torch.float64))[0])
    measurements = []
    alpha = split(ctx.alpha, 2 * len(_PROBES))
    for stream, probes in enumerate(_PROBES):
        variance = _variance(ctx, seed) / probes
        fineness = _TOL if ctx.subject.claims.adaptive else _STEPS
        found, _ = log_density(
            ctx, case, x, fineness, probes=probes, generator=ctx.generator(stream + 1)
        )  # fmt: skip
        error = ((found - exact) / variance**0.5).cpu().numpy()
        for name, sample, expected in (("mean error", error, 0.0), ("variance over its law", error**2, 1.0)):
            if not np.isfinite(sample).all():
                measurements.append(Measurement(f"{name}, {probes} probes", float("nan"), 0.0, origin="sampling"))
                continue
            test = mean_test(sample, expected, alpha)
            measurements.append(
                Measurement(
                    f"|{name} − {expected:g}|, {probes} probe{'s' * (probes > 1)}", test.deviation, test.critical,
                    origin="sampling", why=f"{rows} independent estimates; error in units of its exact deviation",
                    confidence=1.0 - alpha, detectable=test.detectable, resolution=0.9,
                )
            )  # fmt: skip
    return Outcome(tuple(measurements))


def _variance(ctx: Context, seed: int) -> float:
    """Variance of one probe: from S = ∫ sym(∇b̂) dt in closed form."""
    path = GaussianPath.of(ctx.problem.interpolant)
    velocity = affine_errors(path, np.random.default_rng(seed)).velocity
    total = np.array(
        [
            [quadrature(lambda t, i=i, j=j: velocity.matrix(t)[:, i, j], ctx.problem.t_span) for j in range(path.dim)]  # type: ignore[misc,arg-type]
            for i in range(path.dim)
        ]
    )
    symmetric = 0.5 * (total + total.T)
    diagonal = float((np.diag(symmetric) ** 2).sum()) if ctx.subject.claims.extra.get("probe") == "rademacher" else 0.0
    return 2.0 * (float((symmetric**2).sum()) - diagonal)


def fixed(ctx: Context) -> Outcome:
    """Evaluations against tolerance: a probe redrawn inside the solve makes the right-hand side noise."""
    case = perturbed_case(ctx.problem, 0.0, ctx.seed % 2**32, ctx.device)
    x = torch.as_tensor(case.draw(16, ctx.seed), device=ctx.device).to(ctx.dtype)
    loose, tight = (
        log_density(ctx, case, x, tol, probes=1, generator=ctx.generator(1))[1] for tol in (1e-4, 1e-7)
    )  # fmt: skip
    order = ctx.subject.claims.order or 1.0
    bound = 2.0 * 1000.0 ** (1.0 / order)
    row = Measurement(
        "evaluations at tolerance 1e-7 over those at 1e-4", tight / loose, bound, origin="truncation",
        why=f"steps grow as tol^(−1/p) for a method of order p = {order:g} on a smooth right-hand side; twice that",
    )  # fmt: skip
    shown = Measurement("evaluations at tolerance 1e-7", float(tight), origin="exact")
    return Outcome((row, shown))


CHECKS = (
    Check(
        name="likelihood-hutchinson-law",
        claim="Hutchinson's log-likelihood is unbiased, and its variance is that of its probes over their number",
        kinds=frozenset({"likelihood"}),
        measure=law,
        scope={"quick": "tag=user"},
        problems={"quick": "gaussian-8d", "standard": "gaussian-8d", "full": "gaussian-8d, gaussian-2d-crossed"},
        applies=of_form("hutchinson"),
        statistical=True,
        dtypes=("float64",),
        tags=frozenset({"likelihood", "hutchinson", "law"}),
        cost=3.0,
    ),
    Check(
        name="likelihood-hutchinson-fixed",
        claim="Within one adaptive solve the probe is held fixed: the number of evaluations is that of a smooth field",
        kinds=frozenset({"likelihood"}),
        measure=fixed,
        problems={"quick": "gaussian-8d", "standard": "gaussian-8d", "full": "gaussian-8d, gaussian-2d-crossed"},
        applies=of_form("hutchinson", adaptive=True),
        dtypes=("float64",),
        tags=frozenset({"likelihood", "hutchinson", "adaptive"}),
        cost=1.0,
    ),
)
