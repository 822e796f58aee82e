"""The page of samplers: a row each, sorted by error, escaped; and the picture of error against work."""

from __future__ import annotations

import math

import pytest

from reports import gallery
from reports.leaderboard import leaderboard
from reports.render import render
from si_verify.gate import Verdict
from si_verify.record import DataRow, MeasurementRow, Record, Result
from tests.reports.builders import result
from tests.reports.synthetic import record


def work(subject: str, error: float, verdict: Verdict = Verdict.PASSED) -> Result:
    data = DataRow(
        kind="work-precision",
        title="Error against evaluations of the model",
        columns={"nfe": [5.0, 90.0], "seconds": [0.1, 0.2], "error_w2": [1.0, error], "error_rms": [None, None]},
        meta={},
    )
    found = result("sampler-work-precision", subject, "p", verdict, "sampler", data=(data,))
    return found.model_copy(update={"claims": {"order": 2.0}})


def order(subject: str, value: float, verdict: Verdict, reason: str = "") -> Result:
    found = result("sampler-order", subject, "p", verdict, "sampler")
    row = MeasurementRow(name="order of the path", value=value, bound=2.0, interval=(value - 0.1, value + 0.1))
    return found.model_copy(update={"measurements": (row,), "reason": reason, "link": "docs/findings/x.md#y"})


def test_a_row_per_sampler_the_smallest_error_first() -> None:
    rows = leaderboard(
        [work("b", 0.5), order("b", 1.0, Verdict.FAILED, "too low"), work("a", 0.1), work("c", math.nan)]
    )
    assert [r.subject for r in rows] == ["a", "b", "c"]
    b = rows[1]
    assert (b.claimed.text, b.observed.text, b.errors[-1].text) == ("2", "1.00 (0.90 to 1.10)", "0.5")
    assert (b.verdict, b.reason, b.link) == (Verdict.FAILED, "too low", "docs/findings/x.md#y")
    assert rows[0].observed.text == rows[0].errors[1].text == "–"


def _page(results: list[Result]) -> str:
    given: Record = record()
    return render([given.model_copy(update={"results": tuple(results)})])


def test_the_page_has_the_table_only_where_there_are_samplers_and_escapes_it() -> None:
    html = _page([work("<b>bad</b>", 0.5), order("<b>bad</b>", 1.0, Verdict.FAILED, "<i>why</i>")])
    assert 'id="leaderboard"' in html
    assert "data-sortable" in html
    assert "&lt;i&gt;why&lt;/i&gt;" in html
    assert "<i>why</i>" not in html
    assert 'id="leaderboard"' not in _page([result("c", "s", "p", Verdict.PASSED, "ode")])


def test_error_against_work_is_drawn_with_a_choice_of_measure_and_work() -> None:
    built = gallery.build([work("a", 0.1), work("b", 0.2)])
    (section,) = built.sections
    plate = built.plates[section["plates"][0]]
    names = {p["name"] for p in built.specs[plate["spec"]]["params"]}
    assert {"measure", "work"} <= names
    assert [s[1] for s in plate["sheets"]] == ["a", "b"]


@pytest.mark.parametrize("column", ["nfe", "error_w2"])
def test_without_its_columns_it_is_a_table(column: str) -> None:
    bad = work("a", 0.1)
    columns = {k: v for k, v in bad.data[0].columns.items() if k != column}
    bad = bad.model_copy(update={"data": (bad.data[0].model_copy(update={"columns": columns}),)})
    assert gallery.build([bad]).sections == []
