"""Pictures of a real report for the docs: ``python -m tests.reports.screenshots RECORD.jsonl docs/images``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from reports.render import render
from si_verify.record import read_record
from tests.reports.browser import browser

# name, width, height, dark, what is scrolled to the top
VIEWS = (
    ("report-light", 1280, 1000, False, "main"),
    ("report-dark", 1280, 1000, True, "main"),
    ("report-matrix", 1280, 900, False, "#matrix"),
    ("report-pictures", 1280, 1000, False, "#pictures .gallery"),
    ("report-pictures-dark", 1280, 1000, True, "#pictures .gallery"),
    ("report-tolerance", 1280, 760, False, "#pictures-tolerance"),
    ("report-trajectories", 1280, 900, False, "#pictures-trajectories-1d"),
    ("report-densities-dark", 1280, 900, True, "#pictures-density-2d"),
    ("report-phone", 390, 844, False, "main"),
)


def main(record: Path, folder: Path) -> None:
    """Write one PNG per view."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, browser() as page:
        html = Path(place) / "report.html"
        html.write_text(render([read_record(record)]), encoding="utf-8")
        for name, width, height, dark, selector in VIEWS:
            page.open(html, width=width, height=height, dark=dark)
            if not page.js(f"!!document.querySelector('{selector}')"):
                print(f"{name}: the record has nothing for it")
                continue
            page.js(f"document.querySelector('{selector}')?.scrollIntoView()")
            page.js("new Promise((r) => setTimeout(r, 2500))")  # whatever is in sight gets drawn
            page.screenshot(folder / f"{name}.png", full=False)
            print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
