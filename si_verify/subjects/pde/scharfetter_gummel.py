"""Scharfetter–Gummel finite volumes with explicit SSPRK2: positive, conservative, exact Gibbs states."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde import fluxes
from si_verify.subjects.pde.marching import explicit_steps, march, ssp2


def solve(problem: DensityProblem, times: Sequence[float]) -> torch.Tensor:
    """ρ at ``times``; order 2 for ε > 0 once h resolves ε/|b|."""
    rate = fluxes.divergence_of(problem, fluxes.fitted)
    return march(problem, times, ssp2(rate), explicit_steps(problem))


SUBJECT = Subject(
    name="pde/scharfetter-gummel",
    kind="pde",
    load=lambda: solve,
    claims=Claims(
        order=2.0,
        extra={
            "form": "averages", "conservative": True, "walls": "closed", "positive": True,
            "equations": ("fokker-planck",), "steady": "exact",
        },
    ),
    tags=frozenset({"grid", "finite-volume", "explicit"}),
    modules=("si_verify.subjects.pde.scharfetter_gummel", "si_verify.subjects.pde.fluxes"),
    summary="exponentially fitted finite volumes, SSPRK2",
)  # fmt: skip
