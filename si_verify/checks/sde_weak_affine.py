"""Weak order of an SDE scheme where the law is Gaussian, measured with no sampling noise (MATH.md section 4).

The scheme's affine map of (x0, ΔW) is probed (si_verify/affine_probe.py); its exact mean and covariance at the last
time are compared with the closed form over a refinement ladder, forward and backward, for ε constant, varying and
zero. At ε = 0 the answer must be the probability flow, path by path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from si_verify.affine_probe import strong_reference
from si_verify.check import Check, Context, Inapplicable
from si_verify.claimed_orders import claimed_weak
from si_verify.equation import Equation, equation
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.order_rows import convergence, judge_order
from si_verify.sde_ladder import Rung, affine_sde, climb, end_law, start_law, step_counts
from si_verify.subject import Subject

# Rounding of a second moment: two factors, a sum over rows; 16 covers what was seen on float32 and float64 ladders.
_ROUNDINGS = 16.0
# A random row may miss the map by the rounding of every step and every basis row it is a combination of.
_AFFINE = 256.0


@dataclass(frozen=True)
class Variation:
    amount: str
    direction: str
    bend: float


_VARIATIONS = (
    Variation("varying", "forward", 0.0),
    Variation("constant", "backward", 0.3),
    Variation("zero", "forward", 0.0),
    Variation("varying", "backward", -0.4),
    Variation("constant", "forward", 0.0),
    Variation("zero", "backward", 0.3),
)
_LADDERS = ((5, 6.0), (7, 12.0), (8, 20.0))


def _errors(ctx: Context, variation: Variation, rungs: list[Rung], eq: Equation) -> dict[str, np.ndarray]:
    """Relative errors by name, (R,): of mean and covariance, or of the path where there is no noise."""
    initial, final = start_law(eq), end_law(eq)
    spread = math.sqrt(float(np.trace(final.cov)) / final.dim)
    if variation.amount == "zero":
        sde = affine_sde(ctx.problem, eq)
        squares = [r.found.mean_square_error(strong_reference(sde, r.found), initial) for r in rungs]
        return {"flow": np.sqrt(squares) / spread / math.sqrt(final.dim)}
    laws = [r.found.law(initial) for r in rungs]
    size = float(np.linalg.norm(final.cov))
    return {
        "mean": np.array([np.linalg.norm(m - final.mean) for m, _ in laws]) / spread / math.sqrt(final.dim),
        "covariance": np.array([np.linalg.norm(c - final.cov) for _, c in laws]) / size,
    }


def measure(ctx: Context) -> Outcome:
    """One fitted order for every variation and moment."""
    claimed = claimed_weak(ctx.subject.claims, "additive")
    measurements: list[Measurement] = []
    data: list[Data] = []
    skipped: list[str] = []
    count = (3, 5, 6)[ctx.effort]
    for number, variation in enumerate(_VARIATIONS[:count]):
        eq = equation(ctx.problem, variation.amount, variation.direction).read_as(ctx.subject.claims)
        counts = step_counts(ctx.problem, eq, *_LADDERS[ctx.effort], even=variation.bend == 0.0)
        rungs = climb(ctx, eq, counts, variation.bend, number)
        residual = max((r.found.residual for r in rungs), key=lambda v: math.inf if math.isnan(v) else v)
        if residual > _AFFINE:
            skipped.append(
                f"{eq.label}: not an affine map of the increments (a random row misses by {residual:.2g} roundings)"
            )
            continue
        final = end_law(eq)
        spread = math.sqrt(float(np.trace(final.cov)) / final.dim)
        floors = _ROUNDINGS * np.array([r.found.floor for r in rungs]) / spread
        steps = np.array([r.step for r in rungs])
        for quantity, errors in _errors(ctx, variation, rungs, eq).items():
            label = f"{quantity}, {eq.label}" + (", unequal steps" if variation.bend else "")
            why = "the claimed weak order; fitted over a ladder without sampling noise"
            row, fit = judge_order(f"weak error of {label}", steps, errors, floors, claimed, why)
            measurements.append(row)
            numbers = [r.steps for r in rungs]
            title = f"Weak error of {quantity}"
            data.append(convergence(title, label, numbers, steps, errors, floors, claimed, fit))
    if not measurements:
        raise Inapplicable("; ".join(skipped))
    return Outcome(tuple(measurements), tuple(data), tuple(skipped))


def applies(subject: Subject, problem: object) -> bool:
    return claimed_weak(subject.claims, "additive") is not None and not subject.claims.adaptive


CHECK = Check(
    name="sde-weak-affine",
    claim="Mean and covariance of the numerical solution converge to those of ρ(t) with the claimed weak order "
    "(arXiv:2303.08797, Theorems 2.8 and 2.9; exact by affine probing, MATH.md section 4)",
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
