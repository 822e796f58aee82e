"""A verdict follows from the measurement alone, and nothing undecided ever passes."""

from __future__ import annotations

import math

import pytest

from si_verify.gate import Exit, Verdict, exit_code, judge, judge_all, margin
from si_verify.measurement import Data, Measurement


@pytest.mark.parametrize(
    ("value", "bound", "relation", "expected"),
    [
        (1.0, 2.0, "at_most", Verdict.PASSED),
        (2.0, 2.0, "at_most", Verdict.PASSED),
        (2.1, 2.0, "at_most", Verdict.FAILED),
        (2.1, 2.0, "at_least", Verdict.PASSED),
        (1.9, 2.0, "at_least", Verdict.FAILED),
        (math.nan, 2.0, "at_most", Verdict.FAILED),
        (math.nan, 2.0, "at_least", Verdict.FAILED),
        (math.inf, 2.0, "at_most", Verdict.FAILED),
        (1.0, math.nan, "at_most", Verdict.INCONCLUSIVE),
    ],
)
def test_a_point_is_judged_by_its_bound(value, bound, relation, expected):
    assert judge(Measurement("m", value, bound, relation)) is expected


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((1.9, 2.1), Verdict.PASSED),
        ((2.05, 2.1), Verdict.PASSED),
        ((1.7, 1.95), Verdict.FAILED),
        ((1.4, 2.1), Verdict.INCONCLUSIVE),
        ((-math.inf, math.inf), Verdict.INCONCLUSIVE),
    ],
)
def test_a_claim_fails_only_if_the_whole_interval_violates_it_and_passes_only_if_it_decides(interval, expected):
    order = Measurement("order", 2.0, 2.0, "at_least", "truncation", interval=interval, resolution=0.5)
    assert judge(order) is expected


def test_a_test_that_could_not_have_seen_the_effect_is_inconclusive():
    blind = Measurement("shift", 0.0, 0.5, origin="sampling", detectable=0.6, resolution=0.1)
    assert judge(blind) is Verdict.INCONCLUSIVE


def test_judging_nothing_is_not_a_pass():
    assert judge_all([]) is Verdict.INCONCLUSIVE
    assert judge_all([Measurement("shown", 1.0)]) is Verdict.INCONCLUSIVE


def test_the_worst_measurement_decides():
    good, bad = Measurement("a", 1.0, 2.0), Measurement("b", 3.0, 2.0)
    wide = Measurement("c", 2.0, 2.0, "at_least", interval=(0.0, 9.0), resolution=1.0)
    assert judge_all([good, wide, bad]) is Verdict.FAILED
    assert judge_all([good, wide]) is Verdict.INCONCLUSIVE
    assert judge_all([good]) is Verdict.PASSED


def test_margin_is_above_one_exactly_when_a_point_fails():
    assert margin(Measurement("a", 3.0, 2.0)) == 1.5
    assert margin(Measurement("a", 3.0, 6.0, "at_least")) == 2.0
    assert margin(Measurement("a", 0.0, 0.0)) == 0.0
    assert margin(Measurement("a", 1e-9, 0.0)) == math.inf


@pytest.mark.parametrize(
    ("verdicts", "strict", "expected"),
    [
        ([], False, Exit.NOTHING),
        ([Verdict.PASSED], False, Exit.PASSED),
        ([Verdict.PASSED, Verdict.SKIPPED, Verdict.EXPECTED_FAILURE], False, Exit.PASSED),
        ([Verdict.PASSED, Verdict.FAILED, Verdict.ERROR], False, Exit.FAILED),
        ([Verdict.PASSED, Verdict.UNEXPECTED_PASS], False, Exit.FAILED),
        ([Verdict.PASSED, Verdict.INCONCLUSIVE], False, Exit.PASSED),
        ([Verdict.PASSED, Verdict.INCONCLUSIVE], True, Exit.INCONCLUSIVE),
        ([Verdict.PASSED, Verdict.ERROR], False, Exit.UNMEASURED),
        ([Verdict.SKIPPED], False, Exit.UNMEASURED),
    ],
)
def test_exit_codes_are_those_of_the_interface(verdicts, strict, expected):
    assert exit_code(verdicts, strict) is expected


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="columns"):
        Data("convergence", "t", {"a": [1], "b": [1, 2]})


@pytest.mark.parametrize(
    ("value", "bound", "relation", "expected"),
    [
        (2.0, 1.0, "at_most", 2.0),
        (0.5, 2.0, "at_least", 4.0),
        (-3.0, 2.0, "at_least", math.inf),  # an order below zero: no ratio says how far outside
        (0.0, 0.0, "at_most", 0.0),
        (1e-30, 0.0, "at_most", math.inf),
    ],
)
def test_a_margin_above_one_is_outside_and_never_negative(value, bound, relation, expected):
    assert margin(Measurement("m", value, bound, relation)) == expected
