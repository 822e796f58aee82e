"""Weak order of an SDE scheme where the law is Gaussian, measured with no sampling noise (MATH.md section 4).

The scheme's affine map of (x0, ΔW) is probed (si_verify/sde/affine_probe.py); its exact mean and covariance at the last
time are compared with the closed form over a refinement ladder, forward and backward, for ε constant, varying and
zero: the order of the error is judged, and the limit that the ladder has at step zero. At ε = 0 the answer must be the
probability flow, path by path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytic.flow import reference_flow
from si_verify.check import Check, Context, Inapplicable
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.orders.claimed import claimed_weak
from si_verify.orders.extrapolation import judge_expansion
from si_verify.orders.rows import convergence, judge_order
from si_verify.sde.equation import Equation, equation
from si_verify.sde.ladder import Rung, climb, end_law, start_law, step_counts
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


@dataclass(frozen=True)
class Quantity:
    """What the scheme makes of one moment on every rung, (R, ...), its exact value, and the unit of its error."""

    name: str
    values: np.ndarray
    exact: np.ndarray
    scale: float

    @property
    def errors(self) -> np.ndarray:
        """Frobenius norms of the relative errors, (R,)."""
        miss = (self.values - self.exact).reshape(len(self.values), -1)
        return np.linalg.norm(miss, axis=1) / self.scale


def _quantities(ctx: Context, variation: Variation, rungs: list[Rung], eq: Equation) -> list[Quantity]:
    """Mean and covariance; where there is no noise the flow itself, as the image of mean and of each axis."""
    initial, final = start_law(eq), end_law(eq)
    spread = math.sqrt(float(np.trace(final.cov)))
    if variation.amount == "zero":
        flow = reference_flow(ctx.problem.interpolant)
        points = np.vstack([initial.mean, initial.mean + np.eye(final.dim)])
        images = flow(points, *eq.span)
        found = [np.vstack([r.found.mean, r.found.mean + r.found.state.T]) for r in rungs]
        noise = [np.abs(r.found.gain0).max() for r in rungs]
        if max(noise) > 0:
            found = [f + n for f, n in zip(found, noise, strict=True)]
        return [Quantity("flow", np.array(found), images, spread)]
    laws = [r.found.law(initial) for r in rungs]
    return [
        Quantity("mean", np.array([m for m, _ in laws]), final.mean, spread),
        Quantity("covariance", np.array([c for _, c in laws]), final.cov, float(np.linalg.norm(final.cov))),
    ]


def measure(ctx: Context) -> Outcome:
    """One fitted order for every variation and moment."""
    claimed = claimed_weak(ctx.subject.claims, "additive")
    assert claimed is not None  # applies() asks
    measurements: list[Measurement] = []
    data: list[Data] = []
    skipped: list[str] = []
    count = (3, 5, 6)[ctx.effort]
    for number, variation in enumerate(_VARIATIONS[:count]):
        eq = equation(ctx.problem, variation.amount, variation.direction).read_as(ctx.subject.claims)
        counts = step_counts(ctx.problem, eq, *_LADDERS[ctx.effort])
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
        for quantity in _quantities(ctx, variation, rungs, eq):
            label = f"{quantity.name}, {eq.label}" + (", unequal steps" if variation.bend else "")
            why = "the claimed weak order; fitted over a ladder without sampling noise"
            name, alone = f"weak error of {label}", claimed % 1 > 0
            row, fit = judge_order(name, steps, quantity.errors, floors, claimed, why, alone=alone)
            terms = judge_expansion(
                label, steps, quantity.values, quantity.exact, quantity.scale, float(floors.max()), claimed
            )
            measurements += [row, *terms]
            counted = [r.steps for r in rungs]
            title = f"Weak error of {quantity.name}"
            data.append(convergence(title, label, counted, steps, quantity.errors, floors, claimed, fit))
    if not measurements:
        raise Inapplicable("; ".join(skipped))
    return Outcome(tuple(measurements), tuple(data), tuple(skipped))


def applies(subject: Subject, problem: object) -> bool:
    return claimed_weak(subject.claims, "additive") is not None and not subject.claims.adaptive


CHECK = Check(
    name="sde-weak-affine",
    claim="Mean and covariance of the numerical solution converge to those of ρ(t) with the claimed weak order "
    "(arXiv:2303.08797, Theorems 2.8 and 2.9; exact by affine probing, MATH.md section 4)",
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
