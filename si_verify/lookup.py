"""Lookup: from the names in a case to the objects, in whichever process the case runs."""

from __future__ import annotations

from collections.abc import Mapping

from si_verify.case import Case
from si_verify.check import Check
from si_verify.subject import Subject


def find_subject(case: Case, overlay: Mapping[str, Subject]) -> Subject:
    """The case's subject: one handed in directly, a user's target, a seeded fault, or a built-in one."""
    if case.subject in overlay:
        return overlay[case.subject]
    if case.target is not None:
        from si_verify.targets import load_target

        return load_target(case.target)
    from si_verify import discovery

    if case.subject.startswith("fault/"):
        return discovery.faults()[case.subject].subject
    return discovery.subjects()[case.subject]


def find_check(case: Case) -> Check:
    from si_verify import discovery

    return discovery.checks()[case.check]
