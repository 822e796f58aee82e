"""Render: records -> one self-contained HTML page. It reads, it never measures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import bundle, gallery, history, leaderboard, matrix, pages, summary, wording
from reports.embed import embed_json, results_table
from reports.figures.theme import CONFIG
from reports.machine import machine_facts
from si_verify.gate import Verdict
from si_verify.record import Record, Result
from si_verify.regression.history import RULE, letter, timeline

MAX_STEPS = 100  # steps of the history in words; the rest are marked in the table of series
MAX_DRAWN = 4  # records whose pictures are all drawn; of more only the last of each history
MAX_GROUPS = 60  # failures written out at the top; the rest is one click away in the table


def _finalize(value: Any) -> Any:
    return wording.printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    env = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "number": wording.number,
        "duration": wording.duration,
        "link": wording.safe_link,
        "broken": summary.broken,
        "page": lambda name, kind: pages.page_href(kind, wording.printable(name)),
    }
    env.globals |= {
        "plural": wording.plural,
        "spelling": wording.SPELLINGS,
        "V": Verdict,
        "filter_href": matrix.filter_href,
        "severity": leaderboard.severity,
    }
    return env


def _results(records: Sequence[Record]) -> tuple[list[Result], list[int]]:
    pairs = [(result, i) for i, record in enumerate(records) for result in record.results]
    return [r for r, _ in pairs], [i for _, i in pairs]


def _drawn(
    results: Sequence[Result], which: Sequence[int], records: Sequence[Record]
) -> tuple[list[Result], list[str]]:
    """Results without the Data that this page does not draw, and each one's record's letter where there are several."""
    if len(records) == 1:
        return list(results), []
    last = range(len(records)) if len(records) <= MAX_DRAWN else {group[-1] for group in timeline(records)}
    kept = [r if n in last else r.model_copy(update={"data": ()}) for r, n in zip(results, which, strict=True)]
    return kept, [letter(n) for n in which]


def render(records: Sequence[Record]) -> str:
    """One HTML page over ``records``: everything inline, no request leaves it, every text escaped.

    Raises ValueError for an empty sequence; a record without results, a partial or a damaged one gives a page that
    says so.
    """
    if not records:
        raise ValueError("records: expected at least one Record, got none")
    results, which = _results(records)
    place = {id(result): number for result, number in zip(results, which, strict=True)}
    pictures = gallery.build(*_drawn(results, which, records))
    past = history.build(records, results, which, pictures) if len(records) > 1 else None
    payload = {
        "results": results_table(results, pictures.own, which),
        "plates": pictures.plates,
        "specs": pictures.specs,
        "sections": [
            *({"kind": s["kind"], "plates": s["plates"]} for s in pictures.sections),
            {"kind": "history", "plates": past.plates if past else ()},
        ],
        "history": past.rows if past else (),
        "verdicts": {v.value: [s.name, s.symbol, s.severity, s.plural] for v, s in wording.SPELLINGS.items()},
        "config": CONFIG,
        "records": pages.records_table(records),
        "whole": pages.whole_commands(results),
    }
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            records=records,
            results=results,
            headline=summary.headline(records),
            counts=summary.counts(results),
            broke=summary.broke(results),
            anchor=lambda r: wording.anchor(wording.printable(r.id), place[id(r)]),
            letter=letter,
            machine_names=[pages.machine_name(r) for r in records],
            record_counts=[summary.counts(r.results) for r in records],
            machines=list(dict.fromkeys(pages.machine_name(r) for r in records)),
            problems=summary.tallies(results, "problem"),
            failed=summary.grouped(results, Verdict.FAILED),
            max_groups=MAX_GROUPS,
            by_reason={v: summary.by_reason(results, v) for v in wording.SPELLINGS},
            matrices=matrix.matrices(results),
            leaders=leaderboard.leaderboard(results),
            budgets=leaderboard.BUDGETS,
            sections=pictures.sections,
            history=past,
            rule=RULE,
            max_steps=MAX_STEPS,
            dropped=pictures.dropped,
            machine=[machine_facts(r) for r in records],
            seconds=sum(r.seconds for r in results),
            policy=bundle.policy(),
            styles=Markup(bundle.styles()),
            vega=Markup(bundle.vega()),
            app=Markup(bundle.app()),
            payload=Markup(embed_json(payload)),
            data=[Markup(embed_json(d)) for d in pictures.data],
        )
    )
