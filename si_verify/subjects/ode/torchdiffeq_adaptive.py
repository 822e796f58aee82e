"""The adaptive methods of torchdiffeq, each twice: as is, and with a step forced to end at the requested times.

As is, the answer at a requested time is interpolated between two accepted steps; with ``step_t`` a step ends there.
"""

from __future__ import annotations

from si_verify.subject import Claims, Subject
from si_verify.subjects.ode.torchdiffeq_adapter import MODULES, load_adaptive

# Order of the advancing formula and evaluations of an accepted or rejected step (first same as last counted once).
METHODS = {"adaptive_heun": (2.0, 1), "fehlberg2": (2.0, 2), "bosh3": (3.0, 3), "dopri5": (5.0, 6), "dopri8": (8.0, 13)}


def _subject(method: str, step_at_end: bool) -> Subject:
    order, stages = METHODS[method]
    how = "a step forced to end at the requested time" if step_at_end else "interpolated at the requested time"
    return Subject(
        name=f"torchdiffeq/{method}-step-at-end" if step_at_end else f"torchdiffeq/{method}",
        kind="ode",
        load=load_adaptive(method, step_at_end),
        claims=Claims(order=order, adaptive=True, evaluations_per_step=stages),
        tags=frozenset({"torchdiffeq", "adaptive"}),
        modules=MODULES,
        dtypes=("float64", "float32"),
        summary=f"torchdiffeq {method}, {how}",
    )


SUBJECTS = tuple(_subject(method, forced) for method in METHODS for forced in (False, True))
