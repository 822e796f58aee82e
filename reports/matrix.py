"""Matrix: subjects against checks, each cell the worst verdict of its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from reports.summary import counts
from reports.wording import SPELLINGS
from si_verify.gate import Verdict
from si_verify.record import Result


@dataclass(frozen=True)
class Cell:
    """``text`` is the worst verdict's count, out of the total if not all agree; ``title`` spells it out."""

    verdict: Verdict
    text: str
    title: str
    href: str


@dataclass(frozen=True)
class Matrix:
    """The matrix of one kind of subject."""

    kind: str
    checks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def filter_href(**chosen: str) -> str:
    """The fragment that shows the results with these properties."""
    return "#results?" + urlencode(chosen, errors="replace")


def _cell(subject: str, check: str, results: Sequence[Result]) -> Cell:
    found = counts(results)
    worst = next(iter(found))
    total = len(results)
    text = f"{total}" if found[worst] == total else f"{found[worst]}/{total}"
    words = ", ".join(f"{n} {SPELLINGS[v].name if n == 1 else SPELLINGS[v].plural}" for v, n in found.items())
    return Cell(worst, text, f"{subject} on {check}: {words}", filter_href(subject=subject, check=check))


def matrices(results: Sequence[Result]) -> list[Matrix]:
    """One matrix per kind of subject, so that a column without a single result never appears."""
    kinds: dict[str, dict[tuple[str, str], list[Result]]] = {}
    for result in results:
        kinds.setdefault(result.kind or "other", {}).setdefault((result.subject, result.check), []).append(result)
    made = []
    for kind in sorted(kinds):
        cells = kinds[kind]
        checks = tuple(sorted({c for _, c in cells}))
        rows = tuple(
            (s, tuple(_cell(s, c, cells[s, c]) if (s, c) in cells else None for c in checks))
            for s in sorted({s for s, _ in cells})
        )
        made.append(Matrix(kind, checks, rows))
    return made
