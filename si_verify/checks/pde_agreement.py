"""Runs that must meet: up in t and down in t, and with any amount of diffusion, the density is the same ρ(t)."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.density.cases import box, density_case
from si_verify.density.claims import DensityClaims, density_claims
from si_verify.density.errors import Shrinking, floors, slack
from si_verify.density.ladder import Rung, on_grid, resolved
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

_STORED = 7
# Finer grids by dimension, each of which costs eight times as much in one and sixteen to sixty-four in more.
_AGAIN = {1: 2, 2: 1, 3: 0}


def _runs(ctx: Context, claims: DensityClaims, kinds: list[tuple[str, str]], cells: int) -> tuple[list[Rung], Any]:
    """One run of every (amount, direction) on one grid, with its times rising."""
    grid = box(ctx.problem, cells)
    rungs = []
    for amount, direction in kinds:
        case = density_case(ctx.problem, amount, direction, ctx.device)  # type: ignore[arg-type]
        rungs.append(on_grid(ctx, case, grid, claims.form, _STORED).rising())
    return rungs, grid


def _compare(ctx: Context, kinds: list[tuple[str, str]], what: str) -> Outcome:
    """Distances of pairs of runs on the finer of two grids.

    Allowed is what the two err on the coarser grid, times what the claimed order makes of it. A distance cannot be
    held to its own value on the coarser grid: two errors of like sign cancel there. What is not allowed is tried again
    on finer grids before it is believed: a flux may have its order only where cells resolve ε/|b|.
    """
    claims = density_claims(ctx.subject)
    cells = resolved(ctx.problem, claims, ctx.effort)
    coarse = _runs(ctx, claims, kinds, cells)
    for finer in range(1, 2 + _AGAIN[ctx.problem.dim]):
        fine = _runs(ctx, claims, kinds, cells * 2**finer)
        outcome = _distances(ctx, claims, kinds, what, coarse, fine)
        if not any(1.0 < m.value < math.inf for m in outcome.measurements):  # no number: finer grids have none either
            break
        coarse = fine
    return outcome


def _distances(
    ctx: Context, claims: DensityClaims, kinds: list[tuple[str, str]], what: str, coarser: Any, finer: Any
) -> Outcome:
    (coarse, first), (fine, grid) = coarser, finer
    measurements: list[Measurement] = []
    data = []
    for i, j in combinations(range(len(kinds)), 2):
        gap = _gap(fine[i].computed, fine[j].computed, grid.volume)
        errors = np.sum([_gap(r.computed, r.exact, first.volume) for r in (coarse[i], coarse[j])], axis=0)
        floor = 2 * floors(grid, ctx.dtype)["L1"]
        shrinking = Shrinking(errors, gap, 2.0, claims.order, floor, slack("L1", claims.order))
        label = f"{', '.join(kinds[i])} and {', '.join(kinds[j])}"
        measurements.append(
            shrinking.measurement(f"L1 distance of {label}", "both tend to ρ(t); errors of both against their distance")
        )
        columns = {"t": fine[i].times, "error": gap.tolist(), "bound": shrinking.allowed.tolist()}
        data.append(Data("error-vs-t", what, columns, {"quantity": "L1 distance of two runs", "label": label}))
    return Outcome(tuple(measurements), tuple(data))


def _gap(first: torch.Tensor, second: torch.Tensor, volume: float) -> np.ndarray:
    return ((first - second).abs().reshape(len(first), -1).sum(1) * volume).cpu().numpy()


def meet(ctx: Context) -> Outcome:
    """Forward from ρ(0) against backward from ρ(1)."""
    amount = density_claims(ctx.subject).amounts()[0]
    return _compare(ctx, [(amount, "forward"), (amount, "backward")], "Distance of forward and backward run")


def independent(ctx: Context) -> Outcome:
    """All diffusions the subject takes, forward."""
    kinds = [(amount, "forward") for amount in density_claims(ctx.subject).amounts()[: 2 + ctx.effort]]
    return _compare(ctx, kinds, "Distance of runs with different diffusion")


def _meets(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return claims.on_grid and len(claims.directions) == 2 and problem.dim in claims.dims


def _varies(subject: Subject, problem: Any) -> bool:
    claims = density_claims(subject)
    return (
        claims.on_grid and len(claims.amounts()) > 1 and "forward" in claims.directions and problem.dim in claims.dims
    )


_PROBLEMS = {
    "quick": "",
    "standard": "1d-bimodal, gaussian-1d",
    "full": "order and (1d or 2d)",
}
CHECKS = (
    Check(
        name="pde-directions-meet",
        claim="The forward equation run from ρ(0) and the backward one run down from ρ(1) meet at every t "
        "(arXiv:2303.08797, Corollary 2.10)",
        kinds=frozenset({"pde"}),
        measure=meet,
        problems=_PROBLEMS,
        scope={"standard": "1d-bimodal or not (pde/weno5, pde/implicit-diffusion)"},
        applies=_meets,
        dtypes=("float64",),
        tags=frozenset({"pde", "identity", "noise-free"}),
        cost=1.0,
    ),
    Check(
        name="pde-epsilon-independence",
        claim="Whatever ε(t) ≥ 0, the Fokker–Planck equation with drift b + ε s has the same solution ρ(t) "
        "(arXiv:2303.08797, Corollary 2.10)",
        kinds=frozenset({"pde"}),
        measure=independent,
        problems=_PROBLEMS,
        scope={"standard": "1d-bimodal or not (pde/weno5, pde/implicit-diffusion)"},
        applies=_varies,
        dtypes=("float64",),
        tags=frozenset({"pde", "identity", "noise-free"}),
        cost=1.0,
    ),
)
