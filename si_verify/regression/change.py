"""Change: one thing that differs between base and head, and whether it turns the gate red."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from si_verify.gate import Exit


class Kind(StrEnum):
    """``failed`` is wrong by its own bound, ``lost`` was judged before and is no more, ``error`` is the suite's own."""

    FAILED = "failed"
    LOST = "lost"
    WORSE = "worse"
    SLOWER = "slower"
    ERROR = "error"
    AMBIGUOUS = "ambiguous"
    SAME = "same"
    BETTER = "better"
    FASTER = "faster"
    NEW = "new"


RED = (Kind.FAILED, Kind.LOST, Kind.WORSE, Kind.SLOWER)


@dataclass(frozen=True)
class Change:
    """``ratio`` is head over base of ``quantity``; ``interval`` what the data cannot exclude of it; ``count`` how many
    numbers were compared to find it."""

    kind: Kind
    id: str
    quantity: str = ""
    base: float = math.nan
    head: float = math.nan
    ratio: float = math.nan
    interval: tuple[float, float] | None = None
    why: str = ""
    reproduce: str = ""
    count: int = 1


def exit_of(changes: Iterable[Change], strict: bool = False) -> Exit:
    """Red fails; an error could not be measured; nothing compared is said; ambiguous is inconclusive when strict."""
    seen = {c.kind for c in changes}
    if not seen:
        return Exit.NOTHING
    if seen & set(RED):
        return Exit.FAILED
    if Kind.ERROR in seen:
        return Exit.UNMEASURED
    if strict and Kind.AMBIGUOUS in seen:
        return Exit.INCONCLUSIVE
    return Exit.PASSED
