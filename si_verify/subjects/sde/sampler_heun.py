"""The interpolant's own samplers: drift built from velocity and score (arXiv:2303.08797, equations 2.33 and 2.35).

    forward    dX = [b + ε s] dt + √(2ε) dW,      backward    dX = [b − ε s] dt + √(2ε) dW_B,  dt < 0

Heun's rule on the drift and the trapezoidal rule on √(2ε): additive noise, so Itô and Stratonovich agree.
Interface "fields": ``solve(velocity, score, epsilon, x0, times, brownian)``.
"""

from __future__ import annotations

from itertools import pairwise

from si_verify.subject import Claims, Subject


def solve(velocity, score, epsilon, x0, times, brownian):  # type: ignore[no-untyped-def]
    """Two evaluations of each field a step."""
    x = x0
    for t, s in pairwise(times.tolist()):
        h = s - t
        sign = 1.0 if h > 0 else -1.0
        noise = 0.5 * ((2.0 * epsilon(t)) ** 0.5 + (2.0 * epsilon(s)) ** 0.5) * brownian(t, s)
        f = velocity(t, x) + sign * epsilon(t) * score(t, x)
        x_star = x + h * f + noise
        x = x + 0.5 * h * (f + velocity(s, x_star) + sign * epsilon(s) * score(s, x_star)) + noise
    return x


SUBJECT = Subject(
    name="torch/fields-heun",
    kind="sde",
    load=lambda: solve,
    claims=Claims(weak_order=2.0, strong_order=1.0, evaluations_per_step=2, extra={"interface": "fields"}),
    tags=frozenset({"torch", "fields"}),
    modules=(__name__,),
    dtypes=("float64", "float32"),
    summary="Heun for b ± ε s: builds its drift from velocity and score",
)
