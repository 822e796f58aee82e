"""First-order upwind finite volumes, forward Euler: the scheme that everything else is better than."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde import fluxes
from si_verify.subjects.pde.marching import explicit_steps, march, ssp1


def solve(problem: DensityProblem, times: Sequence[float]) -> torch.Tensor:
    """ρ at ``times``; order 1 in h with dt ∝ h (dt ∝ h² where diffusion rules)."""
    rate = fluxes.divergence_of(problem, fluxes.upwind)
    return march(problem, times, ssp1(rate), explicit_steps(problem))


SUBJECT = Subject(
    name="pde/upwind",
    kind="pde",
    load=lambda: solve,
    claims=Claims(order=1.0, extra={"form": "averages", "conservative": True, "walls": "closed", "positive": True}),
    tags=frozenset({"grid", "finite-volume", "explicit"}),
    modules=("si_verify.subjects.pde.upwind", "si_verify.subjects.pde.fluxes"),
    summary="first-order upwind finite volumes, forward Euler",
)
