"""Terminal law as a whole: exact CDFs of projections, the law of log ρ(X), kernel, energy and Wasserstein distances."""

from __future__ import annotations

import numpy as np

from si_verify.check import Check, Context
from si_verify.checks.law_moments import picture
from si_verify.laws.distances import energy_row, sliced_row
from si_verify.laws.pictures import pictures
from si_verify.laws.statistics import Row, density_row, kernel_row, kolmogorov_row, projected_cdf
from si_verify.laws.terminal_sample import TerminalSample, draw, family_member
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.stats import split

_ROWS = (4096, 8192, 65536)
_STEPS = (64, 64, 128)
_PROJECTIONS = (4, 16, 32)
_KERNEL_ROWS = (1024, 2048, 4096)
# Exact samples cost next to nothing: with eight times as many, their own scatter hardly counts.
_EXACT = 8
_VARIATIONS = (("varying", "backward"), ("constant", "forward"), ("constant", "backward"))


def measure(ctx: Context) -> Outcome:
    """All tests on the finer of two runs, for one to three members of the family."""
    chosen = _VARIATIONS[: 1 + (ctx.effort if ctx.subject.kind == "sde" else min(ctx.effort, 1))]
    measurements: list[Measurement] = []
    data: list[Data] = []
    notes: list[str] = []
    for number, (amount, direction) in enumerate(chosen):
        eq = family_member(ctx, amount, direction)
        sample = draw(ctx, eq, _ROWS[ctx.effort], _STEPS[ctx.effort], stream=16 + number)
        rows = statistics(ctx, sample, split(ctx.alpha, len(chosen)), number)
        measurements += [row.measurement(eq.label) for row in rows]
        data.append(picture(rows, eq.label))
        notes += sample.notes
    eq = family_member(ctx, "constant", "forward")
    data += pictures(ctx, eq)
    return Outcome(tuple(measurements), tuple(data), tuple(notes))


def statistics(ctx: Context, sample: TerminalSample, alpha: float, stream: int) -> list[Row]:
    """Axes, random directions, log density, kernel, and in the plane and beyond energy and sliced Wasserstein distance,
    at a shared error rate; on a line the exact CDF says more than either."""
    rng = np.random.default_rng([ctx.seed, 77, stream])
    dim = sample.fine.shape[1]
    lines = [(f"x{i}", axis) for i, axis in enumerate(np.eye(dim)[:8])]
    if dim > 1:
        turns = rng.standard_normal((_PROJECTIONS[ctx.effort], dim))
        lines += [(f"projection {k}", v / np.linalg.norm(v)) for k, v in enumerate(turns)]
    each = split(alpha, len(lines) + (4 if dim > 1 else 2))
    rows = []
    for name, line in lines:
        u, v = (projected_cdf(sample.law, line, x) for x in (sample.fine, sample.coarse))
        rows.append(kolmogorov_row(f"Kolmogorov distance, {name}", u, v, sample, each))
    exact = np.asarray(sample.law.sample(_EXACT * len(sample.fine), rng))
    rows.append(density_row(sample, exact, each))
    rows.append(kernel_row(sample, each, _KERNEL_ROWS[ctx.effort]))
    if dim > 1:
        rows.append(energy_row(sample, each, rng))
        rows.append(sliced_row(sample, np.array([line for _, line in lines]), each))
    return rows


CHECK = Check(
    name="law-distribution",
    claim="Started from ρ at one end of time, the sampler ends distributed as ρ at the other: projections by exact "
    "CDF, log density, kernel, energy and sliced Wasserstein distances (arXiv:2303.08797, Theorems 2.6 to 2.9)",
    quick_dtypes=("float64",),
    # Of a flow the pathwise checks say as much, free of sampling noise.
    scope={
        "quick": "kind=sde",
        # A flow's law follows from its paths, which ode-order sees: two problems show that it does.
        "standard": "dtype=float64 and not (variant, scipy) and (1d-bimodal, kind=sde and correlated-mixture-2d)",
    },
    kinds=frozenset({"sde", "ode"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal",
        "standard": "order and sde-ok and mixture and not costly and not high-dimensional",
        "full": "sde-ok and not costly",
    },
    statistical=True,
    tags=frozenset({"law", "sampling"}),
    cost=1.0,
)
