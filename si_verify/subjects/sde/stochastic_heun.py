"""Stochastic Heun: trapezoidal drift and noise from one predictor (Rümelin, SIAM J. Numer. Anal. 19, 1982).

    X* = X + f(t, X) h + g(t, X) ΔW
    X' = X + ½ [f(t, X) + f(s, X*)] h + ½ [g(t, X) + g(s, X*)] ΔW

Converges to the Stratonovich solution; where the noise is additive that is the Itô one. Strong order 1 for additive
and commutative noise, ½ in general; weak order 1 is claimed although its drift is of order 2.
"""

from __future__ import annotations

from itertools import pairwise

import torch

from si_verify.subject import Claims, Subject


def solve(drift, diffusion, x0, times, brownian):  # type: ignore[no-untyped-def]
    """Two evaluations of each coefficient a step."""
    x = x0
    for t, s in pairwise(times.tolist()):
        h, dw = s - t, brownian(t, s)
        f, g = drift(t, x), diffusion(t, x)
        x_star = x + f * h + _apply(g, dw)
        x = x + 0.5 * h * (f + drift(s, x_star)) + 0.5 * _apply(g + diffusion(s, x_star), dw)
    return x


def _apply(g: torch.Tensor, dw: torch.Tensor) -> torch.Tensor:
    return g * dw if g.ndim == 2 else torch.einsum("ndm,nm->nd", g, dw)


SUBJECT = Subject(
    name="torch/stochastic-heun",
    kind="sde",
    load=lambda: solve,
    claims=Claims(
        weak_order=1.0,
        strong_order=1.0,
        evaluations_per_step=2,
        interpretation="stratonovich",
        noise=frozenset({"additive", "diagonal", "scalar", "general"}),
        extra={"strong_order": {"general": 0.5}},
    ),
    tags=frozenset({"torch", "stratonovich"}),
    modules=(__name__,),
    dtypes=("float64", "float32"),
    summary="stochastic Heun (Stratonovich), any noise",
)
