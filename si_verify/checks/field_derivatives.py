"""Divergences and products with a vector against the yardstick's Jacobians, and probes that can be drawn again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from analytic.errors import FieldUndefinedError
from analytic.problems.problem import Problem
from si_verify.check import Check, Context
from si_verify.checks.field_points import looks
from si_verify.checks.field_pointwise import UNITS
from si_verify.fields.derivatives import ESTIMATES, PRODUCTS, derivative_sensitivity, exact_derivatives
from si_verify.kernels.probes import Rademacher
from si_verify.measurement import Measurement, Outcome
from si_verify.subject import Subject, SubjectError

WHY = (
    "100·eps·K': the exact answer to inputs (x, v, weights, means, covariances, schedule) rounded 100 times, or 100 "
    "units in each term of the centred sums; K' is the larger of the first-order sensitivities"
)


class Look(NamedTuple):
    """Points x and vectors v (N, D) of the case's dtype, the seed of Rademacher probes, exact answers and their K'."""

    t: float
    x: Tensor
    v: Tensor
    seed: int
    exact: Mapping[str, Tensor]
    scale: Mapping[str, Tensor]


def look_at(interpolant: object, t: float, x: Tensor, seed: int) -> Look:
    """A vector and a probe a row, and what is exact with them. FieldUndefinedError where a field does not exist."""
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype)
    signs = Rademacher(seed).like(x)
    exact = exact_derivatives(interpolant, t, x, v, signs)  # type: ignore[arg-type]
    return Look(t, x, v, seed, exact, derivative_sensitivity(interpolant, t, x, v, signs, generator))  # type: ignore[arg-type]


def answer_of(fields: Mapping, name: str, look: Look, x: Tensor) -> Tensor:
    """The subject's derivative at x, which holds the look's points in some layout on the subject's device."""
    if name in PRODUCTS:
        return fields[name](look.t, x, look.v.clone().to(x.device))  # type: ignore[no-any-return]
    return fields[name](look.t, x, look.seed) if name in ESTIMATES else fields[name](look.t, x)  # type: ignore[no-any-return]


def ratio(answer: Tensor, exact: Tensor, scale: Tensor) -> float:
    """Largest error over eps·K'; infinite where an answer is NaN."""
    gap = (answer.detach().cpu().to(torch.float64) - exact).abs()
    gap = gap if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
    value = torch.where(gap == 0, 0.0, gap / (torch.finfo(answer.dtype).eps * scale))
    return float(torch.where(torch.isnan(value), torch.inf, value).max())


def claimed(subject: Subject) -> tuple[str, ...]:
    """The derivatives that a subject says it gives."""
    return tuple(subject.claims.extra.get("derivatives", ()))


@lru_cache(maxsize=32)
def _looks(problem: Problem, seed: int, key: tuple[object, ...], found: tuple[tuple[float, Tensor], ...]) -> list[Look]:
    answer = []
    for stream, (t, x) in enumerate(found):
        try:
            answer.append(
                look_at(problem.interpolant, t, x, int(np.random.default_rng([seed, stream]).integers(2**31)))
            )
        except FieldUndefinedError:
            continue
    return answer


def _measure(context: Context) -> Outcome:
    fields = context.implementation(context.problem.interpolant, context.dtype, context.device)
    names = claimed(context.subject)
    missing = set(names) - set(fields)
    if missing:
        raise SubjectError(f"build: claims {', '.join(sorted(names))} but gives no {', '.join(sorted(missing))}")
    points = tuple((look.t, look.x) for look in looks(context) if {"score", "velocity"} <= set(look.exact))
    worst = dict.fromkeys(names, 0.0)
    rows = 0
    for look in _looks(context.problem, context.shared_seed, (context.dtype, context.effort), points):
        for name in names:
            ours = answer_of(fields, name, look, look.x.clone().to(context.device))
            worst[name] = max(worst[name], ratio(ours, look.exact[name], look.scale[name]))
        rows += len(look.x)
    return Outcome(
        tuple(
            Measurement(f"error of {n.replace('_', ' ')}", value, UNITS, origin="rounding", why=WHY, unit="eps·K'")
            for n, value in worst.items()
        ),
        (),
        (f"{rows} points",),
    )


CHECK = Check(
    name="field-derivatives",
    claim="Divergence of the velocity, Laplacian of log ρ, ∇b v, ∇s v, and Hutchinson's estimates with the probes "
    "that their seed names, are the closed form to rounding, into the tails (MATH.md section 3)",
    scope={
        "standard": "dtype=float64 and (1d-bimodal-to-trimodal, 1d-tiny-weights, correlated-mixture-2d, one-sided-vp, "
        "gaussian-8d, 2d-ring, mirror-2d, 1d-far-modes), torch/* and correlated-2d"
    },
    kinds=frozenset({"field"}),
    measure=_measure,
    problems={
        "quick": "1d-bimodal-to-trimodal or correlated-mixture-2d or 1d-tiny-weights",
        "standard": "1d-* or 2d-* or *-2d or *-8d or one-sided-* or digits",
        "full": "*",
    },
    applies=lambda subject, problem: bool(claimed(subject)),
    quick_dtypes=("float64",),
    tags=frozenset({"accuracy", "derivatives"}),
    cost=2.0,
)
