"""Log-density along SDE paths: the two schemes of ``si_verify/density/ito.py``."""

from __future__ import annotations

from si_verify.density.ito import solve_ito, solve_trapezoid
from si_verify.subject import Claims, Subject


def _subject(name: str, solve: object, order: float, summary: str) -> Subject:
    return Subject(
        name=name,
        kind="pde",
        load=lambda: solve,
        claims=Claims(order=order, extra={"form": "ito", "equations": ("fokker-planck",)}),
        tags=frozenset({"particles", "stochastic"}),
        modules=("si_verify.density.ito",),
        summary=summary,
    )


SUBJECTS = (
    _subject("pde/ito-euler", solve_ito, 0.5, "log-density along SDE paths, Itô formula with Euler–Maruyama"),
    _subject("pde/ito-trapezoid", solve_trapezoid, 1.0, "log-density along SDE paths, trapezoidal rule"),
)
