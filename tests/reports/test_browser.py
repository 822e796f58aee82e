"""The page in headless Chromium: silent on network and console, drawn in light and dark, usable by keyboard."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from reports.render import render
from si_verify.gate import Verdict
from tests.reports.browser import Page
from tests.reports.builders import result
from tests.reports.synthetic import record
from tests.reports.synthetic_data import two_dimensions
from tests.reports.synthetic_many import commits, many

FAILED = "order/torchdiffeq/dopri8/ring-2d/float64"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render([record()]), encoding="utf-8")
    return path


def fresh(page: Page) -> Page:
    page.requests.clear()
    page.complaints.clear()
    return page


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 390)])
def test_every_picture_is_drawn_with_no_request_no_complaint_and_nothing_too_wide(
    page: Page, report: Path, tmp_path: Path, dark: bool, width: int
) -> None:
    fresh(page).open(report, width=width, dark=dark)
    page.draw_everything()
    assert page.js("document.querySelectorAll('.chart').length") > 20
    undrawn = ".filter((c) => c.dataset.drawn !== 'true' || !c.querySelector('svg, canvas')).map((c) => c.textContent)"
    assert page.js("[...document.querySelectorAll('.chart')]" + undrawn) == []
    assert page.js("document.documentElement.scrollWidth") <= width
    page.screenshot(shot := tmp_path / "shot.png")
    assert struct.unpack(">I", shot.read_bytes()[16:20])[0] >= width
    assert [u for u in page.requests if u not in ("about:blank", report.as_uri(), "data:,")] == []
    assert page.complaints == []


def test_the_policy_stops_a_request_that_the_counter_would_have_seen(page: Page, report: Path, tmp_path: Path) -> None:
    leaky = report.read_text(encoding="utf-8").replace("</main>", '<img src="https://leak.invalid/x.png"></main>')
    for name, text in (("held", leaky), ("open", leaky.replace("Content-Security-Policy", "X-No-Policy"))):
        path = tmp_path / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        fresh(page).open(path)
        page.wait("document.querySelector('img').complete")
        assert any("leak.invalid" in u for u in page.requests)  # the counter sees attempts, held back or not
        assert (name == "held") == any("leak.invalid" in c and "Policy" in c for c in page.complaints)


def test_a_script_that_slips_into_the_page_does_not_run(page: Page, report: Path, tmp_path: Path) -> None:
    slipped = tmp_path / "slipped.html"
    text = report.read_text(encoding="utf-8")
    slipped.write_text(text.replace("</main>", "<script>window.pwned = 1</script></main>"), encoding="utf-8")
    fresh(page).open(slipped)
    assert page.js("window.pwned === undefined")


def test_hostile_names_run_nothing(page: Page, report: Path) -> None:
    fresh(page).open(report, fragment="#results?q=script")
    page.js("document.querySelectorAll('#groups details.group').forEach((d) => { d.open = true; })")
    page.wait("document.querySelectorAll('#groups tr.result').length > 0")
    page.js("document.querySelectorAll('#groups tr.result').forEach((r) => r.querySelector('button').click())")
    page.draw_everything()
    assert page.js("window.pwned === undefined && document.querySelectorAll('main img').length === 0")
    assert page.js("document.body.textContent.includes('<script>window.pwned=1</script>')")


def test_pictures_are_drawn_only_when_they_come_into_sight(page: Page, report: Path) -> None:
    fresh(page).open(report)
    page.js("new Promise((r) => setTimeout(r, 400))")
    drawn, all_ = page.js("['.chart[data-drawn]', '.chart'].map((s) => document.querySelectorAll(s).length)")
    assert drawn < all_ / 2


def test_every_picture_has_a_text_table_of_its_data(page: Page, report: Path) -> None:
    fresh(page).open(report)
    page.js("document.querySelectorAll('figure.plate details.data').forEach((d) => { d.open = true; })")
    page.wait(
        "[...document.querySelectorAll('figure.plate')].every((f) => f.querySelectorAll('table tbody tr').length > 0)"
    )
    rows = page.js("document.querySelector('#pictures-law figure.plate table').textContent")
    assert "energy distance" in rows


def test_charts_follow_the_scheme(page: Page, report: Path) -> None:
    fresh(page).open(report)
    colour = "document.querySelector('#pictures-convergence .chart svg text')?.getAttribute('fill')"
    page.js("document.querySelector('#pictures-convergence .chart').scrollIntoView()")
    page.wait(f"!!{colour}")
    light = page.js(colour)
    page.scheme(dark=True)
    page.wait(f"{colour} !== {light!r} && !!{colour}")


def test_a_permalink_opens_its_result(page: Page, report: Path) -> None:
    fresh(page).open(report, fragment=f"#r={FAILED}")
    page.wait("document.querySelector('tr.target + tr.under .detail') !== null")
    assert page.js("document.activeElement.closest('tr').classList.contains('target')")
    place = page.js("document.querySelector('tr.target').getBoundingClientRect().top")
    assert 0 <= place < 400
    assert "--select" in page.js("document.querySelector('tr.target + tr.under code').textContent")


def test_a_permalink_holds_under_a_filter_that_hides_it(page: Page, report: Path) -> None:
    fresh(page).open(report, fragment="#results?verdict=passed")
    page.wait("document.getElementById('status').textContent.includes(' of ')")
    page.js(f"location.hash = '#r={FAILED}'")
    page.wait("document.querySelector('tr.target') !== null")


def test_search_and_filter_narrow_the_results(page: Page, report: Path) -> None:
    fresh(page).open(report)
    page.js(
        "{ const q = document.getElementById('q'); q.value = 'dopri8 digits'; q.dispatchEvent(new Event('input')); }"
    )
    page.wait("document.getElementById('status').textContent.startsWith('1 of ')")
    assert page.js("location.hash") == "#results?q=dopri8+digits"
    page.js("document.getElementById('clear').click()")
    page.js("document.querySelector('#chips button[value=skipped]').click()")
    page.wait("document.getElementById('status').textContent.startsWith('6 of ')")


def test_the_matrix_leads_to_the_results_of_a_cell(page: Page, report: Path) -> None:
    fresh(page).open(report)
    page.js("document.querySelector('.cell[title^=\"torchdiffeq/bosh3 on order\"]').click()")
    page.wait("document.getElementById('status').textContent.startsWith('3 of ')")


def test_the_keyboard_reaches_search_and_opens_a_result(page: Page, report: Path) -> None:
    fresh(page).open(report)
    page.key("/", "Slash", 191, "/")
    assert page.js("document.activeElement.id") == "q"
    assert page.js("document.getElementById('q').value") == ""
    page.js("document.querySelector('#groups summary').focus()")
    page.key("Enter", "Enter", 13, "\r")
    page.wait("document.querySelectorAll('#groups tr.result').length > 0")
    page.js("document.querySelector('#groups tr.result button').focus()")
    page.key("Enter", "Enter", 13, "\r")
    page.wait("document.querySelector('#groups tr.under') !== null")
    assert page.js("document.querySelector('#groups tr.result button').getAttribute('aria-expanded')") == "true"


def test_a_command_is_copied_whole(page: Page, report: Path) -> None:
    fresh(page).open(report)
    page.js("document.addEventListener('copy', () => { window.copied = String(document.activeElement.value); });")
    page.js("if (navigator.clipboard) navigator.clipboard.writeText = async (t) => { window.copied = t; }")
    page.js("document.querySelector('.failure .copy').click()")
    page.wait("window.copied !== undefined")
    failures = {r.reproduce for r in record().failures}
    assert page.js("window.copied") in failures


def test_twenty_thousand_results_open_in_under_three_seconds(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(render([many(20_000)]), encoding="utf-8")
    seconds = fresh(page).open(path)
    print(f"20,000 results, {path.stat().st_size / 1e6:.1f} MB: ready after {seconds:.2f} s")
    assert page.js("document.getElementById('status').textContent").startswith("20,000 results")
    assert seconds < 3


def test_a_subject_has_a_page_and_the_back_button_returns_to_where_the_reader_was(page: Page, report: Path) -> None:
    fresh(page).open(report)
    page.js("document.getElementById('matrix').scrollIntoView()")
    page.js("new Promise((r) => setTimeout(r, 100))")
    place = page.js("scrollY")
    page.js("document.querySelector('#matrix th a[title=\"torchdiffeq/dopri8\"]').click()")
    page.wait("!document.getElementById('page').hidden")
    text = page.js("document.getElementById('page').innerText")
    for words in (
        "torchdiffeq/dopri8",
        "What broke",
        "How to repeat it",
        "What was tried",
        "--select subject=torchdiff",
    ):
        assert words in text
    assert page.js("document.title").startswith("torchdiffeq/dopri8")
    assert page.js("document.activeElement.tagName") == "H1"
    assert page.js("document.getElementById('overview').hidden")
    page.js("history.back()")
    page.wait("document.getElementById('page').hidden")
    page.wait(f"Math.abs(scrollY - {place}) < 200")
    assert page.complaints == []


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("#problem=ring-2d", ("ring-2d", "What was tried", "torchdiffeq/dopri8")),
        ("#machine=cpu%20%C2%B7%20Intel%20Xeon%20CPU%20@%202.60GHz", ("Run and machine", "Versions", "torchsde")),
        ("#subject=%3Cscript%3Ewindow.pwned=1%3C/script%3E", ("<script>window.pwned=1</script>", "What broke")),
    ],
)
def test_every_problem_machine_and_hostile_subject_has_a_page_with_an_address(
    page: Page, report: Path, fragment: str, words: tuple[str, ...]
) -> None:
    fresh(page).open(report, width=390, fragment=fragment)
    page.wait("!document.getElementById('page').hidden")
    text = page.js("document.getElementById('page').innerText")
    assert [w for w in words if w not in text] == []
    assert page.js("document.documentElement.scrollWidth") <= 390
    assert page.js("window.pwned === undefined && document.querySelectorAll('main img').length === 0")
    assert page.complaints == []
    assert [u for u in page.requests if u.startswith("http")] == []


def test_a_page_of_nothing_is_the_overview(page: Page, report: Path) -> None:
    fresh(page).open(report, fragment="#subject=nobody")
    assert page.js("document.getElementById('page').hidden && !document.getElementById('overview').hidden")


def test_the_back_button_undoes_a_filter(page: Page, report: Path) -> None:
    fresh(page).open(report)
    everything = page.js("document.getElementById('status').textContent")
    page.js("document.querySelector('#chips button[value=skipped]').click()")
    page.wait("document.getElementById('status').textContent.startsWith('6 of ')")
    page.js("history.back()")
    page.wait(f"document.getElementById('status').textContent === {everything!r}")
    assert page.js("document.querySelector('#chips button[value=skipped]').getAttribute('aria-pressed')") == "false"


def test_keys_step_through_results_open_pages_and_leave_them(page: Page, report: Path) -> None:
    fresh(page).open(report)
    seen = []
    for _ in range(2):
        page.key("j", "KeyJ", 74, "j")
        seen.append(page.js("document.activeElement.textContent"))
    assert len(set(seen)) == 2
    page.key("k", "KeyK", 75, "k")
    assert page.js("document.activeElement.textContent") == seen[0]
    assert page.js("document.activeElement.classList.contains('who')")
    page.key("Enter", "Enter", 13, "\r")
    page.wait("!document.getElementById('page').hidden")
    page.key("Escape", "Escape", 27)
    page.wait("document.getElementById('page').hidden")
    page.key("/", "Slash", 191, "/")
    page.key("j", "KeyJ", 74, "j")
    assert page.js("[document.activeElement.id, document.getElementById('q').value]") == ["q", "j"]


def test_a_page_of_many_commits_marks_steps_draws_them_and_lists_all_series(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "history.html"
    path.write_text(render(commits()), encoding="utf-8")
    fresh(page).open(path, width=390)
    rows = page.js("[...document.querySelectorAll('#history .steps tbody tr')].map((r) => r.innerText)")
    assert len(rows) == 2
    assert [w for w in ("D c3", "passed", "failed") if w not in rows[0]] == []
    page.js("document.querySelector('#history .chart').scrollIntoView()")
    page.wait("document.querySelector('#history .chart[data-drawn=true] svg') !== null")
    assert "confirmed by the record after it" in page.js("document.querySelector('#history figure').innerText")
    page.js("{ const d = document.querySelector('details.series'); d.open = true; d.scrollIntoView(); }")
    page.wait("document.querySelectorAll('#series tbody tr').length === 2")
    page.js(
        "{ const q = document.getElementById('series-q'); q.value = 'steady'; q.dispatchEvent(new Event('input')); }"
    )
    page.wait("document.querySelectorAll('#series tbody tr').length === 1")
    assert page.js("document.documentElement.scrollWidth") <= 390
    page.js("document.querySelector('#history .steps a').click()")
    page.wait("document.querySelector('tr.target + tr.under .detail') !== null")
    assert page.js("location.hash").startswith("#r3=order/")
    assert "D · c3" in page.js("document.querySelector('tr.target + tr.under .detail').innerText")
    assert page.complaints == []


@pytest.mark.parametrize("width", [1280, 900, 390])
def test_exact_computed_and_error_stand_in_one_row(page: Page, tmp_path: Path, width: int) -> None:
    grid = two_dimensions(0)[0]
    columns = {**grid.columns, "computed": [v * 1.05 for v in grid.columns["exact"]]}
    case = result("pde-error", "s", "p", Verdict.PASSED, "pde", data=(grid.model_copy(update={"columns": columns}),))
    path = tmp_path / "panels.html"
    path.write_text(render([record(results=[case])]), encoding="utf-8")
    fresh(page).open(path, width=width)
    page.js("document.querySelector('#pictures-density-2d .chart').scrollIntoView()")
    page.wait("document.querySelector('#pictures-density-2d .chart[data-drawn=true]') !== null")
    across = page.js("document.querySelector('#pictures-density-2d .chart').dataset.across")
    assert int(across) % 3 == 0
    assert page.js("document.documentElement.scrollWidth") <= width
    assert page.complaints == []
