"""Log-densities carried along particles: characteristics of the flow, SDE paths, and Feynman–Kac weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.density.cases import least_variance
from si_verify.density.claims import density_claims
from si_verify.density.order import decided, judge, picture
from si_verify.density.particles import ParticleProblem
from si_verify.fields.mixture import held
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.stats import mean_test, split
from si_verify.subject import Subject

Tensor = torch.Tensor
_PARTICLES = {"characteristics": 64, "ito": 4096}
_LADDER = {"characteristics": (8, 11, 16, 22, 32, 45), "ito": (16, 32, 64, 128)}
# A ladder of characteristics that has not decided goes on until it has passed this.
_FINEST = 128
# Dimensions from which a path costs so much that fewer do.
_HIGH = 16


def _problem(ctx: Context, form: str, count: int, at: float, x: Tensor | None = None) -> ParticleProblem:
    interpolant, eps = ctx.problem.interpolant, least_variance(ctx.problem)
    fast = held(ctx.problem, ctx.device)
    if x is None:
        drawn = interpolant.sample(at, count, ctx.seed)
        x = torch.as_tensor(np.asarray(drawn), device=ctx.device)
    start = (
        torch.zeros(len(x), dtype=x.dtype, device=x.device) if form == "feynman-kac" else interpolant.log_density(at, x)
    )
    return ParticleProblem(x.to(ctx.dtype), start.to(ctx.dtype), lambda t: eps, fast.all, interpolant.log_density, form)


def _floor(ctx: Context, log: Tensor, steps: int) -> float:
    """Rounding: log ρ is a sum of D terms a step."""
    return 64.0 * float(torch.finfo(ctx.dtype).eps) * (1.0 + float(log.abs().max())) * steps


def _rms(a: Tensor) -> float:
    return math.sqrt(float((a.to(torch.float64) ** 2).mean()))


def _outcome(ctx: Context, label: str, steps: list[int], errors: list[float], floors: list[float]) -> tuple[Any, Any]:
    start, end = ctx.problem.t_span
    widths = [(end - start) / n for n in steps]
    claimed = density_claims(ctx.subject).order
    row, fit = judge(f"log-density, {label}", widths, errors, floors, claimed, "dt")
    drawn = picture(label, steps, widths, errors, floors, claimed, fit)
    return row, Data(drawn.kind, "Order of convergence of log ρ", drawn.columns, {**drawn.meta, "x_label": "step size"})


def characteristics(ctx: Context) -> Outcome:
    """log ρ at the points that RK or any other scheme reaches, against log ρ of the yardstick there."""
    rows, data, dim = [], [], ctx.problem.dim
    for direction in density_claims(ctx.subject).directions:
        start, end = ctx.problem.t_span if direction == "forward" else ctx.problem.t_span[::-1]
        problem = _problem(ctx, "characteristics", _PARTICLES["characteristics"] if dim < _HIGH else 16, start)
        steps = list(_LADDER["characteristics"])
        errors: list[float] = []
        floors: list[float] = []
        while True:
            for n in steps[len(errors) :]:
                x, log = ctx.implementation(problem, np.linspace(start, end, n + 1).tolist())
                exact = ctx.problem.interpolant.log_density(end, x.to(torch.float64))
                errors.append(_rms(log - exact))
                floors.append(_floor(ctx, exact, n))
            row, drawn = _outcome(ctx, direction, steps, errors, floors)
            # Errors that cross zero on the way leave orders that rise to the claimed one later: finer rungs decide.
            if decided(row) or steps[-1] > _FINEST:
                break
            steps += [2 * n for n in steps[-2:]]
        rows.append(row)
        data.append(drawn)
    return Outcome(tuple(rows), tuple(data))


def ito(ctx: Context) -> Outcome:
    """E|error| along SDE paths; every rung sees the same Brownian paths, so that their noise is common to all."""
    start, end = ctx.problem.t_span
    dim = ctx.problem.dim
    count = _PARTICLES["ito"] if dim < _HIGH else 256
    problem = _problem(ctx, "ito", count, start)
    steps = list(_LADDER["ito"])
    fine = torch.randn(steps[-1], count, dim, generator=ctx.generator(1), dtype=torch.float64)
    fine = (fine * ((end - start) / steps[-1]) ** 0.5).to(ctx.dtype).to(ctx.device)
    errors, floors = [], []
    for n in steps:
        increments = fine.reshape(n, steps[-1] // n, count, dim).sum(1)
        x, log = ctx.implementation(problem, np.linspace(start, end, n + 1).tolist(), increments)
        exact = ctx.problem.interpolant.log_density(end, x.to(torch.float64))
        errors.append(float((log - exact).abs().mean()))
        floors.append(_floor(ctx, exact, n))
    row, drawn = _outcome(ctx, "forward", steps, errors, floors)
    return Outcome((row,), (drawn,))


def feynman_kac(ctx: Context) -> Outcome:
    """E[w]/ρ = 1 at several points. The bias of the steps is measured on the same paths at half as many steps."""
    points, paths, steps = 4, (8000, 8000, 20_000)[ctx.effort], (32, 64, 64)[ctx.effort]
    (low, high), dim = ctx.problem.t_span, ctx.problem.dim
    x = torch.as_tensor(np.asarray(ctx.problem.interpolant.sample(high, points, ctx.seed)), device=ctx.device)
    exact = ctx.problem.interpolant.log_density(high, x)
    problem = _problem(ctx, "feynman-kac", 0, high, x.repeat_interleave(paths, 0))
    fine = torch.randn(steps, points * paths, dim, generator=ctx.generator(1), dtype=torch.float64)
    fine = (fine * ((high - low) / steps) ** 0.5).to(ctx.dtype).to(ctx.device)
    weights = []
    for n in (steps // 2, steps):
        increments = fine.reshape(n, steps // n, points * paths, dim).sum(1)
        log = ctx.implementation(problem, np.linspace(high, low, n + 1).tolist(), increments).to(torch.float64)
        weights.append(torch.exp(log.reshape(points, paths) - exact[:, None]).cpu().numpy())
    rows = []
    alpha = split(ctx.alpha, 2 * points)
    for i, (coarse, now) in enumerate(zip(*weights, strict=True)):
        if not np.isfinite(now).all():
            rows.append(Measurement(f"E[w]/ρ − 1 at point {i + 1}", math.nan, 0.0, origin="sampling"))
            continue
        test, bias = mean_test(now, 1.0, alpha), mean_test(coarse - now, 0.0, alpha)
        # Weak order 1: what is left at h is what is gained from 2h to h. Twice that, for it is a measured number.
        allowed = test.critical + 2.0 * (bias.deviation + bias.critical)
        share = float(now.sum() ** 2 / (now**2).sum()) / len(now)
        rows.append(
            Measurement(
                f"|E[w]/ρ − 1| at point {i + 1}", test.deviation, allowed, origin="sampling",
                why=f"mean of {paths} weights (effective share {share:.2g}) and twice the measured bias of the steps",
                confidence=1.0 - alpha, detectable=allowed + test.detectable - test.critical,
            )
        )  # fmt: skip
    return Outcome(tuple(rows))


def _of(form: str) -> Any:
    def applies(subject: Subject, problem: Any) -> bool:
        return density_claims(subject).form == form

    return applies


_SMOOTH = {"quick": "1d-bimodal, gaussian-2d-crossed", "full": "order"}
CHECKS = (
    Check(
        name="pde-characteristics",
        claim="d log ρ(t, X) = −∇·b dt along dX = b dt (arXiv:2303.08797, Theorem 2.6), at the claimed order",
        kinds=frozenset({"pde"}),
        measure=characteristics,
        problems=_SMOOTH | {"standard": "1d-bimodal, gaussian-2d-crossed, product-3d, two-modes-64d"},
        applies=_of("characteristics"),
        dtypes=("float64",),
        tags=frozenset({"pde", "particles", "order", "noise-free"}),
        cost=1.0,
    ),
    Check(
        name="pde-ito-formula",
        claim="d log ρ(t, X) = [−∇·b − b·s + ε Δ log ρ] dt + s·dX along dX = b_F dt + √(2ε) dW (MATH.md section 4)",
        kinds=frozenset({"pde"}),
        measure=ito,
        problems=_SMOOTH | {"standard": "1d-bimodal, gaussian-2d-crossed, product-2d, two-modes-64d"},
        applies=_of("ito"),
        dtypes=("float64",),
        tags=frozenset({"pde", "particles", "order"}),
        cost=1.0,
    ),
    Check(
        name="pde-feynman-kac",
        claim="ρ(1, x) = E[exp(−∫∇·b_F) ρ(0, Y_0)], Y run down from x with drift b_F (MATH.md section 7)",
        kinds=frozenset({"pde"}),
        measure=feynman_kac,
        problems={"quick": "1d-bimodal", "standard": "1d-bimodal, gaussian-2d-crossed", "full": "order and (1d or 2d)"},
        applies=_of("feynman-kac"),
        statistical=True,
        dtypes=("float64",),
        tags=frozenset({"pde", "particles", "law"}),
        cost=1.0,
    ),
)
