"""Selftest: are the checks able to fail, and able to hold still? Kill rate over faults, false alarms over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from si_verify.case import Case
from si_verify.check import PROFILES, Check
from si_verify.faults.fault import Fault
from si_verify.gate import Verdict
from si_verify.plan import Settings, plan
from si_verify.record import Result

ALARMS = (Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.ERROR)


@dataclass(frozen=True)
class Kill:
    """One fault against one check that is meant to reject it.

    ``killed`` if a verdict failed on at least one problem; ``margin`` is the largest ratio of a failed measurement to
    its bound (infinite for a crash), ``problem`` where.
    """

    fault: str
    check: str
    killed: bool
    margin: float
    problem: str
    story: str
    cases: int


def fault_cases(
    faults: Iterable[Fault], checks: Mapping[str, Check], catalogue: Sequence, settings: Settings
) -> list[Case]:
    """Every fault under exactly the checks that must reject it, each in the first profile that has the check."""
    cases: list[Case] = []
    for fault in faults:
        by_profile: dict[str, list[Check]] = {}
        for check in (checks[name] for name in fault.caught_by):
            by_profile.setdefault(_first_profile(check, settings.profile), []).append(check)
        for profile, wanted in by_profile.items():
            at = replace(settings, profile=profile, problem_select=fault.problems or settings.problem_select)
            cases += plan([fault.subject], wanted, catalogue, at, brief=False)
    return cases


def _first_profile(check: Check, asked: str) -> str:
    later = PROFILES[PROFILES.index(asked) :]
    return next((profile for profile in later if check.problems[profile]), asked)


def _margin(result: Result) -> float:
    failed = [float(m.margin) for m in result.measurements if m.verdict is Verdict.FAILED]
    return max(failed, default=float("inf"))


def kills(faults: Iterable[Fault], results: Iterable[Result]) -> list[Kill]:
    """The kill table: one row for every fault and check."""
    by_pair: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        by_pair.setdefault((result.subject, result.check), []).append(result)
    table = []
    for fault in faults:
        for check in fault.caught_by:
            seen = by_pair.get((fault.name, check), [])
            failed = [r for r in seen if r.verdict is Verdict.FAILED]
            worst = max(failed, key=_margin, default=None)
            table.append(
                Kill(
                    fault=fault.name,
                    check=check,
                    killed=bool(failed),
                    margin=_margin(worst) if worst else 0.0,
                    problem=worst.problem if worst else "",
                    story=fault.story,
                    cases=len(seen),
                )
            )
    return table


def false_alarms(results: Iterable[Result]) -> list[Result]:
    """Results on right implementations that cry wolf."""
    return [r for r in results if r.verdict in ALARMS]
