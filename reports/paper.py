"""The picture of ``si-verify reproduce paper-128d``: KL and W2² against ε, the flow beside the SDEs.

python -m reports.paper RECORD FILE.svg
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import altair as alt

from si_verify.record import Record, read_record


def rows(record: Record) -> list[dict[str, Any]]:
    """One row per pair of learned fields and ε."""
    found = []
    for result in record.results:
        for data in (d for d in result.data if d.kind == "kl-vs-epsilon" and "w2" in d.columns):
            names = ("epsilon", "kl", "error", "w2")
            for values in zip(*(data.columns[n] for n in names), strict=True):
                found.append({"pair": result.subject.removeprefix("learned "), **dict(zip(names, values, strict=True))})
    if not found:
        raise ValueError("record: holds no KL against ε; make it with si-verify reproduce paper-128d")
    return found


def chart(record: Record) -> alt.HConcatChart:
    """KL with one standard error, and W2² above that of two samples of the target; dashed: the flow."""
    table = alt.Data(values=rows(record))
    colour = alt.Color("pair:N", title="learned", sort=None)

    def panel(name: str, title: str, bars: bool) -> alt.TopLevelMixin:
        base = alt.Chart(table, width=300, height=240)
        sde = base.transform_filter("datum.epsilon > 0")
        x = alt.X("epsilon:Q", title="ε", scale=alt.Scale(type="log", nice=False, padding=12))
        y = alt.Y(f"{name}:Q", title=title, scale=alt.Scale(zero=False))
        flow = base.transform_filter("datum.epsilon == 0").mark_rule(strokeDash=[5, 4]).encode(y=y, color=colour)
        layers: list[alt.Chart] = [flow, sde.mark_line(point=True).encode(x=x, y=y, color=colour)]
        if bars:
            ends = sde.transform_calculate(low="datum.kl - datum.error", high="datum.kl + datum.error")
            layers.append(ends.mark_rule().encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour))
        return alt.layer(*layers)

    both = (panel("kl", "KL(ρ(1)‖ρ̂(1)), nats", True), panel("w2", "W2² above that of two target samples", False))
    return alt.hconcat(*both)  # type: ignore[arg-type]


def main() -> None:
    """Draw a record's picture."""
    source, target = (Path(a) for a in sys.argv[1:3])
    chart(read_record(source / "record.jsonl" if source.is_dir() else source)).save(str(target))
    print(target)


if __name__ == "__main__":
    main()
