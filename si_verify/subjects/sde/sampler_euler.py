"""Euler–Maruyama on a drift built from velocity and score (arXiv:2303.08797, equations 2.33 and 2.35).

    X' = X + [b ± ε s](t, X) h + √(2ε(t)) ΔW,    + forward, − backward (h < 0)

Interface "fields": ``solve(velocity, score, epsilon, x0, times, brownian)``.
"""

from __future__ import annotations

from itertools import pairwise

from si_verify.subject import Claims, Subject


def solve(velocity, score, epsilon, x0, times, brownian):  # type: ignore[no-untyped-def]
    """One evaluation of each field a step."""
    x = x0
    for t, s in pairwise(times.tolist()):
        h, eps = s - t, epsilon(t)
        drift = velocity(t, x) + (eps if h > 0 else -eps) * score(t, x)
        x = x + h * drift + (2.0 * eps) ** 0.5 * brownian(t, s)
    return x


SUBJECT = Subject(
    name="torch/fields-euler",
    kind="sde",
    load=lambda: solve,
    claims=Claims(weak_order=1.0, strong_order=1.0, evaluations_per_step=1, extra={"interface": "fields"}),
    tags=frozenset({"torch", "fields"}),
    modules=(__name__,),
    dtypes=("float64", "float32"),
    summary="Euler–Maruyama for b ± ε s: builds its drift from velocity and score",
)
