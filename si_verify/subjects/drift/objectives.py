"""The four objectives with antithetic pairs."""

from __future__ import annotations

from si_verify.learning.guard import Objective
from si_verify.learning.objectives import QUANTITIES, QuadraticObjective
from si_verify.subject import Claims, Subject


def _subject(quantity: str) -> Subject:
    return Subject(
        name=f"drift/objective-{quantity.replace('_', '-')}",
        kind="drift",
        load=lambda: Objective(QuadraticObjective(quantity)),
        claims=Claims(quantities=(quantity,), extra={"form": "objective"}),
        tags=frozenset({"objective"}),
        modules=("si_verify.learning.objectives",),
        summary=f"objective of the {quantity.replace('_', ' ')}, antithetic pairs",
    )


SUBJECTS = tuple(_subject(quantity) for quantity in QUANTITIES)
