"""Strong order of an SDE scheme where the law is Gaussian, against the exact solution given the Brownian path.

E|X_h − X|² is a sum of squares of the difference of two affine maps of (x0, W), the probed one and the exact one
(analytic.strong), so it too has no sampling noise. A scheme that is no affine map of its increments (terms in ΔW²) is
measured on sampled paths instead, with the sampling error in its interval.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from scipy.stats import norm

from analytic.strong import StrongSolution
from si_verify.check import Check, Context
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.claimed import claimed_strong
from si_verify.orders.rows import convergence, judge_order, slope_spread
from si_verify.sde.affine_probe import strong_reference
from si_verify.sde.brownian import BrownianPath
from si_verify.sde.equation import Equation, equation, grid
from si_verify.sde.ladder import affine_sde, climb, start_law, step_counts
from si_verify.subject import Subject

_VARIATIONS = (("varying", "forward", 0.0), ("constant", "backward", 0.3), ("varying", "backward", -0.4))
_LADDERS = ((6, 8.0), (7, 12.0), (8, 20.0))
# See sde_weak_affine: beyond this a random row shows that there is no affine map.
_AFFINE = 256.0
_ROUNDINGS = 16.0
_PATHS = (256, 1024, 4096)
_ERRORS = 6.0  # standard errors of a sampled slope: 2e-9, so that a run of hundreds stays within its budget of 1e-6


def measure(ctx: Context) -> Outcome:
    """One order for every variation."""
    claimed = claimed_strong(ctx.subject.claims, "additive")
    measurements: list[Measurement] = []
    data: list[Data] = []
    notes: list[str] = []
    variations = list(_VARIATIONS[: 1 + ctx.effort])
    for number, (amount, direction, bend) in enumerate(variations):
        eq = equation(ctx.problem, amount, direction).read_as(ctx.subject.claims)
        counts = step_counts(ctx.problem, eq, *_LADDERS[ctx.effort])
        rungs = climb(ctx, eq, counts, bend, number)
        initial = start_law(eq)
        size = math.sqrt(float(np.trace(initial.cov)))
        bars, spread = None, 0.0
        if max(r.found.residual for r in rungs) <= _AFFINE:
            sde = affine_sde(ctx.problem, eq)
            squares = [r.found.mean_square_error(strong_reference(sde, r.found), initial) for r in rungs]
            errors = np.sqrt(squares) / size
            steps = np.array([r.step for r in rungs])
            floors = _ROUNDINGS * np.array([r.found.floor for r in rungs]) / size
            label = eq.label
        elif amount == "varying" and ctx.effort == 0:
            notes.append(f"{eq.label}: not affine in the increments; standard measures it on sampled paths")
            variations.append(("constant", direction, bend))
            continue
        else:
            counts, steps, errors, bars, spread = _sampled(ctx, eq, counts[0], number)
            floors = np.zeros_like(errors)
            label = f"{eq.label}, {_PATHS[ctx.effort]} sampled paths"
            notes.append(f"{eq.label}: not affine in the increments, so measured on sampled paths")
        why = "the claimed strong order against the exact solution given the path"
        row, fit = judge_order(f"strong error, {label}", steps, errors, floors, claimed, why, spread)
        if bars is not None:
            row = replace(row, confidence=1.0 - 2.0 * float(norm.sf(_ERRORS)), detectable=spread)
        measurements.append(row)
        data.append(convergence("Strong error", label, counts, steps, errors, floors, claimed, fit, bars))
    return Outcome(tuple(measurements), tuple(data), tuple(notes))


def _sampled(
    ctx: Context, eq: Equation, first: int, stream: int
) -> tuple[list[int], np.ndarray, np.ndarray, np.ndarray, float]:
    """Counts, steps, root mean square errors, their 99 % intervals, and the slope's spread."""
    rows = _PATHS[ctx.effort]
    counts = [first * 2**k for k in range(5)]
    seed = (ctx.seed ^ (0x5DE << stream)) & 0xFFFFFFFF
    fine = grid(eq.span, counts[-1], torch.float64, torch.device("cpu")).tolist()
    path = BrownianPath.sample(fine, rows, eq.channels, seed, dtype=ctx.dtype, device=ctx.device)
    initial = start_law(eq)
    start = torch.tensor(initial.sample(rows, np.random.default_rng(seed)), dtype=ctx.dtype, device=ctx.device)
    parts = list(pairwise(fine))
    increments, areas = (
        torch.stack([ask(a, b) for a, b in parts], dim=1).double().cpu().numpy() for ask in (path, path.area)
    )
    exact = StrongSolution.on(affine_sde(ctx.problem, eq), np.array(fine))
    answer = exact.given(start.double().cpu().numpy(), increments, areas, seed=seed)[:, -1]
    errors, bars, kept = [], [], []
    for steps in counts:
        times = grid(eq.span, steps, ctx.dtype, ctx.device)
        found = eq.solve(ctx.implementation, ctx.subject.claims, start, times, path).detach().double().cpu().numpy()
        squares = np.sum((found - answer) ** 2, axis=1) / float(np.trace(initial.cov))
        centre, spread = float(squares.mean()), 2.58 * float(squares.std(ddof=1)) / math.sqrt(rows)
        kept.append(squares)
        errors.append(math.sqrt(centre))
        bars.append((math.sqrt(max(centre - spread, 0.0)), math.sqrt(centre + spread)))
    width = abs(eq.span[1] - eq.span[0])
    h = np.array([width / n for n in counts])
    return counts, h, np.array(errors), np.array(bars), slope_spread(h, kept, _ERRORS)


def applies(subject: Subject, problem: object) -> bool:
    return claimed_strong(subject.claims, "additive") is not None and not subject.claims.adaptive


CHECK = Check(
    name="sde-strong",
    claim="The numerical solution converges to the exact solution driven by the same Brownian path with the claimed "
    "strong order (Kloeden & Platen, section 9.6; MATH.md section 4)",
    quick_dtypes=("float64",),
    scope={
        "standard": "not variant and dtype=float64 and (entropic-bridge-2d, gaussian-2d-crossed-trigonometric)",
    },
    kinds=frozenset({"sde"}),
    measure=measure,
    problems={
        "quick": "gaussian-2d-crossed-trigonometric",
        "standard": "gaussian and order and sde-ok",
        "full": "gaussian and order",
    },
    applies=applies,
    tags=frozenset({"sde", "order", "noise-free"}),
    cost=1.0,
)
