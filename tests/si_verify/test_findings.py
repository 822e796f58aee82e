"""Every known shortfall is documented, and every script that shows one still does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from si_verify import discovery

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "docs" / "findings").glob("torch*.py"))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading: lower case, spaces to hyphens, punctuation gone."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in page.read_text().splitlines() if line.startswith("#")}


def marks() -> list[tuple[str, str]]:
    found = {(s.name, mark.link) for s in discovery.subjects().values() for mark in s.expected_failures}
    return sorted((name, link) for name, link in found if link.startswith("docs/findings.md"))


def test_there_are_marks_to_look_at() -> None:
    assert {"torchsde/milstein-stratonovich", "torchdiffeq/dopri8", "torch/mixture-same-family"} <= {
        n for n, _ in marks()
    }


@pytest.mark.parametrize("link", sorted({link for _, link in marks()}))
def test_a_mark_leads_to_its_section(link: str) -> None:
    page, _, anchor = link.partition("#")
    assert anchor in anchors(ROOT / page)


def test_a_slug_is_what_github_makes_of_a_heading() -> None:
    assert slug(" torch.distributions.MixtureSameFamily") == "torchdistributionsmixturesamefamily"
    assert slug("torchdiffeq: explicit_adams, unstable") == "torchdiffeq-explicit_adams-unstable"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_finding_still_holds(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in re.findall(r"^(?:from|import) (torchdiffeq|torchsde)", script.read_text(), re.M):
        pytest.importorskip(package)
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out.count("\n") > 3


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_script_is_on_the_page_and_ends_by_asserting(script: Path) -> None:
    assert f"docs/findings/{script.name}" in (ROOT / "docs" / "findings.md").read_text()
    assert script.read_text().rstrip().splitlines()[-1].startswith("assert ")
