"""Faults and checks as a whole: no check without a fault that it must reject, and none beyond the check's reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest

from analytic import problems
from si_verify import discovery
from si_verify.faults.fault import Fault
from si_verify.plan import Settings
from si_verify.selftest import fault_cases

FAULTS = list(discovery.faults().values())


def without_fault(checks: Collection[str], faults: Iterable[Fault]) -> list[str]:
    """The checks which no fault says that they must reject it."""
    return sorted(set(checks) - {name for fault in faults for name in fault.caught_by})


def test_every_check_has_a_seeded_fault_that_it_must_reject() -> None:
    assert without_fault(discovery.checks(), FAULTS) == []


def test_a_check_that_lost_its_last_fault_is_named() -> None:
    left = [fault for fault in FAULTS if "ode-trajectories" not in fault.caught_by]
    assert without_fault(discovery.checks(), left) == ["ode-trajectories"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name.removeprefix("fault/"))
def test_every_check_named_by_a_fault_has_a_case_on_it(fault: Fault) -> None:
    """Applies, claims, precisions and profiles leave something to run: a pair without a case could not be killed."""
    cases = fault_cases([fault], discovery.checks(), problems.all(), Settings())
    assert {case.check for case in cases} == set(fault.caught_by)
