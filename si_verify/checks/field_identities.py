"""Identities that tie a subject's fields to each other and to the law, whatever their closed forms are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from analytic.problems.problem import Problem
from si_verify.check import Check, Context, Inapplicable
from si_verify.fields.conditioning import sensitivity
from si_verify.fields.finite_difference import derivative, gradient
from si_verify.measurement import Measurement, Outcome
from si_verify.subject import Subject

_SHARES = (0.15, 0.4, 0.7, 0.9)
_UNITS = 100.0
_GRADIENT = "∂log ρ̂ by differences at h and 2h: their disagreement, plus rounding 8·eps·|log ρ̂|/h, plus 100·eps·K of ŝ"
_TRANSPORT = "the differences' own error bounds, summed, plus 100·eps·K of the fields"
_TWEEDIE = "100·eps·(|x| + K α² + β |η_1|)"
_STEIN = "trapezoid rule at two spacings: their disagreement, plus 100·eps of the integral of magnitudes"


def _applies(subject: Subject, problem: Problem) -> bool:
    return bool({"score", "velocity"} & set(subject.claims.quantities))


class _At:
    """The subject's fields at one time, points from the law there, and sensitivities."""

    def __init__(self, context: Context, t: float, stream: int) -> None:
        interpolant = context.problem.interpolant
        self.exact, self.t = interpolant, t
        self.fields = context.implementation(interpolant, context.dtype, context.device)
        draw = interpolant.sample(t, 32, np.random.default_rng([context.seed, stream]))
        self.x = torch.as_tensor(np.asarray(draw)).to(context.device, context.dtype)
        scale = sensitivity(interpolant, t, self.x, context.generator(stream))
        self.scale = {name: value.to(self.x) for name, value in scale.items()}
        self.eps = torch.finfo(context.dtype).eps
        moments = interpolant.moments(t)
        self.width = float(np.sqrt(np.min(_variances(np.asarray(moments.cov)))))
        # Fourth-order differences balance truncation h⁴ and rounding eps/h at eps^(1/5).
        self.h = self.width * self.eps**0.2

    def gap(self, residual: Tensor, bound: Tensor) -> float:
        ratio = (residual / bound).abs()
        return float(torch.where(torch.isnan(ratio), torch.inf, ratio).max())


def _variances(cov: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(cov) if cov.ndim == 3 else cov


def _gradient(at: _At) -> float:
    """ŝ = ∇ log ρ̂."""
    slope, error = gradient(lambda x: at.fields["log_density"](at.t, x), at.x, at.h, at.eps)
    bound = torch.linalg.vector_norm(error, dim=1) + _UNITS * at.eps * at.scale["score"]
    return at.gap(torch.linalg.vector_norm(at.fields["score"](at.t, at.x) - slope, dim=1), bound)


def _transport(at: _At, span: tuple[float, float]) -> float:
    """∂_t log ρ + ∇·b̂ + b̂·s = 0, with the subject's own density and score where it has them."""
    own = at.fields
    velocity, units = own["velocity"](at.t, at.x), _UNITS * at.eps
    score = own["score"](at.t, at.x) if "score" in own else at.exact.score(at.t, at.x)
    if "log_density" in own:
        room = min(at.t - span[0], span[1] - at.t) / 4
        h = min(room, 0.1 * at.eps**0.2)
        rate, error = derivative(lambda shift: own["log_density"](at.t + shift, at.x), h, at.eps)
    else:
        rate, error = at.exact.dt_log_density(at.t, at.x), torch.zeros_like(at.x[:, 0])
    slopes, slope_error = gradient(lambda x: own["velocity"](at.t, x), at.x, at.h, at.eps)
    along = (velocity * score).sum(1)
    sizes = torch.linalg.vector_norm(velocity, dim=1), torch.linalg.vector_norm(score, dim=1)
    rounding = at.scale["velocity"] * sizes[1] + at.scale["score"] * sizes[0] + rate.abs() + slopes.abs().sum(1)
    return at.gap(rate + slopes.sum(1) + along, error + slope_error.sum(1) + units * rounding)


def _tweedie(at: _At) -> float:
    """x + α² ŝ = β E[x1 | x], in the one-sided case."""
    coefficients = at.exact.schedule.at(at.t)
    alpha2, beta = float(coefficients.alpha) ** 2, float(coefficients.beta)
    data = at.exact.target_denoiser(at.t, at.x)
    gap = torch.linalg.vector_norm(at.x + alpha2 * at.fields["score"](at.t, at.x) - beta * data, dim=1)
    size = torch.linalg.vector_norm(at.x, dim=1) + beta * torch.linalg.vector_norm(data, dim=1)
    return at.gap(gap, _UNITS * at.eps * (size + alpha2 * at.scale["score"]))


def _stein(at: _At, context: Context) -> float:
    """E[ŝ] = 0 and E[ŝ x] = −1 in one dimension, by a trapezoid rule that converges beyond all orders."""
    marginal = at.exact.marginal(at.t)
    means, widths = np.asarray(marginal.means)[:, 0], np.sqrt(np.asarray(marginal.covariances).reshape(-1))
    low, high = float((means - 12 * widths).min()), float((means + 12 * widths).max())
    totals = []
    for spacing in (at.width / 4, at.width / 8):
        n = int((high - low) / spacing)
        if n > 200_000:
            raise Inapplicable("the modes are too far apart for a quadrature")
        x = torch.linspace(low, high, n, dtype=context.dtype, device=context.device)[:, None]
        weight = torch.exp(at.exact.log_density(at.t, x)) * ((high - low) / (n - 1))
        s = at.fields["score"](at.t, x)[:, 0]
        totals.append((weight * s, weight * (s * x[:, 0])))
    worst = 0.0
    for (coarse, fine), exact in zip(zip(*totals, strict=True), (0.0, -1.0), strict=True):
        bound = (coarse.sum() - fine.sum()).abs() + _UNITS * at.eps * fine.abs().sum()
        worst = max(worst, float((fine.sum() - exact).abs() / bound))
    return worst


def _measure(context: Context) -> Outcome:
    low, high = context.problem.t_span
    quantities = set(context.subject.claims.quantities)
    worst: dict[str, tuple[float, str]] = {}

    def note(name: str, ratio: float, why: str) -> None:
        worst[name] = (max(ratio, worst.get(name, (0.0, ""))[0]), why)

    for stream, share in enumerate(_SHARES if context.effort else _SHARES[1:3]):
        at = _At(context, low + share * (high - low), stream)
        if {"log_density", "score"} <= quantities:
            note("score − ∇log-density", _gradient(at), _GRADIENT)
        if "velocity" in quantities:
            note("transport residual", _transport(at, (low, high)), _TRANSPORT)
        if "score" in quantities and "one-sided" in context.problem.tags:
            note("Tweedie residual", _tweedie(at), _TWEEDIE)
        if "score" in quantities and context.problem.dim == 1:
            note("Stein residual", _stein(at, context), _STEIN)
    if not worst:
        raise Inapplicable("no identity ties these quantities together on this problem")
    return Outcome(
        tuple(
            Measurement(name=name, value=value, bound=1.0, origin="truncation", why=why, unit="of its bound")
            for name, (value, why) in worst.items()
        )
    )


CHECK = Check(
    name="field-identities",
    claim="ŝ = ∇log ρ̂, ∂_t log ρ + ∇·b + b·s = 0, Tweedie's x + α²s = βη_1 and Stein's E[s] = 0, E[s x] = −1 hold "
    "(arXiv:2303.08797, Theorem 6; MATH.md section 3)",
    scope={"standard": "not (torch/fields-compiled, */derivatives)"},
    kinds=frozenset({"field"}),
    measure=_measure,
    problems={
        "quick": "1d-bimodal-to-trimodal or correlated-mixture-2d or one-sided-vp",
        "standard": "(1d or 2d) and not extreme and not dataset and not costly and not singular-ends and not kink "
        "and not anisotropic",
        "full": "not extreme and not dataset and not costly and not singular-ends and not kink and not anisotropic",
    },
    applies=_applies,
    dtypes=("float64",),
    tags=frozenset({"identity"}),
    cost=0.5,
)
