"""Selections mean what they say."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from si_verify.select import SelectError, parse

LABELS = {
    "subject": ("torchdiffeq/rk4",), "check": ("ode-order",), "problem": ("bimodal-1d",), "kind": ("ode",),
    "family": ("mixtures",), "tag": {"1d", "order"}, "dtype": ("float64",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True), ("ode", True), ("sde", False), ("torchdiffeq/*", True), ("*rk4", True), ("1d", True),
        ("subject=ode-order", False), ("check=ode-order", True), ("tag=order and kind=ode", True),
        ("sde or ode", True), ("sde, ode", True), ("sde,field", False), ("not sde", True), ("not (sde or ode)", False),
        ("not not ode", True), ("sde and sde or ode", True), ("sde and (sde or ode)", False),
    ],
)  # fmt: skip
def test_expressions(expression, expected):
    assert parse(expression)(LABELS) is expected


@pytest.mark.parametrize("expression", ["and", "a or", "(a", "a)", "a b", "not", "colour=red", ",", "()"])
def test_what_does_not_parse_is_said_so(expression):
    with pytest.raises(SelectError, match="select"):
        parse(expression)


@given(st.text(max_size=40))
def test_any_text_either_parses_or_raises_its_own_error(text):
    with contextlib.suppress(SelectError):
        parse(text)(LABELS)
