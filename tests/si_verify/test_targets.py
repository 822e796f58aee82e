"""A user's function in any of its forms becomes a subject, or a clear error."""

from __future__ import annotations

import pytest

from si_verify.case import Target
from si_verify.subject import SubjectError
from si_verify.targets import (
    TargetError,
    field_builder,
    load_object,
    load_target,
    parse_claim,
    subject_of,
    validate_spec,
)


@pytest.mark.parametrize("spec", ["nothing", ":f", "module:", "no/such/file.py:f"])
def test_a_target_that_cannot_be_meant_is_refused(spec):
    with pytest.raises(TargetError, match="TARGET"):
        validate_spec(spec)


def test_a_file_is_imported_with_its_own_folder_on_the_path(tmp_path):
    (tmp_path / "neighbour_of_target.py").write_text("VALUE = 7\n")
    (tmp_path / "mine.py").write_text("from neighbour_of_target import VALUE\nclass A:\n    value = VALUE\n")
    assert load_object(f"{tmp_path}/mine.py:A.value") == 7


@pytest.mark.parametrize("body", ["import no_such_module_anywhere", "1/0", "x = 1"])
def test_a_target_that_does_not_load_is_the_subjects_failure(tmp_path, body):
    (tmp_path / "broken.py").write_text(body + "\n")
    subject = load_target(Target("ode", f"{tmp_path}/broken.py:solve", (("order", 2.0),)))
    assert subject.claims.order == 2.0
    with pytest.raises(SubjectError, match="could not be loaded"):
        subject.load()


def test_the_three_forms_of_a_field_are_told_apart():
    forms = (
        lambda t, x: ("pair", t, x),
        lambda interpolant: lambda t, x: ("made for", interpolant, t, x),
        lambda interpolant, dtype, device: {"score": lambda t, x: ("built", interpolant, dtype, device)},
    )
    answers = [field_builder(f, "score")("I", "d", "v")["score"](0.5, "x") for f in forms]
    assert answers == [("pair", 0.5, "x"), ("made for", "I", 0.5, "x"), ("built", "I", "d", "v")]


def test_an_unknown_claim_is_named():
    with pytest.raises(ValueError, match="speed"):
        subject_of("s", "ode", lambda: None, {"speed": 3})


def test_reproduction_states_every_claim_again():
    target = Target("sde", "my file.py:solve", (("weak_order", 1.0), ("adaptive", True)))
    assert target.options() == ["--weak-order", "1.0", "--adaptive"]


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("conservative=true", ("conservative", True)),
        ("dims=1,2", ("dims", (1, 2))),
        ("jump-from=0.02", ("jump_from", 0.02)),
        ("form=points", ("form", "points")),
    ],
)
def test_a_claim_is_read_and_its_reproduction_line_reads_back_the_same(text, claim):
    assert parse_claim(text) == claim
    words = Target("pde", "m:f", (claim,)).options()
    assert words[0] == "--claim"
    assert parse_claim(words[1]) == claim


@pytest.mark.parametrize("text", ["conservative", "=1"])
def test_a_claim_without_key_or_value_is_a_usage_error(text):
    with pytest.raises(TargetError, match="KEY=VALUE"):
        parse_claim(text)


@pytest.mark.parametrize(
    ("kind", "claims", "message"),
    [
        ("sampler", (("prediction", "dat"),), "prediction"),
        ("sampler", (("colour", "red"),), "colour"),
        ("pde", (("form", "wavelets"),), "form"),
        ("ode", (("prediction", "data"),), "prediction"),
    ],
)
def test_a_claim_that_cannot_be_meant_names_itself(kind, claims, message):
    with pytest.raises(TargetError, match=message):
        load_target(Target(kind, "m:f", claims))
