"""ParticleProblem: what a solver that carries log-densities along particles is handed. For high dimension: no grid.

Three forms, by ``Claims.extra["form"]`` (MATH.md sections 4 and 7; arXiv:2303.08797, Section 2):

``characteristics``  solve(problem, times) -> (x, log ρ)
    dX = b dt,  d log ρ = −∇·b dt
``ito``              solve(problem, times, increments) -> (x, log ρ)
    dX = (b + ε s) dt + √(2ε) dW,  d log ρ = [−∇·b − b·s + ε Δ log ρ] dt + s·dX  (Itô); increments (T − 1, N, D) of W
``feynman-kac``      solve(problem, times, increments) -> log weights (N,)
    ρ(times[0], x) = E[w],  w = exp(−∫∇·b_F) ρ(times[-1], Y),  dY = b_F dt + √(2ε) dW run down from x, one path a row

``times`` (T,) are the steps to take: they rise or fall for characteristics, rise for ito, fall for feynman-kac.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from si_verify.fields.mixture import PointFields

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class ParticleProblem:
    """Points and fields.

    initial       (N, D): where the particles are at times[0]
    log_initial   (N,): log ρ there; for feynman-kac it is not known, and zeros
    epsilon       ε(t) ≥ 0
    fields(t, x)  -> PointFields: velocity b, score s (N, D), divergence ∇·b, laplacian Δ log ρ (N,)
    log_density(t, x)  (N,), allowed at times[-1] of feynman-kac only
    """

    initial: Tensor
    log_initial: Tensor
    epsilon: Callable[[float], float]
    fields: Callable[[float, Tensor], PointFields] = field(repr=False)
    log_density: Callable[[float, Tensor], Tensor] = field(repr=False)
    form: str = "characteristics"

    def expected(
        self, answer: Any, times: Sequence[float], *increments: Tensor
    ) -> list[tuple[str, Any, tuple[int, ...]]]:
        """(name, value, shape) of every tensor in an answer, for the guard."""
        count = (len(self.initial),)
        if self.form == "feynman-kac":
            return [("log weights", answer, count)]
        pair = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
        return [("x", pair[0], tuple(self.initial.shape)), ("log density", pair[1], count)]
