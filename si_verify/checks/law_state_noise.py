"""Terminal law where the noise depends on the state in more than one dimension: diagonal, scalar and general columns.

The law is ρ whatever the noise (MATH.md section 4), so that a scheme which reads a Stratonovich drift as Itô, takes the
transposed Jacobian in its Milstein term, or reads a matrix of columns as its diagonal ends with another law.
"""

from __future__ import annotations

from typing import Any

from si_verify.check import Check, Context
from si_verify.checks.law_moments import picture, statistics
from si_verify.laws.terminal_sample import draw, family_member
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.stats import split
from si_verify.subject import Subject

_ROWS = (8192, 8192, 65536)
_STEPS = (24, 48, 96)
_STRUCTURES = ("scalar", "general", "diagonal")
_COUNTS = (2, 3, 3)


def structures(subject: Subject) -> list[str]:
    """The structures of state-dependent noise that the subject says it accepts."""
    return [s for s in _STRUCTURES if s in subject.claims.noise]


def measure(ctx: Context) -> Outcome:
    """Moments, modes and tails for every structure that the subject accepts (two of them in quick)."""
    chosen = structures(ctx.subject)[: _COUNTS[ctx.effort]]
    measurements: list[Measurement] = []
    data: list[Data] = []
    notes: list[str] = []
    for number, structure in enumerate(chosen):
        eq = family_member(ctx, "constant", "forward", structure)
        sample = draw(ctx, eq, _ROWS[ctx.effort], _STEPS[ctx.effort], stream=32 + number)
        rows = statistics(sample, split(ctx.alpha, len(chosen)))
        measurements += [row.measurement(eq.label) for row in rows]
        data.append(picture(rows, eq.label))
        notes += sample.notes
    return Outcome(tuple(measurements), tuple(data), tuple(notes))


def applies(subject: Subject, problem: Any) -> bool:
    return bool(structures(subject)) and problem.dim > 1


CHECK = Check(
    name="law-state-noise",
    claim="With noise that depends on the state, and the drift b + D s + ∇·D that goes with it, the sampler still ends "
    "with the moments, modes and tails of ρ (MATH.md section 4; arXiv:2303.08797, Section 2.4)",
    quick_dtypes=("float64",),
    scope={"standard": "dtype=float64 and not variant and correlated-mixture-2d"},
    kinds=frozenset({"sde"}),
    measure=measure,
    problems={
        "quick": "",
        "standard": "gaussian-2d-crossed or correlated-mixture-2d or product-3d",
        "full": "order and sde-ok and not costly and not high-dimensional",
    },
    applies=applies,
    statistical=True,
    tags=frozenset({"law", "sampling", "state-dependent"}),
    cost=1.0,
)
