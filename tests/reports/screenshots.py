"""Pictures of real reports for the docs.

python -m tests.reports.screenshots QUICK FAILING COMMIT COMMIT... --to docs/images: the record of a quick run, that of
a run that fails (``si-verify check ode FILE:broken``), and those of some commits, oldest first.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from reports.render import render
from si_verify.cli.gate import record_at
from si_verify.record import read_record
from tests.reports.browser import Page, browser

# name, width, height, dark, what is scrolled to the top, the fragment of the address
View = tuple[str, int, int, bool, str, str]
QUICK: tuple[View, ...] = (
    ("report-light", 1280, 1000, False, "main", ""),
    ("report-dark", 1280, 1000, True, "main", ""),
    ("report-matrix", 1280, 900, False, "#matrix", ""),
    ("report-pictures", 1280, 1000, False, "#pictures .gallery", ""),
    ("report-pictures-dark", 1280, 1000, True, "#pictures .gallery", ""),
    ("report-tolerance", 1280, 760, False, "#pictures-tolerance", ""),
    ("report-trajectories", 1280, 900, False, "#pictures-trajectories-1d", ""),
    ("report-densities-dark", 1280, 900, True, "#pictures-density-2d", ""),
    ("report-phone", 390, 844, False, "main", ""),
)
FAILING: tuple[View, ...] = (
    ("failing-light", 1280, 1000, False, "main", ""),
    ("failing-dark", 1280, 1000, True, "main", ""),
    ("failing-phone", 390, 844, False, "main", ""),
    ("subject", 1280, 1400, False, "main", "#subject="),
    ("problem-dark", 1280, 1000, True, "main", "#problem="),
)
HISTORY: tuple[View, ...] = (("history", 1280, 1000, False, "#history .plates", ""),)


def _shoot(page: Page, html: Path, views: Sequence[View], folder: Path) -> None:
    for name, width, height, dark, selector, fragment in views:
        page.open(html, width=width, height=height, dark=dark)
        if fragment:
            found = page.js(f"document.querySelector('a[href^=\"{fragment}\"]')?.getAttribute('href') ?? ''")
            page.js(f"location.hash = {found!r}")
        if not page.js(f"!!document.querySelector('{selector}')"):
            print(f"{name}: the record has nothing for it")
            continue
        page.js(f"document.querySelector('{selector}').scrollIntoView()")
        page.js("new Promise((r) => setTimeout(r, 2500))")  # whatever is in sight gets drawn
        page.screenshot(folder / f"{name}.png", full=False)
        print(folder / f"{name}.png")


def main(quick: Path, failing: Path, commits: Sequence[Path], folder: Path) -> None:
    """Write one PNG per view."""
    folder.mkdir(parents=True, exist_ok=True)
    pages: list[tuple[str, Sequence[Path], Sequence[View]]] = [
        ("quick", [quick], QUICK),
        ("failing", [failing], FAILING),
    ]
    if len(commits) > 1:
        pages.append(("history", commits, HISTORY))
    with tempfile.TemporaryDirectory() as place, browser() as page:
        for name, paths, views in pages:
            html = Path(place) / f"{name}.html"
            html.write_text(render([read_record(record_at(p)) for p in paths]), encoding="utf-8")
            _shoot(page, html, views, folder)


if __name__ == "__main__":
    *records, option, target = sys.argv[1:]
    if option != "--to" or len(records) < 2:
        sys.exit(__doc__)
    main(Path(records[0]), Path(records[1]), [Path(r) for r in records[2:]], Path(target))
