"""Weak order in one dimension on nonlinear drifts and with state-dependent noise, measured with no sampling noise.

Additive noise on a mixture's drift, and the noise √(2ε)(1 + c sin(x/ℓ)) with the drift that keeps the same law
(MATH.md section 4), in the interpretation that the scheme claims: an Itô scheme given a Stratonovich equation, a
Milstein term of the wrong sign or a missing ∇·D all move the limit of the ladder. See si_verify/sde/transfer.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.claimed import claimed_weak
from si_verify.orders.extrapolation import judge_expansion, judge_last_below
from si_verify.orders.rows import convergence, judge_order
from si_verify.sde.brownian import Brownian
from si_verify.sde.equation import Equation, equation, grid
from si_verify.sde.transfer import Resolution, Wave, expectations, interval, require_one_step
from si_verify.stats import geometric_steps
from si_verify.subject import Subject

_VARIATIONS = (
    ("diagonal", "varying", "backward"),
    ("additive", "varying", "backward"),
    ("diagonal", "constant", "forward"),
    ("additive", "varying", "forward"),
)
_LADDERS = ((4, 4.0), (4, 4.0), (5, 6.0))
_RESOLUTIONS = (Resolution(160, 8, 2), Resolution(160, 8, 2), Resolution(400, 18, 3))
# Claims of an order in halves rest on an expansion in √h: its terms are told apart by more rungs and smaller floors.
_HALVES = ((5, 6.0, Resolution(200, 10, 3)), (5, 6.0, Resolution(200, 10, 3)), (6, 8.0, Resolution(400, 18, 4)))
_REFINED = (1, 1, 2)
_ROUNDINGS = 64.0
# As in si_verify/sde/ladder.py: the coarsest step resolves the drift's fastest rate.
_RESOLVE = 1.0
# Where the law is, in standard deviations; in the far tails σ(x) and s together are stiffer than any path notices.
_COMMON = 3.0


def _some(variations: list[tuple[str, str, str]], effort: int) -> list[tuple[str, str, str]]:
    """The first; with more effort the last as well, which runs the other way in time; then all."""
    return list(dict.fromkeys((variations[:1], variations[:1] + variations[-1:], variations)[effort]))


def measure(ctx: Context) -> Outcome:
    """One order and one limit for each kind of noise that the subject accepts."""
    measurements: list[Measurement] = []
    data: list[Data] = []
    wanted = [v for v in _VARIATIONS if claimed_weak(ctx.subject.claims, v[0]) is not None]
    for structure, amount, direction in _some(wanted, ctx.effort):
        claimed = claimed_weak(ctx.subject.claims, structure)
        assert claimed is not None  # as wanted
        eq = equation(ctx.problem, amount, direction, structure).read_as(ctx.subject.claims)
        halves = claimed % 1 > 0
        steps, values, floors = _ladder(ctx, eq, halves)
        f, scale = _waves(eq)
        exact = f.expectation(eq.law(eq.span[1]))
        errors = np.linalg.norm(values - exact, axis=1) / scale
        h = 1.0 / np.array(steps)
        why = "the claimed weak order of E cos ωX, E sin ωX; no sampling noise"
        row, fit = judge_order(f"weak error, {eq.label}", h, errors, floors, claimed, why, alone=False)
        known = (f"E cos ωX, E sin ωX, {eq.label}", h, values, exact, scale, float(floors.max()), claimed)
        measurements += [row, *judge_expansion(*known), *([judge_last_below(*known)] if halves else [])]
        width = abs(eq.span[1] - eq.span[0])
        step = width / np.array(steps)
        data.append(
            convergence("Weak error of E cos ωX, E sin ωX", eq.label, steps, step, errors, floors, claimed, fit)
        )
    return Outcome(tuple(measurements), tuple(data))


def _ladder(ctx: Context, eq: Equation, halves: bool) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Step counts, expectations (R, 2F), and the error of interpolation and quadrature (R,), found by refining both."""

    def step(x0: torch.Tensor, times: torch.Tensor, brownian: Brownian) -> torch.Tensor:
        return eq.solve(ctx.implementation, ctx.subject.claims, x0, times, brownian)

    start, end = (eq.law(t) for t in eq.span)
    f, scale = _waves(eq)
    limits = interval([start, end])
    rungs, ratio, at = _HALVES[ctx.effort] if halves else (*_LADDERS[ctx.effort], _RESOLUTIONS[ctx.effort])
    first = max(12, math.ceil(_RESOLVE * _fastest(eq, interval([start, end], _COMMON)) * abs(eq.span[1] - eq.span[0])))
    counts = list(geometric_steps(first, round(first * ratio), rungs))
    require_one_step(step, grid(eq.span, 5, ctx.dtype, ctx.device), start, eq.channels, ctx.seed & 0xFFFFFFFF)

    def run(n: int, at: Resolution) -> np.ndarray:
        return expectations(step, grid(eq.span, n, ctx.dtype, ctx.device), start, f, limits, at)

    values = np.array([run(n, at) for n in counts])
    floors = np.zeros(len(counts))
    for k, n in enumerate(counts[: _REFINED[ctx.effort]]):
        refined = run(n, at.finer())
        # What is left of the refined value's error is smaller; each step of a finer rung interpolates once more.
        floors[k:] = float(np.abs(refined - values[k]).max()) / scale * np.array(counts[k:]) / n
        values[k] = refined
    rounding = _ROUNDINGS * float(torch.finfo(ctx.dtype).eps) * counts[-1]
    return counts, values, floors + rounding


def _waves(eq: Equation) -> tuple[Wave, float]:
    """A wave as wide as the law, and one that sees its narrowest component; errors are relative to amplitude one."""
    law = eq.law(eq.span[1])
    spread = math.sqrt(float(np.asarray(law.covariance())[0, 0]))
    narrow = math.sqrt(float(np.asarray(law.covariances).min()))
    return Wave(np.array([1.0 / spread, 2.0 / narrow])), 1.0


def _fastest(eq: Equation, limits: tuple[float, float]) -> float:
    """The largest contraction rate of the drift over the region and the run, by differences."""
    x = torch.linspace(*limits, 201, dtype=torch.float64)[:, None]
    rates = [0.0]
    for t in np.linspace(*eq.span, 17):
        slope = torch.diff(eq.drift(float(t), x)[:, 0]) / torch.diff(x[:, 0])
        rates.append(float((-eq.sign * slope).max()))
    return max(rates)


def applies(subject: Subject, problem: Any) -> bool:
    return subject.claims.weak_order is not None and not subject.claims.adaptive and problem.dim == 1


CHECK = Check(
    name="sde-weak-transfer",
    claim="In one dimension, with nonlinear drift and with additive or state-dependent noise of the same law, "
    "expectations converge to those of ρ(t) with the claimed weak order (MATH.md section 4)",
    quick_dtypes=("float64",),
    scope={"quick": "tag=user", "standard": "not variant and dtype=float64 and 1d-bimodal"},
    kinds=frozenset({"sde"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal",
        "standard": "gaussian-1d or 1d-bimodal or one-sided-vp-1d",
        "full": "1d and order and sde-ok",
    },
    applies=applies,
    tags=frozenset({"sde", "order", "noise-free", "state-dependent"}),
    cost=2.0,
)
