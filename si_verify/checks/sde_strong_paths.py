"""Strong order where no exact solution is known: mixtures, and noise that depends on the state.

All rungs and a much finer reference (si_verify/sde/reference.py) run on the same Brownian paths, which are the same for
every subject and every run: what differs between two subjects is not luck, and the reference is computed once. The root
mean square distance to it is fitted against the step; the slope's sampling interval at the case's error rate widens
that of the order, and the reference's own error is the floor below which no rung is used.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy import stats as sps

from si_verify.check import Check, Context
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.claimed import claimed_strong
from si_verify.orders.rows import convergence, judge_order, slope_spread
from si_verify.sde.brownian import BrownianPath
from si_verify.sde.equation import Equation, equation, grid
from si_verify.sde.reference import reference
from si_verify.stats import split
from si_verify.subject import Subject

_STRUCTURES = ("additive", "diagonal", "scalar", "general")
_FIRST, _RUNGS = 16, 5
# Finer than the finest rung: an order-one reference is then eight times nearer than an order-one subject.
_FINER = 8
_PATHS = (256, 1024, 4096)


def measure(ctx: Context) -> Outcome:
    """One order for every structure of noise that the subject accepts."""
    claims = ctx.subject.claims
    chosen = [s for s in _STRUCTURES if claimed_strong(claims, s) is not None and (s != "general" or _plane(ctx))]
    each = split(ctx.alpha, len(chosen)) if ctx.alpha > 0 else 1e-9
    measurements: list[Measurement] = []
    data: list[Data] = []
    for structure in chosen:
        eq = equation(ctx.problem, "varying", "forward", structure)
        claimed = claimed_strong(claims, structure)
        z = float(sps.norm.isf(each / 2))
        counts, squares, floor = _ladder(ctx, eq, structure)
        steps = abs(eq.span[1] - eq.span[0]) / np.array(counts)
        mean, width = squares.mean(1), z * squares.std(1, ddof=1) / math.sqrt(squares.shape[1])
        errors = np.sqrt(mean)
        bars = np.sqrt(np.stack([np.maximum(mean - width, 0.0), mean + width], axis=1))
        why = "the claimed strong order, against a finer reference on the same paths"
        row, fit = judge_order(
            f"strong error, {eq.label}", steps, errors, floor, claimed, why, slope_spread(steps, squares, z)
        )
        measurements.append(row)
        data.append(convergence("Strong error on paths", eq.label, counts, steps, errors, floor, claimed, fit, bars))
    return Outcome(tuple(measurements), tuple(data))


def _plane(ctx: Context) -> bool:
    return int(ctx.problem.interpolant.dim) > 1


@dataclass(frozen=True, eq=False)
class Paths:
    """Common starting points and Brownian paths, the reference's answer, and its own error (relative, RMS)."""

    start: torch.Tensor
    path: BrownianPath
    answer: torch.Tensor
    floor: float
    size: float


@lru_cache(maxsize=8)
def _paths(problem: Any, structure: str, rows: int, device: str) -> Paths:
    eq = equation(problem, "varying", "forward", structure)
    seed = zlib.crc32(f"{problem.name}|{structure}".encode())
    fine = grid(eq.span, _FIRST * 2 ** (_RUNGS - 1) * _FINER, torch.float64, torch.device("cpu")).tolist()
    path = BrownianPath.sample(fine, rows, eq.channels, seed, torch.float64, device)
    law = eq.law(eq.span[0])
    start = torch.tensor(np.asarray(law.sample(rows, np.random.default_rng(seed))), device=device)
    answer = reference(eq, start, fine, path)
    coarser = reference(eq, start, fine[::2], path)
    size = float(np.trace(np.asarray(law.covariance())))
    floor = float(((answer - coarser) ** 2).sum(1).mean() / size) ** 0.5
    return Paths(start, path, answer, floor, size)


def _ladder(ctx: Context, eq: Equation, structure: str) -> tuple[list[int], np.ndarray, float]:
    """Counts, squared errors by rung and path (R, N), and the reference's own error."""
    common = _paths(ctx.problem, structure, _PATHS[ctx.effort], str(ctx.device))
    theirs = eq.read_as(ctx.subject.claims)
    counts = [_FIRST * 2**k for k in range(_RUNGS)]
    squares = []
    for n in counts:
        times = grid(eq.span, n, torch.float64, ctx.device)
        found = theirs.solve(ctx.implementation, ctx.subject.claims, common.start, times, common.path).detach()
        squares.append((((found - common.answer) ** 2).sum(1) / common.size).cpu().numpy())
    return counts, np.array(squares), common.floor


def applies(subject: Subject, problem: object) -> bool:
    return claimed_strong(subject.claims, "additive") is not None and not subject.claims.adaptive


CHECK = Check(
    name="sde-strong-paths",
    claim="On mixtures and with state-dependent noise the numerical solution converges to the solution driven by the "
    "same Brownian path with the claimed strong order (Kloeden & Platen, chapter 10)",
    kinds=frozenset({"sde"}),
    measure=measure,
    problems={
        "quick": "",
        "standard": "gaussian-2d-crossed or one-sided-vp-1d",
        "full": "gaussian-2d-crossed or correlated-mixture-2d or one-sided-vp-1d or mirror-1d",
    },
    applies=applies,
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"sde", "order", "sampling", "state-dependent"}),
    cost=8.0,
)
