"""Density along SDE paths of any fields: the solvers of ``density/ito.py``, divergences by reverse passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from si_verify.density.ito import solve_ito, solve_trapezoid
from si_verify.density.particles import ParticleProblem
from si_verify.fields.mixture import PointFields
from si_verify.likelihood.divergence import Field, value_and_divergence
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def _along(solve: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    def estimate(
        velocity: Field, score: Field, epsilon: Callable[[float], float], log_known: Callable[[Tensor], Tensor],
        x: Tensor, times: Sequence[float], increments: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """(X at times[-1], log density there), from points x at times[0] where log ρ is ``log_known``."""

        def fields(t: float, y: Tensor) -> PointFields:
            (b, div_b), (s, div_s) = (value_and_divergence(f, t, y) for f in (velocity, score))
            return PointFields(b, s, div_b, div_s)

        def unknown(t: float, y: Tensor) -> Tensor:
            raise NotImplementedError("log ρ is what is being computed")

        problem = ParticleProblem(x, log_known(x).to(x.dtype), epsilon, fields, unknown, "ito")
        return solve(problem, times, increments)

    return estimate


def _subject(name: str, solve: Any, order: float, summary: str) -> Subject:
    return Subject(
        name=name,
        kind="likelihood",
        load=lambda: _along(solve),
        claims=Claims(order=order, extra={"form": "path"}),
        tags=frozenset({"stochastic"}),
        modules=("si_verify.density.ito", "si_verify.likelihood.divergence"),
        summary=summary,
    )


SUBJECTS = (
    _subject("likelihood/ito-euler", solve_ito, 0.5, "density along SDE paths, Itô formula with Euler–Maruyama"),
    _subject("likelihood/ito-trapezoid", solve_trapezoid, 1.0, "density along SDE paths, trapezoidal rule"),
)
