"""Marks of known shortfalls: what they excuse and what they do not."""

from __future__ import annotations

import pytest

from si_verify.case import Case
from si_verify.execute import _mark
from si_verify.gate import Verdict
from si_verify.subject import ExpectedFailure, Subject

CASE = Case("c", "s", "p", "float64", "cpu", 0, "quick", 0.0)


def marked(verdict: Verdict, strict: bool, problem: str = "p") -> Verdict:
    mark = ExpectedFailure("c", "known", "docs/findings.md#x", problem=problem, strict=strict)
    return _mark(Subject("s", "ode", lambda: None, expected_failures=(mark,)), CASE, verdict, "why")[0]


@pytest.mark.parametrize("strict", [True, False])
def test_a_failure_is_excused_where_the_mark_covers_it_and_nowhere_else(strict):
    assert marked(Verdict.FAILED, strict) is Verdict.EXPECTED_FAILURE
    assert marked(Verdict.FAILED, strict, problem="other") is Verdict.FAILED


def test_a_strict_mark_cannot_outlive_its_bug_and_leaves_what_is_open_open():
    assert marked(Verdict.PASSED, True) is Verdict.UNEXPECTED_PASS
    assert marked(Verdict.INCONCLUSIVE, True) is Verdict.INCONCLUSIVE


def test_where_a_subject_may_pass_it_may_be_left_open():
    assert marked(Verdict.PASSED, False) is Verdict.PASSED
    assert marked(Verdict.INCONCLUSIVE, False) is Verdict.EXPECTED_FAILURE


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.SKIPPED])
def test_an_error_of_the_suite_and_a_skip_stay_what_they_are(verdict, strict):
    assert marked(verdict, strict) is verdict
