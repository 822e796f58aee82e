"""Terminal law by moments: means, covariances, weights of modes and tails, each against its closed form."""

from __future__ import annotations

import numpy as np

from si_verify.check import Check, Context
from si_verify.laws.statistics import Row, moment_functions, moment_row, projected_cdf, tail_row
from si_verify.laws.terminal_sample import TerminalSample, draw, family_member
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.stats import split

_ROWS = (4096, 8192, 65536)
_STEPS = (32, 48, 96)
_VARIATIONS = (("constant", "forward"), ("varying", "backward"), ("varying", "forward"))


def measure(ctx: Context) -> Outcome:
    """All statistics of the finer of two runs, for one to three members of the family."""
    chosen = _VARIATIONS[: 1 + (ctx.effort if ctx.subject.kind == "sde" else min(ctx.effort, 1))]
    measurements: list[Measurement] = []
    data: list[Data] = []
    notes: list[str] = []
    for number, (amount, direction) in enumerate(chosen):
        eq = family_member(ctx, amount, direction)
        sample = draw(ctx, eq, _ROWS[ctx.effort], _STEPS[ctx.effort], stream=number)
        rows = statistics(sample, split(ctx.alpha, len(chosen)))
        measurements += [row.measurement(eq.label) for row in rows]
        data.append(picture(rows, eq.label))
        notes += sample.notes
    return Outcome(tuple(measurements), tuple(data), tuple(notes))


def statistics(sample: TerminalSample, alpha: float) -> list[Row]:
    """Every moment, mode and tail at a shared error rate."""
    functions = list(moment_functions(sample.law))
    dim = sample.fine.shape[1]
    tails = 2 * min(dim, 4)
    each = split(alpha, len(functions) + tails)
    rows = [moment_row(name, f, expected, sample, each) for name, f, expected in functions]
    for i in range(min(dim, 4)):
        axis = np.eye(dim)[i]
        u, v = (projected_cdf(sample.law, axis, x) for x in (sample.fine, sample.coarse))
        rows.append(tail_row(f"lower 1 % tail of x{i}", u, v, sample, each))
        rows.append(tail_row(f"upper 1 % tail of x{i}", 1.0 - u, 1.0 - v, sample, each))
    return rows


def picture(rows: list[Row], label: str) -> Data:
    """The ``law`` picture: each statistic as a share of its bound."""
    return Data(
        "law",
        f"Terminal law, {label}",
        {
            "statistic": [r.name for r in rows],
            "value": [r.value for r in rows],
            "bound": [r.critical + r.allowance for r in rows],
            "detectable": [r.detectable + r.allowance for r in rows],
        },
        {"confidence": 1.0 - sum(r.alpha for r in rows), "label": label},
    )


CHECK = Check(
    name="law-moments",
    claim="Started from ρ at one end of time, the sampler ends with the means, covariances, mode weights and tails of "
    "ρ at the other (arXiv:2303.08797, Theorems 2.6 to 2.9)",
    quick_dtypes=("float64",),
    # Of a flow the pathwise checks say as much, free of sampling noise.
    scope={
        "quick": "kind=sde",
        # A flow's law follows from its paths, which ode-order sees: two problems show that it does.
        "standard": "dtype=float64 and not (variant, scipy) and (1d-bimodal, kind=sde and "
        "(correlated-mixture-2d, 1d-bimodal-to-trimodal-trigonometric))",
    },
    kinds=frozenset({"sde", "ode"}),
    measure=measure,
    problems={
        "quick": "correlated-mixture-2d",
        "standard": "order and sde-ok and mixture and not costly and not high-dimensional",
        "full": "sde-ok and not costly",
    },
    statistical=True,
    tags=frozenset({"law", "sampling"}),
    cost=1.0,
)
