"""An oscillating drift error: its L2 size vanishes, the flow's KL does not, the SDE's does."""

from __future__ import annotations

import math

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.likelihood import oscillation
from si_verify.likelihood.cases import LikelihoodCase
from si_verify.likelihood.trial import gain, log_density, of_form, refinement, rounding
from si_verify.measurement import Data, Measurement, Outcome

_C, _EPSILON = 1.0, 0.5
_WAVES = (2, 4, 8, 16)


def measure(ctx: Context) -> Outcome:
    """The estimator's KL against closed form for ever finer waves, and the SDE's against its bound."""
    rows = []
    names = ("k", "mean square of the error", "KL of the flow", "KL of the SDE", "bound for the SDE")
    columns: dict[str, list[float]] = {name: [] for name in names}
    for k in _WAVES:
        x = oscillation.grid(k)
        points = torch.as_tensor(x[:, None], device=ctx.device).to(ctx.dtype)
        case = LikelihoodCase(
            "oscillating", 1, (0.0, 1.0), oscillation.oscillating(_C, k), lambda t, y: -y, _normal, _normal, _no_draws
        )  # fmt: skip
        coarse, fine = (log_density(ctx, case, points, f)[0] for f in refinement(ctx))
        found, exact = (
            oscillation.kl_on_grid(x, log) for log in (fine.cpu().numpy(), oscillation.flow_log_density(_C, k, x))
        )
        steps = gain(ctx) * abs(oscillation.kl_on_grid(x, coarse.cpu().numpy()) - found)
        rows.append(
            Measurement(
                f"|KL of the flow − closed form|, k = {k}", abs(found - exact), steps + rounding(ctx, fine, 64),
                origin="truncation", why=f"what the steps still leave, from half as many; KL = {exact:.4g}",
            )
        )  # fmt: skip
        square = oscillation.mean_square(_C, k)
        values = (float(k), square, found, oscillation.sde_kl(_C, k, _EPSILON), square / (4.0 * _EPSILON))
        for name, value in zip(names, values, strict=True):
            columns[name].append(value)
    flow, sde, bound = (columns[n] for n in names[2:])
    limit = oscillation.limit(_C)
    rows += [
        Measurement("largest KL of the SDE over its bound", max(a / b for a, b in zip(sde, bound, strict=True)), 1.0,
                    why="∫E|b̂ − b|²/4ε, a theorem"),
        Measurement("KL of the SDE, last over first wave", sde[-1] / sde[0], bound[-1] / bound[0] * 2.0,
                    origin="truncation", why="falls as the mean square, 1/k², to leading order; twice that"),
        Measurement("|KL of the flow/limit − 1| at the last wave", abs(flow[-1] / limit - 1.0), 2.0 / _WAVES[-1] ** 2,
                    origin="truncation", why=f"2 log cosh(c/2) = {limit:.4g} as k → ∞, the error of b still (c/k)²"),
    ]  # fmt: skip
    return Outcome(tuple(rows), (Data("table", "Error, and KL of flow and SDE", columns),))


def _normal(x: torch.Tensor) -> torch.Tensor:
    return -0.5 * (x[:, 0] ** 2) - 0.5 * math.log(2.0 * math.pi)


def _no_draws(n: int, seed: int) -> np.ndarray:
    raise NotImplementedError("the grid is the set of points")


CHECK = Check(
    name="likelihood-oscillation",
    claim="A drift error whose L2 size vanishes leaves the flow a KL of 2 log cosh(c/2), and the SDE none "
    "(arXiv:2303.08797, Section 2.4)",
    kinds=frozenset({"likelihood"}),
    measure=measure,
    problems={"quick": "gaussian-1d", "standard": "gaussian-1d", "full": "gaussian-1d"},
    applies=of_form("flow"),
    dtypes=("float64",),
    tags=frozenset({"likelihood", "kl", "noise-free"}),
    cost=2.0,
)
