"""Gate: from measurements to verdicts, and from verdicts to an exit code. Pure functions, no measuring."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum, StrEnum

from si_verify.measurement import Measurement


class Verdict(StrEnum):
    """``expected_failure`` carries a reason and a link; ``unexpected_pass`` is a strict mark that outlived its bug."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"
    ERROR = "error"
    EXPECTED_FAILURE = "expected_failure"
    UNEXPECTED_PASS = "unexpected_pass"


class Exit(IntEnum):
    """Exit codes of the command line (INTERFACE)."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    UNMEASURED = 4
    NOTHING = 5
    INTERNAL = 70


def judge(m: Measurement) -> Verdict | None:
    """Verdict on one measurement; None if it is only shown.

    Fails iff every value in the interval violates the bound. NaN violates everything. Within the bound, an interval
    wider than ``resolution``, or a ``detectable`` effect wider than it, decides nothing.
    """
    if m.bound is None:
        return None
    if math.isnan(m.value):
        return Verdict.FAILED
    low, high = m.interval if m.interval is not None else (m.value, m.value)
    if math.isnan(m.bound) or math.isnan(low) or math.isnan(high):
        return Verdict.INCONCLUSIVE
    violated = low > m.bound if m.relation == "at_most" else high < m.bound
    if violated:
        return Verdict.FAILED
    blind = m.resolution is not None and (
        high - low > m.resolution or (m.detectable is not None and m.detectable > m.resolution)
    )
    return Verdict.INCONCLUSIVE if blind else Verdict.PASSED


def judge_all(measurements: Iterable[Measurement]) -> Verdict:
    """The worst verdict; a case that judged nothing is inconclusive, never a pass."""
    verdicts = [v for v in map(judge, measurements) if v is not None]
    if Verdict.FAILED in verdicts:
        return Verdict.FAILED
    if not verdicts or Verdict.INCONCLUSIVE in verdicts:
        return Verdict.INCONCLUSIVE
    return Verdict.PASSED


def margin(m: Measurement) -> float:
    """How far inside (< 1) or outside (> 1) its bound a measurement lies: a ratio for tables, NaN if not judged."""
    if m.bound is None:
        return math.nan
    over, under = (m.value, m.bound) if m.relation == "at_most" else (m.bound, m.value)
    if under <= 0:
        return 0.0 if over <= under else math.inf
    return over / under


def exit_code(verdicts: Iterable[Verdict], strict: bool = False) -> Exit:
    """The run's exit code: errors of the suite itself outrank nothing measured, failures outrank all."""
    seen = set(verdicts)
    if not seen:
        return Exit.NOTHING
    if seen & {Verdict.FAILED, Verdict.UNEXPECTED_PASS}:
        return Exit.FAILED
    if Verdict.ERROR in seen or seen == {Verdict.SKIPPED}:
        return Exit.UNMEASURED
    if strict and Verdict.INCONCLUSIVE in seen:
        return Exit.INCONCLUSIVE
    return Exit.PASSED
