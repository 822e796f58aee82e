"""One wrong ODE solver as a Fault, under the claims of its right twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from si_verify.faults.fault import Fault
from si_verify.subject import Claims, Subject


def ode_fault(
    name: str,
    solve: Callable[..., Any],
    claims: Claims,
    caught_by: tuple[str, ...],
    story: str,
    source: str,
    tags: frozenset[str] = frozenset(),
) -> Fault:
    """The fault ``fault/ode-<name>``; ``solve`` has the interface of an ODE subject.

    ``tags``: what lets a check that looks at some subjects only look at this one.
    """
    subject = Subject(
        name=f"fault/ode-{name}",
        kind="ode",
        load=lambda: solve,
        claims=claims,
        tags=frozenset({"fault"}) | tags,
        modules=(solve.__module__,),
        dtypes=("float64",),
        summary=story,
    )
    return Fault(subject, caught_by, story, source)
