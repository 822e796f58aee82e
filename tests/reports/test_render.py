"""The page's structure, without a browser: what a reader finds, and that nothing of a record becomes markup."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reports.embed import embed_json
from reports.pages import whole_command
from reports.render import render
from reports.summary import broke
from reports.wording import anchor, duration, number, printable, safe_link
from si_verify.gate import Verdict
from si_verify.record import Record, read_record
from tests.reports.builders import result, row
from tests.reports.synthetic import HOSTILE, hostile_results, record

ROOT = Path(__file__).resolve().parents[2]


class Parsed(HTMLParser):
    """Tags, script bodies and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else self._inside
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif not self._inside:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def embedded(self, name: str) -> Any:
        return json.loads(next(body for attrs, body in self.scripts if attrs.get("id") == name))


@pytest.fixture(scope="module")
def text() -> str:
    return render([record()])


@pytest.fixture(scope="module")
def parsed(text: str) -> Parsed:
    return Parsed(text)


def test_the_verdict_comes_first_and_every_part_follows_in_order(text: str) -> None:
    marks = ["<h1>", "What failed", "Unexpected passes", "Errors", "Inconclusive", "Expected failures", "Skipped",
             "Subjects and checks", 'id="pictures"', 'id="results"', "Machine, versions, evidence"]  # fmt: skip
    places = [text.index(m) for m in marks]
    assert places == sorted(places)


def test_the_headline_counts_what_failed(parsed: Parsed) -> None:
    results = record().results
    failed = sum(r.verdict is Verdict.FAILED for r in results)
    judged = sum(r.verdict is not Verdict.SKIPPED for r in results)
    assert f"{failed} of {judged} judged results failed" in parsed.words
    assert "at most 1e−6 for the whole run" in parsed.words
    assert "si-verify run --profile quick --device cpu" in parsed.words


def test_every_failure_has_its_reproduction_line_and_a_permalink(text: str) -> None:
    page = html.unescape(re.sub(r"</?span[^>]*>", "", text[: text.index('id="machine"')]))
    for r in record(hostile=False).results:
        if r.verdict is Verdict.FAILED:
            assert f"<code>{r.reproduce}</code>" in page, r.id
            assert f"#{anchor(r.id)}" in page, r.id


def test_expected_failures_and_skips_show_reason_and_link(parsed: Parsed) -> None:
    assert "SRK ignores the drift's time argument" in parsed.words
    assert "cupy is not installed: pip install cupy-cuda13x" in parsed.words
    assert "https://github.com/google-research/torchsde/issues/1" in {a.get("href") for t, a in parsed.tags if t == "a"}


def test_the_matrix_says_each_verdict_with_a_symbol_and_a_name(text: str) -> None:
    cells = re.findall(
        r'<a class="cell ([a-z_]+)" href="[^"]*" title="([^"]*)"><span aria-hidden="true">(.*?)</span>', text
    )
    assert {v for v, *_ in cells} == {str(v) for v in Verdict}
    assert len({symbol for *_, symbol in cells}) == len(Verdict)
    assert any("torchdiffeq/dopri8 on order: 3 failed" in title for _, title, _ in cells)


def test_every_picture_has_its_data_and_its_specification(parsed: Parsed) -> None:
    payload = parsed.embedded("payload")
    assert len(payload["plates"]) > 50
    for plate in payload["plates"]:
        assert plate["sheets"]
        for index, _, _ in plate["sheets"]:
            columns = parsed.embedded(f"d{index}")["columns"]
            assert columns
            assert len({len(c) for c in columns.values()}) == 1
        if "spec" in plate:
            assert "data" not in payload["specs"][plate["spec"]].get("datasets", {})
    drawn = {p["kind"] for p in payload["plates"] if "spec" in p}
    assert drawn >= {"convergence", "error-vs-t", "error-vs-tail", "tolerance", "density-1d", "trajectories-1d",
                     "density-2d", "trajectories-2d", "law"}  # fmt: skip


def test_a_specification_is_embedded_once_for_all_its_pictures(parsed: Parsed) -> None:
    payload = parsed.embedded("payload")
    assert len(payload["specs"]) < len(payload["plates"]) / 2


def test_nothing_of_a_hostile_record_becomes_markup(parsed: Parsed) -> None:
    assert not [a for t, a in parsed.tags if t == "img"]
    assert len([a for a, _ in parsed.scripts if a.get("type") != "application/json"]) == 2
    assert not [k for _, a in parsed.tags for k in a if k.startswith("on")]
    for _, attributes in parsed.tags:
        for name in ("href", "src"):
            assert re.match(r"https?://|#|data:,$", attributes.get(name) or "#"), attributes


def test_hostile_characters_are_shown_and_not_sent(text: str) -> None:
    visible = text[: text.index('id="payload"')]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", visible)
    assert html.escape(printable(HOSTILE[0]), quote=False) in visible


def test_the_policy_allows_exactly_the_two_scripts_of_the_page(parsed: Parsed) -> None:
    policy = next(a["content"] for t, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    bodies = [body for a, body in parsed.scripts if a.get("type") != "application/json"]
    for body in bodies:
        assert base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() in policy


def test_embedded_json_cannot_end_its_script() -> None:
    evil = "</script><!--&\u2028"
    assert not set("<>&\u2028") & set(embed_json([evil]))
    assert json.loads(embed_json([evil])) == [evil]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (record(results=[]), "Nothing was measured"),
        (record(results=[], planned=7), "7 of 7 planned cases have no result"),
        (record(hostile=False, planned=900), "of 900 planned cases have no result"),
        (record(hostile=False, damaged=3), "3 lines of the record could not be read and are left out"),
        (record(results=[result("c", "s", "p", Verdict.SKIPPED, "ode", reason="no GPU")]), "Nothing could be judged"),
        (record(results=[result("c", "s", "p", Verdict.ERROR, "ode", reason="boom")]), "1 error among 1 result"),
        (record(results=[result("c", "s", "p", Verdict.INCONCLUSIVE, "ode")]), "Nothing passed, nothing failed"),
        (record(results=[result("c", "s", "p", Verdict.PASSED, "ode")]), "The one result passed"),
        (record(results=[result("c", s, "p", Verdict.PASSED, "ode") for s in "ab"]), "All 2 results passed"),
        (record(results=[result("c", "s", "p", Verdict.PASSED, "ode")], planned=2), "No failure among the 1 result"),
        (record(results=[result("c", "s", "p", Verdict.UNEXPECTED_PASS, "ode")]), "1 unexpected pass among 1 result"),
    ],
)  # fmt: skip
def test_a_thin_record_gives_an_honest_page(made: Record, said: str) -> None:
    assert said in Parsed(render([made])).words


def test_no_record_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="records: expected at least one Record"):
        render([])


def test_two_records_share_one_page() -> None:
    words = Parsed(render([record(hostile=False), record(hostile=False)])).words
    assert "16 of 110 judged results failed" in words


def test_a_hostile_record_survives_the_disk_and_is_drawn_alike(tmp_path: Any) -> None:
    made = record(results=hostile_results())
    assert render([read_record(made.to_json(tmp_path / "record.jsonl"))]) == render([made])


def test_failing_measurements_are_listed_worst_first() -> None:
    rows = (
        row(name="mild", value=2.0, bound=1.0),
        row(name="wild", value=50.0, bound=1.0),
        row(name="fine", value=0.1, bound=1.0),
    )
    words = Parsed(render([record(results=[result("c", "s", "p", Verdict.FAILED, "ode", measurements=rows)])])).words
    assert words.index("wild: 50") < words.index("mild: 2")
    assert "fine: 0.1" not in words


def test_what_broke_stands_first_a_line_a_subject_with_its_most_telling_number() -> None:
    far = row(name="order", value=1.0, bound=4.0, relation="at_least")
    near = row(name="error", value=1.1, bound=1.0)
    nothing = row(name="gap", value=float("nan"), bound=1.0)
    results = [
        result("a", "solver", "p", Verdict.FAILED, "ode", measurements=(near,)),
        result("b", "solver", "p", Verdict.FAILED, "ode", measurements=(nothing, far)),
        result("c", "other", "p", Verdict.ERROR, "ode", reason="the check itself broke: boom"),
        result("c", "fine", "p", Verdict.PASSED, "ode"),
    ]
    assert [(b.result.subject, b.measurement and b.measurement.name, b.more) for b in broke(results)] == [
        ("solver", "order", 1),
        ("other", None, 0),
    ]
    words = Parsed(render([record(results=results)])).words
    marks = ["2 of 4 judged results failed", "order is 1 , expected ≥ 4", "b on p, float64", "and 1 more result",
             "the check itself broke: boom", "3 checks", "What failed"]  # fmt: skip
    places = [words.index(m) for m in marks]
    assert places == sorted(places)


def test_the_line_that_repeats_a_subject_is_its_own_without_the_selection() -> None:
    def line(command: str) -> str:
        return whole_command(result("c", "lib/s p", "p", Verdict.FAILED, "ode", reproduce=command))

    assert line("si-verify run --select 'check=c and subject=x' --dtype float32 --seed 3") == (
        "si-verify run --seed 3 --select 'subject=lib/s p'"
    )
    assert line("si-verify check ode a.py:f --order 2 --select check=c --seed 3") == (
        "si-verify check ode a.py:f --order 2 --seed 3"
    )
    for hostile in ("rm -rf / --select x", "si-verify run 'open quote", ""):
        assert line(hostile) == ""


def test_a_page_is_drawn_without_the_weight_of_what_measures() -> None:
    code = "import sys, reports.render, reports.still; print(*sorted({'torch', 'scipy.stats'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_only_plain_web_links_are_links() -> None:
    assert safe_link("https://example.org/a") == "https://example.org/a"
    for bad in ("javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "http://[", "https://a\x00b"):
        assert safe_link(bad) == ""


def test_numbers_and_times_read_well() -> None:
    assert number(1.23456e-7) == "1.235e−7"
    assert number(float("inf")) == "∞"
    assert number(None) == "–"
    assert [duration(s) for s in (0.25, 42.4, 200.0, 7300.0)] == ["0.25 s", "42 s", "3 min 20 s", "2 h 1 min"]
