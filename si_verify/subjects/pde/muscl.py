"""MUSCL: limited linear reconstructions, SSPRK2. Second order, positive."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde import fluxes
from si_verify.subjects.pde.marching import explicit_steps, march, ssp2


def solve(problem: DensityProblem, times: Sequence[float]) -> torch.Tensor:
    """ρ at ``times``; order 2."""
    rate = fluxes.divergence_of(problem, fluxes.limited)
    return march(problem, times, ssp2(rate), explicit_steps(problem))


SUBJECT = Subject(
    name="pde/muscl",
    kind="pde",
    load=lambda: solve,
    claims=Claims(
        order=2.0,
        extra={"form": "averages", "conservative": True, "walls": "closed", "positive": True},
    ),
    tags=frozenset({"grid", "finite-volume", "explicit"}),
    modules=("si_verify.subjects.pde.muscl", "si_verify.subjects.pde.fluxes"),
    summary="second-order finite volumes with a limiter, SSPRK2",
)
