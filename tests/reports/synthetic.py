"""A synthetic record for the report's tests: every verdict, every kind of Data, and names that mean harm."""

from __future__ import annotations

import math
from collections.abc import Sequence

from si_verify.gate import Verdict
from si_verify.record import DataRow, Record, Result
from tests.reports.builders import header, result, row
from tests.reports.synthetic_results import field_results, ode_results, sde_results

HOSTILE = (
    "<script>window.pwned=1</script>",
    "</script><img src=https://evil.example/x onerror=alert(1)>",
    "../../../../etc/passwd",
    "bell\x07 esc\x1b[31m nul\x00 rtl\u202egnp.exe",
    "\"'`{{7*7}}{% raw %}${1+1}<!--",
)
HOSTILE_LINK = "javascript:alert(document.domain)"


def hostile_results() -> list[Result]:
    """Results whose every text wants to be something else than text."""
    out = []
    for i, text in enumerate(HOSTILE):
        data = (
            DataRow(kind=text, title=text, columns={text: [text, 1.0, None], "plain": [1, 2, 3]}, meta={text: text}),
            DataRow(
                kind="convergence",
                title=text,
                columns={"step": ["a", None, 0.1], "error": [text, -1.0, 0.0]},
                meta={"x_label": text, "label": text, "order": text},
            ),
            DataRow(kind="law", title=text, columns={"value": [1.0]}),
        )
        bad = row(name=text, value=math.nan, bound=1.0, why=text, unit=text)
        out.append(
            result(
                text,
                text,
                text,
                Verdict.ERROR if i % 2 else Verdict.FAILED,
                text,
                reason=text,
                link=HOSTILE_LINK,
                claim=text,
                reproduce=text,
                traceback=text,
                notes=(text,),
                tags=(text,),
                claims={text: text},
                measurements=(bad,),
                data=data,
                seed=i,
            )
        )
    return out


def record(
    hostile: bool = True, results: Sequence[Result] | None = None, planned: int | None = None, damaged: int = 0
) -> Record:
    """The record; ``results`` replaces the synthetic ones."""
    if results is None:
        results = [*ode_results(), *sde_results(), *field_results(), *(hostile_results() if hostile else [])]
        results.append(
            result(
                "order",
                "torch/broken",
                "ring-2d",
                Verdict.ERROR,
                "ode",
                traceback="Traceback:\n  ValueError: x\n",
                reason="the check itself broke: ValueError: x",
            )
        )
    return Record(header=header(len(results) if planned is None else planned), results=tuple(results), damaged=damaged)


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from reports.render import render

    Path(sys.argv[1]).write_text(render([record(hostile="--hostile" in sys.argv)]), encoding="utf-8")
