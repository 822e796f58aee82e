"""The fixed-step Runge–Kutta methods of torchdiffeq, each with the order its class declares (``fixed_grid.py``)."""

from __future__ import annotations

from si_verify.subject import Claims, Subject
from si_verify.subjects.ode.torchdiffeq_adapter import MODULES, load_fixed


def _subject(method: str, order: float, stages: int) -> Subject:
    return Subject(
        name=f"torchdiffeq/{method}",
        kind="ode",
        load=load_fixed(method),
        claims=Claims(order=order, evaluations_per_step=stages),
        tags=frozenset({"torchdiffeq", "fixed-step"}),
        modules=MODULES,
        dtypes=("float64", "float32"),
        summary=f"torchdiffeq {method}, one step between consecutive times, order {order:g}",
    )


SUBJECTS = (
    _subject("euler", 1.0, 1),
    _subject("midpoint", 2.0, 2),
    _subject("heun2", 2.0, 2),
    _subject("heun3", 3.0, 3),
    _subject("rk4", 4.0, 4),
)
