"""Densities by weighted SDE paths: unbiased, and honest about their own error."""

from __future__ import annotations

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.density.cases import least_variance
from si_verify.likelihood.cases import LikelihoodCase, exact_case, perturbed_case
from si_verify.likelihood.estimate import LikelihoodEstimate
from si_verify.likelihood.trial import of_form
from si_verify.measurement import Measurement, Outcome
from si_verify.stats import mean_test, split
from si_verify.subject import SubjectError

_POINTS, _REPEATS, _PATHS = 2, 800, 128
_STEPS = (32, 48, 64)


def _case(ctx: Context, epsilon: float) -> LikelihoodCase:
    if ctx.problem.n_components == 1:
        return perturbed_case(ctx.problem, epsilon, ctx.seed % 2**32, ctx.device)
    return exact_case(ctx.problem, ctx.device)


def _run(
    ctx: Context, case: LikelihoodCase, epsilon: float, x: torch.Tensor, steps: int, stream: int
) -> LikelihoodEstimate:
    answer = ctx.implementation(
        case.velocity, case.score, lambda t: epsilon, case.first, x, case.times(steps), _PATHS, ctx.generator(stream)
    )
    if not isinstance(answer, LikelihoodEstimate):
        raise SubjectError("estimate: expected (log density, standard error, effective size), each (N,)")
    return LikelihoodEstimate(*(a.to(torch.float64) for a in answer))


def paths(ctx: Context) -> Outcome:
    """E[exp(estimate)]/ρ̂ = 1 at several points; the stated errors against the spread that repeats really show.

    The bias of the steps is extrapolated away.
    """
    epsilon, steps = least_variance(ctx.problem), _STEPS[ctx.effort]
    case = _case(ctx, epsilon)
    x = torch.as_tensor(case.draw(_POINTS, ctx.seed), device=ctx.device).to(ctx.dtype)
    exact = case.last(x.to(torch.float64)).cpu().numpy()[:, None]
    rows = x.repeat_interleave(_REPEATS, 0)
    coarse, fine = (_run(ctx, case, epsilon, rows, n, i) for i, n in enumerate((steps // 2, steps)))
    before, now = (
        np.exp(e.log_density.cpu().numpy().reshape(_POINTS, _REPEATS) - exact) for e in (coarse, fine)
    )  # fmt: skip
    alpha = split(ctx.alpha, 2 * _POINTS + 2)
    out = [_bias(i, *pair, alpha) for i, pair in enumerate(zip(before, now, strict=True))]
    return Outcome((*out, *_calibration(now, fine, alpha)))


def _bias(point: int, before: np.ndarray, now: np.ndarray, alpha: float) -> Measurement:
    """Extrapolated over the steps: of a bias c₁h + c₂h², 2·fine − coarse leaves −2c₂h², two thirds of the gain at most
    where the terms share a sign; all of the gain is allowed.
    """
    name = f"|E[ρ̂ estimate]/ρ̂ − 1|, steps extrapolated, at point {point + 1}"
    if not (np.isfinite(now).all() and np.isfinite(before).all()):
        return Measurement(name, float("nan"), 0.0, origin="sampling")
    test, gained = mean_test(2.0 * now - before, 1.0, alpha), abs(float(np.mean(now) - np.mean(before)))
    allowed = test.critical + gained
    return Measurement(
        name, test.deviation, allowed, origin="sampling",
        why=f"mean of {_REPEATS} estimates of {_PATHS} paths; what the steps gained, {gained:.2g}, is allowed",
        confidence=1.0 - alpha, detectable=allowed + test.detectable - test.critical,
    )  # fmt: skip


def _calibration(now: np.ndarray, fine: LikelihoodEstimate, alpha: float) -> list[Measurement]:
    """Squared deviations of the repeats over the stated variances, all points together."""
    relative = now / now.mean(1, keepdims=True) - 1.0
    spread = (relative**2 * _REPEATS / (_REPEATS - 1)).reshape(-1)
    out = []
    stated = {
        "standard error": fine.standard_error.cpu().numpy() ** 2,
        # Kish: P/ESS = 1 + the squared coefficient of variation of one weight.
        "effective size": 1.0 / fine.effective_size.cpu().numpy() - 1.0 / _PATHS,
    }
    for name, variance in stated.items():
        mean = float(np.mean(variance))
        if not (np.isfinite(spread).all() and mean > 0.0):
            out.append(
                Measurement(f"variance of repeats over that of the {name}", float("nan"), 0.0, origin="sampling")
            )
            continue
        test = mean_test(spread / mean, 1.0, alpha)
        # The variance of a mean over P paths, of weights this skewed, is known to a few of its own squares.
        allowed = test.critical + 4.0 * min(mean, float(spread.mean())) + 4.0 / _PATHS
        out.append(
            Measurement(
                f"|variance of repeats over that stated by the {name} − 1|", test.deviation, allowed, origin="sampling",
                why=f"{spread.size} repeats; 4·variance + 4/paths for the next terms of the delta method",
                confidence=1.0 - alpha, detectable=test.detectable + allowed - test.critical,
            )
        )  # fmt: skip
    return out


CHECK = Check(
    name="likelihood-paths",
    claim="ρ̂(1, x) is the mean of the path weights, and the stated standard error and effective size are those of that "
    "mean (MATH.md section 7)",
    kinds=frozenset({"likelihood"}),
    measure=paths,
    scope={"quick": "gaussian-1d or tag=user"},
    problems={
        "quick": "gaussian-1d, 1d-bimodal",
        "standard": "gaussian-1d, 1d-bimodal, gaussian-2d-crossed",
        "full": "gaussian-1d, 1d-bimodal, gaussian-2d-crossed, correlated-2d",
    },
    applies=of_form("sde"),
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"likelihood", "law"}),
    cost=5.0,
)
