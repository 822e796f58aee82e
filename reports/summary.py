"""Summary: what a tired person must see first. Counts, the headline, and failures gathered by what broke."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.wording import SPELLINGS, plural
from si_verify.gate import Verdict
from si_verify.record import MeasurementRow, Record, Result

BAD = (Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.ERROR)


@dataclass(frozen=True)
class Headline:
    """``tone`` is the verdict whose colour the headline takes; ``detail`` the sentences under it."""

    text: str
    tone: Verdict
    detail: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Results with one cause as far as names can tell: the same subject on the same check, worst first."""

    results: tuple[Result, ...]

    @property
    def first(self) -> Result:
        return self.results[0]


def counts(results: Sequence[Result]) -> dict[Verdict, int]:
    """Number of results by verdict, worst first, without the absent ones."""
    found = Counter(r.verdict for r in results)
    return {v: found[v] for v in SPELLINGS if found[v]}


def tallies(results: Sequence[Result], name: str) -> list[tuple[str, dict[Verdict, int]]]:
    """For every value of a result's field ``name`` the counts of its verdicts, in the order of the names."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(getattr(result, name), []).append(result)
    return [(value, counts(groups[value])) for value in sorted(groups)]


def _incomplete(records: Sequence[Record]) -> list[str]:
    missing = sum(max(0, r.header.planned - len(r.results)) for r in records)
    damaged = sum(r.damaged for r in records)
    sentences = []
    if missing:
        planned = sum(r.header.planned for r in records)
        sentences.append(f"The run is incomplete: {missing:,} of {plural(planned, 'planned case')} have no result.")
    if damaged:
        verb = "is" if damaged == 1 else "are"
        sentences.append(f"{plural(damaged, 'line')} of the record could not be read and {verb} left out.")
    return sentences


def headline(records: Sequence[Record]) -> Headline:
    """The verdict on the whole page in one sentence."""
    found = counts([x for r in records for x in r.results])
    judged = sum(found.values()) - found.get(Verdict.SKIPPED, 0)
    detail = _incomplete(records)
    bad = [v for v in BAD if v in found]
    if not found:
        return Headline("Nothing was measured", Verdict.SKIPPED, tuple(detail))
    if Verdict.FAILED in found:
        text, tone = f"{found[Verdict.FAILED]:,} of {plural(judged, 'judged result')} failed", Verdict.FAILED
    elif bad:
        spelling = SPELLINGS[bad[0]]
        text, tone = plural(found[bad[0]], spelling.name, spelling.plural), bad[0]
        text += f" among {plural(judged, 'result')}"
    elif Verdict.PASSED not in found:
        tone = next(iter(found))
        text = "Nothing could be judged" if judged == 0 else "Nothing passed, nothing failed"
    else:
        tone = Verdict.INCONCLUSIVE if detail else Verdict.PASSED
        passed = found[Verdict.PASSED]
        if detail:
            text = f"No failure among the {plural(judged, 'result')} so far"
        elif passed == judged:
            text = f"All {plural(judged, 'result')} passed" if judged > 1 else "The one result passed"
        else:
            text = f"No failure: {passed:,} of {plural(judged, 'judged result')} passed"
    return Headline(text, tone, tuple(detail))


def worst_margin(result: Result) -> float:
    """How far the worst judged number lies outside its bound (1: on it); infinite where no number was to be had."""
    if not result.measurements:
        return math.inf
    margins = [math.inf if math.isnan(m.margin) else m.margin for m in result.measurements if m.bound is not None]
    return max(margins, default=0.0)


def broken(result: Result) -> list[MeasurementRow]:
    """The measurements that violate their bounds, worst first."""
    failed = [m for m in result.measurements if m.verdict is Verdict.FAILED]
    return sorted(failed, key=lambda m: math.inf if math.isnan(m.margin) else m.margin, reverse=True)


def grouped(results: Sequence[Result], verdict: Verdict) -> list[Group]:
    """Groups with this verdict; those that took most results with them first, then those worst off."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.verdict is verdict:
            groups.setdefault((result.subject, result.check), []).append(result)
    ordered = [Group(tuple(sorted(g, key=worst_margin, reverse=True))) for g in groups.values()]
    return sorted(ordered, key=lambda g: (-len(g.results), -worst_margin(g.first), g.first.id))


@dataclass(frozen=True)
class Broken:
    """What broke of one subject in one line: its most telling result, and how many more there are."""

    result: Result
    measurement: MeasurementRow | None
    more: int


def broke(results: Sequence[Result]) -> list[Broken]:
    """One line a subject with failures, the one with most of them first; what lies furthest outside its bound leads."""
    by_subject: dict[str, list[Result]] = {}
    for result in results:
        if result.verdict in BAD:
            by_subject.setdefault(result.subject, []).append(result)
    lines = []
    for found in by_subject.values():
        # A finite number says more than a result without one, and a failure more than the suite's own error.
        lead = min(found, key=lambda r: (BAD.index(r.verdict), not _finite(r), -_finite(r), r.id))
        measured = [m for m in broken(lead) if math.isfinite(m.margin)] or broken(lead)
        lines.append(Broken(lead, measured[0] if measured else None, len(found) - 1))
    return sorted(lines, key=lambda b: (BAD.index(b.result.verdict), -b.more, b.result.id))


def _finite(result: Result) -> float:
    """The largest finite margin among the violated bounds; 0 without one."""
    return max((m.margin for m in broken(result) if math.isfinite(m.margin)), default=0.0)


def by_reason(results: Sequence[Result], verdict: Verdict) -> list[tuple[str, str, tuple[Result, ...]]]:
    """(reason, link, results) with this verdict, the commonest reason first: 200 skips with one cause are one line."""
    reasons: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        if result.verdict is verdict:
            reasons.setdefault((result.reason, result.link), []).append(result)
    return sorted(((r, k, tuple(v)) for (r, k), v in reasons.items()), key=lambda item: -len(item[2]))
