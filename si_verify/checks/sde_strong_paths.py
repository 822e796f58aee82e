"""Strong order with noise that depends on the state, where no exact solution is known.

The error is E|X_h − X| (Kloeden & Platen, section 9.6), less ruled by rare paths than a mean square. All rungs and a
much finer reference (si_verify/sde/reference.py) run on the same Brownian paths, which are the same for every subject
and every run: what differs between two subjects is not luck, and the reference is computed once. The order's interval
holds the slope's sampling error at the case's error rate; the reference's own error is the floor below which no rung
is used. Between the modes of a mixture a few paths rule any average of errors: there it is the error of a typical path,
exp E log|X_h − X|, whose order is at least the strong one (si_verify/orders/rows.py); that nine in ten paths converge
is asked of a high quantile.

A claim above that of the reference is fitted to the distances between neighbouring rungs, E|X_h − X_{h/2}| = O(h^p),
and the finest rung is then held to the reference: what it converges to is the solution.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy import stats as sps

from si_verify.check import Check, Context, Inapplicable
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.claimed import claimed_strong
from si_verify.orders.rows import convergence, order_row, path_bars, path_mean, sampled_order
from si_verify.sde.brownian import BrownianPath
from si_verify.sde.equation import Equation, equation, grid
from si_verify.sde.reference import reference
from si_verify.stats import split
from si_verify.subject import Subject

_STRUCTURES = ("additive", "diagonal", "scalar", "general")
_FIRST = 16
# Rungs, and paths by effort, for means of errors and for those of typical paths, which vary more from path to path.
_RUNGS = {False: 5, True: 4}
# Finer than the finest rung: an order-one reference is then eight times nearer than an order-one subject.
_FINER = 8
_PATHS = {False: (256, 1024, 4096), True: (512, 2048, 8192)}
_SHARE = 0.9
# Of Milstein, which the reference is where noise depends on the state.
_REFERENCE_ORDER = 1.0


def measure(ctx: Context) -> Outcome:
    """One order for every structure of noise that the subject accepts."""
    claims = ctx.subject.claims
    chosen = [s for s in _STRUCTURES if claimed_strong(claims, s) is not None and (s != "general" or _plane(ctx))]
    each = split(ctx.alpha, len(chosen)) if ctx.alpha > 0 else 1e-9
    typical = ctx.problem.interpolant.coupling.n_components > 1
    measurements: list[Measurement] = []
    data: list[Data] = []
    notes: list[str] = []
    for structure in chosen:
        eq = equation(ctx.problem, "varying", "forward", structure)
        claimed = claimed_strong(claims, structure)
        z = float(sps.norm.isf(each / 2))
        neighbours = structure != "additive" and claimed is not None and claimed > _REFERENCE_ORDER
        # A distance between neighbours takes two rungs.
        counts, states, common = _ladder(ctx, eq, structure, typical, _RUNGS[typical] + (neighbours and typical))
        towards = states[1:] if neighbours else [common.answer]
        if neighbours:
            counts = counts[:-1]
        misses = _distances(states[: len(counts)], towards, common.size)
        floor = 0.0 if neighbours else common.floor(typical)
        steps = abs(eq.span[1] - eq.span[0]) / np.array(counts)
        errors, bars = path_mean(misses, typical), path_bars(misses, z, typical)
        to = "its own run at half the step" if neighbours else "a finer reference"
        why = f"the claimed strong order, against {to} on the same {misses.shape[1]} paths; interval: {z:.1f} standard"
        fit = sampled_order(steps, misses, floor, z, typical)
        if not fit.found:
            notes.append(f"{eq.label}: {fit.reason}")
            continue
        row = order_row(f"strong error, {eq.label}", fit, claimed, f"{why} errors and the lack of asymptotics")
        measurements.append(replace(row, confidence=1.0 - each, detectable=fit.high - fit.low))
        if neighbours:
            measurements.append(_limit(eq, states[-1], common, misses[-1], typical))
        if typical and claimed is not None:
            measurements.append(_most(eq, steps, misses, claimed))
        data.append(convergence("Strong error on paths", eq.label, counts, steps, errors, floor, claimed, fit, bars))
    if not measurements:
        raise Inapplicable("; ".join(notes))
    return Outcome(tuple(measurements), tuple(data), tuple(notes))


def _most(eq: Equation, steps: np.ndarray, misses: np.ndarray, claimed: float) -> Measurement:
    """The order of the error that nine in ten paths keep, from the coarsest to the finest rung.

    A scheme that is wrong on some paths has a typical error of the right order; the rarer the paths that reach the
    other mode on coarse steps alone, the higher the quantile could be.
    """
    high = np.quantile(misses, _SHARE, axis=1)
    order = math.log(high[0] / high[-1]) / math.log(steps[0] / steps[-1])
    why = "the claimed order less a half, of the 0.9 quantile over paths: it falls as the error of a typical path does"
    return Measurement(
        f"order of the worst tenth, {eq.label}", order, claimed - 0.5, "at_least", "truncation", why, detectable=0.5
    )


def _limit(eq: Equation, finest: torch.Tensor, common: Paths, last: np.ndarray, typical: bool) -> Measurement:
    """Distance of the finest rung to the reference, which is wrong by at most twice what halving its step changed.

    The finest rung is nearer to its limit than ``last`` (N,), the change made by the last halving, for any order of one
    or more. Path by path, so that it holds for either mean.
    """
    value = float(path_mean(_distances([finest], [common.answer], common.size), typical)[0])
    bound = float(path_mean(2.0 * common.change + last, typical)[0])
    why = "the change made by halving the reference's step, twice, and that of the last halving of the scheme's"
    return Measurement(
        f"distance to the solution, {eq.label}", value, bound, "at_most", "truncation", why, detectable=bound
    )


def _distances(states: list[torch.Tensor], towards: list[torch.Tensor], size: float) -> np.ndarray:
    """Relative distances by rung and path, (R, N); one of ``towards`` for each state or one for all."""
    goals = towards if len(towards) == len(states) else towards * len(states)
    rows = [torch.linalg.vector_norm(a - b, dim=1) for a, b in zip(states, goals, strict=True)]
    return torch.stack(rows).cpu().numpy() / math.sqrt(size)


def _plane(ctx: Context) -> bool:
    return int(ctx.problem.interpolant.dim) > 1


@dataclass(frozen=True, eq=False)
class Paths:
    """Common starting points and Brownian paths, the reference's answer, and what halving its step changed."""

    start: torch.Tensor
    path: BrownianPath
    answer: torch.Tensor
    change: np.ndarray
    size: float

    def floor(self, typical: bool) -> float:
        """The reference's own error: relative, the mean over paths or that of a typical one."""
        return float(path_mean(self.change, typical)[0])


@lru_cache(maxsize=8)
def _paths(problem: Any, structure: str, rows: int, rungs: int, device: str) -> Paths:
    eq = equation(problem, "varying", "forward", structure)
    seed = zlib.crc32(f"{problem.name}|{structure}".encode())
    fine = grid(eq.span, _FIRST * 2 ** (rungs - 1) * _FINER, torch.float64, torch.device("cpu")).tolist()
    path = BrownianPath.sample(fine, rows, eq.channels, seed, torch.float64, device)
    law = eq.law(eq.span[0])
    start = torch.tensor(np.asarray(law.sample(rows, np.random.default_rng(seed))), device=device)
    answer = reference(eq, start, fine, path)
    coarser = reference(eq, start, fine[::2], path)
    size = float(np.trace(np.asarray(law.covariance())))
    return Paths(start, path, answer, _distances([answer], [coarser], size), size)


def _ladder(
    ctx: Context, eq: Equation, structure: str, typical: bool, rungs: int
) -> tuple[list[int], list[torch.Tensor], Paths]:
    """Counts, the subject's states at the last time by rung, and what they are held to."""
    common = _paths(ctx.problem, structure, _PATHS[typical][ctx.effort], rungs, str(ctx.device))
    theirs = eq.read_as(ctx.subject.claims)
    counts = [_FIRST * 2**k for k in range(rungs)]
    states = []
    for n in counts:
        times = grid(eq.span, n, torch.float64, ctx.device)
        states.append(
            theirs.solve(ctx.implementation, ctx.subject.claims, common.start.clone(), times, common.path).detach()
        )
    return counts, states, common


def applies(subject: Subject, problem: object) -> bool:
    return claimed_strong(subject.claims, "additive") is not None and not subject.claims.adaptive


CHECK = Check(
    name="sde-strong-paths",
    claim="With state-dependent noise of every structure the numerical solution converges to the one driven by the "
    "same Brownian path with the claimed strong order; on a mixture, on almost every path (Kloeden & Platen, chapter "
    "10)",
    scope={
        "standard": "not (variant, torch/fields-*) and (gaussian and not torch/*, not gaussian and "
        "(torch/stochastic-heun, torchsde/milstein*))"
    },
    kinds=frozenset({"sde"}),
    measure=measure,
    problems={
        "quick": "",
        "standard": "gaussian-2d-crossed, correlated-mixture-2d",
        "full": "gaussian-2d-crossed, gaussian-1d, correlated-mixture-2d, 1d-bimodal",
    },
    applies=applies,
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"sde", "order", "sampling", "state-dependent"}),
    cost=8.0,
)
