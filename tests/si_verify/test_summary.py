"""The summary for GitHub: a picture that GitHub draws, and no text of a record inside it."""

from __future__ import annotations

import json
import re

import pytest

from si_verify.gate import Verdict
from si_verify.record import Record
from si_verify.summary import markdown, pie
from tests.reports.builders import header, result, row
from tests.reports.synthetic import HOSTILE, hostile_results


def summary(*verdicts: Verdict) -> str:
    results = [result("c", f"s{i}", "p", v, "ode") for i, v in enumerate(verdicts)]
    return markdown(Record(header=header(len(results)), results=tuple(results)))


def block(text: str) -> str:
    (found,) = re.findall(r"^```mermaid\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)
    return found


def test_the_picture_counts_every_verdict_largest_first() -> None:
    drawn = block(summary(Verdict.FAILED, *[Verdict.PASSED] * 5, Verdict.UNEXPECTED_PASS, Verdict.UNEXPECTED_PASS))
    assert re.findall(r'"([a-z ]+)" : (\d+)', drawn) == [("passed", "5"), ("unexpected pass", "2"), ("failed", "1")]
    assert "8 results" in drawn


def test_colours_follow_the_order_of_size_as_mermaid_gives_them() -> None:
    drawn = pie("x", [("failed", 1, "#f00"), ("none", 0, "#00f"), ("passed", 9, "#0f0")])
    theme = json.loads(re.search(r"%%\{init: (.*)\}%%", drawn).group(1))  # type: ignore[union-attr]
    assert theme["themeVariables"]["pie1"] == "#0f0"
    assert theme["themeVariables"]["pie2"] == "#f00"
    assert "none" not in drawn


def test_how_far_outside_its_bound_is_a_bar() -> None:
    def line(value: float) -> str:
        bad = result("c", "s", "p", Verdict.FAILED, "ode", measurements=(row(name="x", value=value, bound=1.0),))
        return markdown(Record(header=header(1), results=(bad,))).splitlines()[-1]

    lengths = [line(v).count("█") for v in (1.1, 2.0, 8.0, 1e9, float("nan"))]
    assert lengths == [1, 2, 4, 12, 12]
    assert "8×" in line(8.0)


def test_an_empty_record_has_no_picture() -> None:
    assert "mermaid" not in summary()


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_hostile_record_is_markup_or_leaves_its_cell(text: str) -> None:
    made = markdown(Record(header=header(5), results=tuple(hostile_results())))
    assert "<script" not in made
    assert "<img" not in made
    table = [x for x in made.splitlines() if x.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", x)) for x in table} == {6}
    assert text not in block(made)
