"""Fields against the yardstick, point by point, in units of the rounding that no implementation can avoid."""

from __future__ import annotations

import numpy as np
import torch

from analytic.problems.problem import Problem
from si_verify.check import Check, Context
from si_verify.checks.field_points import looks
from si_verify.fields.precision import why, widened
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject, SubjectError

UNITS = 100.0  # a backward error of 100 units in the last place: the yardstick's own claim
_WHY = (
    "100·eps·K: the exact answer to inputs (x, weights, means, covariances, schedule) rounded 100 times; K is the "
    "first-order sensitivity to them"
)


def _applies(subject: Subject, problem: Problem) -> bool:
    return bool(subject.claims.quantities)


class _Table:
    """Ratios error / (eps K) by quantity, time and distance."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, quantity: str, t: float, distance: np.ndarray, error: np.ndarray, scale: np.ndarray) -> None:
        self.rows.append((quantity, t, distance, error, scale))

    def of(self, quantity: str) -> list[tuple[float, np.ndarray, np.ndarray, np.ndarray]]:
        return [row[1:] for row in self.rows if row[0] == quantity]


def _error(ours: torch.Tensor, exact: torch.Tensor) -> np.ndarray:
    gap = (ours.to(torch.float64) - exact.to(torch.float64)).cpu()
    return (gap.abs() if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=-1)).numpy()


def _fill(context: Context, table: _Table) -> int:
    fields = context.implementation(context.problem.interpolant, context.dtype, context.device)
    wanted = context.subject.claims.quantities
    missing = set(wanted) - set(fields)
    if missing:
        raise SubjectError(f"build: claims {', '.join(sorted(wanted))} but gives no {', '.join(sorted(missing))}")
    seen = 0
    for look in looks(context):
        if any(quantity not in look.exact for quantity in wanted):
            continue
        errors = {}
        for quantity in wanted:
            # A copy for each call: what one subject writes into its input must not reach the next.
            x = look.x.clone().to(context.device)
            errors[quantity] = _error(fields[quantity](look.t, x), look.exact[quantity])
        claimed, unit = context.subject.claims.extra, UNITS * torch.finfo(context.dtype).eps
        scale = widened(claimed, look.scale, context.problem.interpolant, look.t, look.x, unit)
        for quantity, error in errors.items():
            table.add(quantity, look.t, look.distance, error, scale[quantity].numpy())
        seen += len(look.x)
    return seen


def _ratio(error: np.ndarray, bound: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(error == 0, 0.0, error / bound)  # right where nothing is to be rounded: 0 at 0
    return np.where(np.isnan(ratio), np.inf, ratio)


def _by_time(rows: list, quantity: str, unit: float) -> Data:
    worst = [int(np.argmax(_ratio(error, scale))) for _, _, error, scale in rows]
    columns = {
        "t": [row[0] for row in rows],
        "error": [float(row[2][i]) for row, i in zip(rows, worst, strict=True)],
        "bound": [float(unit * row[3][i]) for row, i in zip(rows, worst, strict=True)],
    }
    return Data("error-vs-t", f"Error of the {quantity.replace('_', ' ')} against t", columns, {"quantity": quantity})


def _by_distance(rows: list, quantity: str, unit: float) -> Data:
    distance = np.concatenate([row[1] for row in rows])
    error, scale = (np.concatenate([row[i] for row in rows]) for i in (2, 3))
    columns: dict[str, list[float]] = {"distance": [], "error": [], "bound": []}
    for radius in np.unique(distance):
        at = np.flatnonzero(distance == radius)
        i = at[int(np.argmax(_ratio(error[at], scale[at])))]
        for name, value in zip(columns, (radius, error[i], unit * scale[i]), strict=True):
            columns[name].append(float(value))
    title = f"Error of the {quantity.replace('_', ' ')} into the tails"
    return Data("error-vs-tail", title, columns, {"quantity": quantity})


def _measure(context: Context) -> Outcome:
    table = _Table()
    count = _fill(context, table)
    eps = torch.finfo(context.dtype).eps
    measurements: list[Measurement] = []
    data: list[Data] = []
    for quantity in context.subject.claims.quantities:
        rows = table.of(quantity)
        if not rows:
            continue
        worst = max(float(_ratio(row[2], eps * row[3]).max()) for row in rows)
        measurements.append(
            Measurement(
                name=f"error of {quantity.replace('_', ' ')}",
                value=worst,
                bound=UNITS,
                origin="rounding",
                why=_WHY + why(context.subject.claims.extra),
                unit="eps·K",
            )
        )
        data += [_by_time(rows, quantity, UNITS * eps), _by_distance(rows, quantity, UNITS * eps)]
    return Outcome(tuple(measurements), tuple(data), (f"{count} points",))


CHECK = Check(
    name="field-pointwise",
    claim="A field is the closed form to the rounding of its inputs, from the modes to 40 standard deviations and from "
    "one end of time to the other (arXiv:2303.08797, Theorem 6 and Theorem 8)",
    kinds=frozenset({"field"}),
    measure=_measure,
    problems={
        "quick": "1d-bimodal-to-trimodal or correlated-mixture-2d or 1d-tiny-variance or 1d-tiny-weights or digits",
        "standard": "*",
        "full": "*",
    },
    # A float32 subject rounds alike everywhere: where many components, small weights or coarse scales meet it.
    scope={
        # Two problems show what a compiler, a minute for every shape of a law, makes of the formula.
        "standard": "(not (torch/fields-compiled, torch/mixture-*, */derivatives), correlated-2d, 1d-far-modes) and "
        "(dtype=float64, digits, 2d-1024-components, 1d-tiny-*, 1d-far-modes, correlated-mixture-2d, mirror-2d, "
        "one-sided-vp, anisotropic-mixture-8d, encoding-decoding-2d)"
    },
    applies=_applies,
    tags=frozenset({"accuracy"}),
    cost=1.5,
)
