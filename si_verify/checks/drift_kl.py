"""What a learned drift's errors predict for KL(ρ(1)‖ρ̂(1)), and what they make of it: by the flow and by the SDE."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import stats as sps

from si_verify.check import Check, Context
from si_verify.learning.exact import exact_field
from si_verify.learning.fields import velocity_of
from si_verify.learning.trial import MARGIN, batch_of, fields_of, of_form, points_of, squares
from si_verify.likelihood.bounds import best_epsilon
from si_verify.likelihood.cases import exact_case
from si_verify.likelihood.divergences import kl_divergence
from si_verify.likelihood.flow import flow_log_likelihood
from si_verify.likelihood.paths import path_ratio
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.stats import mean_test, split

_ROWS, _POINTS, _PATHS = (4000, 20_000, 60_000), (200, 400, 1500), 8
_STEPS = 32


def measure(ctx: Context) -> Outcome:
    """Bound, best ε and both KLs; the SDE's KL must keep its bound, within the error of both, and the flow's be ≥ 0.

    A flow's KL below zero is that of no density: its divergence is not that of the velocity it follows.

    Paths start and end MARGIN from the ends, from the exact law there.
    """
    interpolant, alpha = ctx.problem.interpolant, split(ctx.alpha, 7)
    b, s, learned = velocity_of(fields_of(ctx), interpolant)
    batch = batch_of(ctx, _ROWS[ctx.effort])
    x, weight = points_of(ctx, batch), batch.weight.to(torch.float64).cpu().numpy()
    db = b(batch.t, x).detach() - exact_field(interpolant, "velocity")(batch.t, x)
    ds = s(batch.t, x).detach() - exact_field(interpolant, "score")(batch.t, x)
    velocity, score = (float(np.mean(squares(d) * weight)) for d in (db, ds))
    if not math.isfinite(velocity + score):
        return Outcome((Measurement("∫E|b̂ − b|² + |ŝ − s|² dt", math.nan, 0.0, origin="sampling", why="not finite"),))
    best, least = best_epsilon(velocity, score)
    chosen = min(max(best, 0.05), 2.0) if math.isfinite(best) else 1.0
    rows = [
        Measurement("best constant ε", best, origin="sampling", why="√(E_b/E_s), the bound's minimiser"),
        Measurement("bound on KL of the SDE at the best ε", least, origin="sampling", why="√(E_b E_s)"),
    ]
    flow = _flow_kl(ctx, b)
    # P(log ρ/ρ̂ < −u) ≤ e^−u under ρ: the lower tail of the mean is light, and the normal quantile holds for it.
    reach = float(sps.norm.isf(alpha)) * flow[1]
    rows.append(
        Measurement(
            "KL of the flow", flow[0], 0.0, "at_least", "sampling",
            why="Gibbs: no divergence of two densities is negative; give or take its sampling error and that of steps",
            interval=(flow[0] - reach, flow[0] + reach), confidence=1.0 - alpha, resolution=_widest(least),
        )
    )  # fmt: skip
    amounts = sorted({0.25 * chosen, chosen, 4.0 * chosen})
    columns: dict[str, list[float]] = {"ε": [], "KL": [], "standard error": [], "bound": []}
    for epsilon in amounts:
        sample = squares(db + epsilon * ds) * weight / (4.0 * epsilon)
        bound, doubt = float(sample.mean()), mean_test(sample, float(sample.mean()), alpha).critical
        kl, error = _sde_kl(ctx, b, s, epsilon)
        for name, value in zip(columns, (epsilon, kl, error, bound), strict=True):
            columns[name].append(value)
        # What Jensen leaves of a mean of logarithms is not normal in its tails: never fewer than six errors.
        z = max(6.0, float(sps.norm.isf(alpha)))
        rows.append(
            Measurement(
                f"KL of the SDE at ε = {epsilon:.3g}", kl, bound + doubt, origin="sampling",
                why=f"∫E|b̂_F − b_F|²/4ε = {bound:.4g} and its sampling error; KL give or take {z:.2g} standard errors",
                interval=(kl - z * error, kl + z * error), confidence=1.0 - alpha, resolution=_widest(bound),
            )
        )  # fmt: skip
    note = "ŝ learned" if learned else "no score given: the exact one stands in for it, and larger ε is always better"
    return Outcome(tuple(rows), (Data("kl-vs-epsilon", "KL against ε", _picture(columns, flow), {}),), (note,))


def _widest(bound: float) -> float:
    """The widest interval of a KL that still says something: a nat, or ten times what is predicted.

    Paths of a drift that sends them to infinity give a KL of any size, give or take more.
    """
    return max(1.0, 10.0 * bound)


def _picture(columns: dict[str, list[float]], flow: tuple[float, float]) -> dict[str, Any]:
    amounts = columns["ε"]
    return {
        "epsilon": [0.0, *amounts], "kl": [flow[0], *columns["KL"]], "error": [flow[1], *columns["standard error"]],
        "bound": [None, *columns["bound"]], "learned": ["flow", *["SDE"] * len(amounts)],
    }  # fmt: skip


def _ends(ctx: Context) -> tuple[torch.Tensor, torch.Tensor, Any, list[float]]:
    start, end = MARGIN, 1.0 - MARGIN
    interpolant = ctx.problem.interpolant
    x = torch.as_tensor(np.asarray(interpolant.sample(end, _POINTS[ctx.effort], ctx.seed)), device=ctx.device)
    known = interpolant.log_density(end, x)
    times = [float(t) for t in np.linspace(end, start, _STEPS + 1)]
    return x, known, lambda y: interpolant.log_density(start, y), times


def _flow_kl(ctx: Context, b: Any) -> tuple[float, float]:
    """KL and its error; what the last halving of the steps changed counts as error."""
    x, known, first, times = _ends(ctx)
    (coarse, _), (fine, error) = (
        kl_divergence(known, flow_log_likelihood(b, first, x, grid)) for grid in (times[::2], times)
    )
    return fine, math.hypot(error, fine - coarse)


def _sde_kl(ctx: Context, b: Any, s: Any, epsilon: float) -> tuple[float, float]:
    """KL and its error, of the equation and not of its Euler chain: extrapolated from every second step.

    The same chains with the exact fields estimate log ρ with the same noise and nearly the same error of steps: both
    cancel in the difference, which is what KL averages. Jensen's gap of the logarithm, half its variance, is taken off;
    its difference and what the steps gained count as error.
    """
    x, _, first, times = _ends(ctx)
    right = exact_case(ctx.problem, ctx.device)
    found, gaps = [], []
    for grid in (times[::2], times):
        with torch.no_grad():
            learned, exact = (
                path_ratio(velocity, score, lambda t: epsilon, first, x, grid, _PATHS, ctx.generator(3))
                for velocity, score in ((b, s), (right.velocity, right.score))
            )
        gaps.append(0.5 * float((learned.standard_error**2 - exact.standard_error**2).mean()))
        found.append((exact.log_density - learned.log_density).to(torch.float64) - gaps[-1])
    coarse, fine = found
    kl, error = kl_divergence(2.0 * fine, coarse)
    return kl, math.hypot(error, float((fine - coarse).mean()), gaps[-1])


CHECK = Check(
    name="drift-kl",
    claim="KL(ρ(1)‖ρ̂(1)) of the learned SDE is at most ∫E|b̂_F − b_F|²/4ε dt (arXiv:2303.08797, Lemma 2.22)",
    scope={"quick": "tag=user", "standard": "problem=1d-bimodal"},
    kinds=frozenset({"drift"}),
    measure=measure,
    problems={"quick": "product-2d", "standard": "1d-bimodal, product-2d",
              "full": "1d-bimodal, product-2d, 2d-ring, correlated-2d, gaussian-1d"},
    applies=of_form("field", "velocity", "interpolant_velocity"),
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"drift", "kl"}),
    cost=6.0,
)  # fmt: skip
