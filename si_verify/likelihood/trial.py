"""How the checks run an estimator: its form, its call, and what a refinement leaves undecided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.check import Context
from si_verify.likelihood.cases import Counted, LikelihoodCase
from si_verify.likelihood.estimate import FORMS
from si_verify.subject import Subject, SubjectError

Tensor = torch.Tensor


def form_of(subject: Subject) -> str:
    """The form that the subject claims (``si_verify.likelihood.estimate``); ValueError for an unknown one."""
    form = str(subject.claims.extra.get("form", "flow"))
    if form not in FORMS:
        raise ValueError(f"claims.extra['form']: expected one of {', '.join(FORMS)}, got {form!r} ({subject.name})")
    return form


def of_form(*forms: str, adaptive: bool | None = None) -> Callable[[Subject, Any], bool]:
    """``applies`` of a check that speaks of these forms, of adaptive ones, of those that are not, or of both."""

    def applies(subject: Subject, problem: Any) -> bool:
        return form_of(subject) in forms and adaptive in (None, subject.claims.adaptive)

    return applies


def log_density(
    ctx: Context, case: LikelihoodCase, x: Tensor, fineness: float, down: bool = True, known: Any = None, **more: Any
) -> tuple[Tensor, int]:
    """(log density (N,) float64, evaluations) of a flow estimator at points x of ctx.dtype.

    fineness: the number of steps, or the tolerance of an adaptive estimator (a number below 1).
    """
    velocity = Counted(case.velocity, case.span)
    known = known or (case.first if down else case.last)
    if ctx.subject.claims.adaptive:
        times = [float(t) for t in (case.span[::-1] if down else case.span)]
        more |= {"rtol": fineness, "atol": fineness}
    else:
        times = case.times(int(fineness), down)
    args = (more.pop("probes"), more.pop("generator")) if "probes" in more else ()
    answer = ctx.implementation(velocity, known, x, times, *args, **more)
    if not isinstance(answer, Tensor):
        raise SubjectError(f"estimate: expected the log density, (N,), got a tuple of {len(answer)}")
    return answer.to(torch.float64), velocity.calls


def gain(ctx: Context) -> float:
    """What is left at the finer of two runs, at most, in units of what it gained on the coarser one.

    Halved steps of order p leave 1/(2^p − 1) of the gain, to leading order, and twice that is allowed. A tolerance a
    hundredth as large leaves less than it gained.
    """
    if ctx.subject.claims.adaptive:
        return 1.0
    return 2.0 / (2.0 ** (ctx.subject.claims.order or 1.0) - 1.0)


def refinement(ctx: Context) -> tuple[float, float]:
    """A coarse and a fine run: steps, or tolerances."""
    return (1e-5, 1e-7) if ctx.subject.claims.adaptive else (32, 64)


def rounding(ctx: Context, log: Tensor, terms: int) -> float:
    """c·eps·|log ρ|·terms: every step adds one rounding of the running sum."""
    return 64.0 * float(torch.finfo(ctx.dtype).eps) * (1.0 + float(log.abs().max())) * terms
