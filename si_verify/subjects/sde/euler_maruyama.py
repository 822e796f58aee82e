"""Euler–Maruyama (Kloeden & Platen, Numerical Solution of SDEs, section 10.2).

    X' = X + f(t, X) h + g(t, X) ΔW        g diagonal (N, D), or a matrix (N, D, M)

Weak order 1 always; strong order 1 where the noise is additive, ½ elsewhere. Itô.
"""

from __future__ import annotations

from itertools import pairwise

import torch

from si_verify.subject import Claims, Subject


def solve(drift, diffusion, x0, times, brownian):  # type: ignore[no-untyped-def]
    """One evaluation of each coefficient a step."""
    x = x0
    for t, s in pairwise(times.tolist()):
        g, dw = diffusion(t, x), brownian(t, s)
        noise = g * dw if g.ndim == 2 else torch.einsum("ndm,nm->nd", g, dw)
        x = x + drift(t, x) * (s - t) + noise
    return x


SUBJECT = Subject(
    name="torch/euler-maruyama",
    kind="sde",
    load=lambda: solve,
    claims=Claims(
        weak_order=1.0,
        strong_order=1.0,
        evaluations_per_step=1,
        noise=frozenset({"additive", "diagonal", "scalar", "general"}),
        extra={"strong_order": {"diagonal": 0.5, "scalar": 0.5, "general": 0.5}},
    ),
    tags=frozenset({"torch", "ito"}),
    modules=(__name__,),
    dtypes=("float64", "float32"),
    summary="Euler–Maruyama, any noise",
)
