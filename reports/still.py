"""Still: the page's pictures as SVG and PNG, drawn without a browser (vl-convert), for summaries and documents."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reports import gallery
from reports.figures.theme import CONFIG, coloured, light
from reports.summary import counts
from reports.wording import SPELLINGS, printable
from si_verify.record import Record

WIDTH = 640
MAX_FIGURES = 40
_COLUMNS = 3


def _rows(columns: Mapping[str, Sequence[Any]], **more: str) -> list[dict[str, Any]]:
    length = len(next(iter(columns.values()), ()))
    return [{**more, **{name: column[i] for name, column in columns.items()}} for i in range(length)]


def _encodings(node: Any) -> Iterable[dict[str, Any]]:
    """Every encoding channel of a specification that stands for the series."""
    if isinstance(node, dict):
        scale = node.get("scale")
        if isinstance(scale, dict) and scale.get("domain") == ["$series"]:
            yield node
        for child in node.values():
            yield from _encodings(child)
    elif isinstance(node, list):
        for child in node:
            yield from _encodings(child)


def specification(built: gallery.Gallery, plate: Mapping[str, Any], width: int = WIDTH) -> dict[str, Any]:
    """The complete Vega-Lite specification of one picture: sizes, data, legend and title are in it."""
    spec: dict[str, Any] = copy.deepcopy(dict(built.specs[plate["spec"]]))
    series = [name for _, name, kind in plate["sheets"] if kind == plate["kind"]]
    for channel in _encodings(spec):
        channel["scale"]["domain"] = series
        legend = {"title": None, "orient": "bottom", "columns": 2, "labelLimit": width // 2 - 30, "symbolOpacity": 1}
        channel["legend"] = legend if plate["legend"] else None
    given = plate["params"]
    # What the reader chooses in the page is at its first choice here.
    spec["params"] = [
        {k: v for k, v in p.items() if k != "bind"} | ({"value": given[p["name"]]} if p["name"] in given else {})
        for p in spec.get("params", [])
    ]
    if plate["shape"].endswith("panels"):
        across = max(1, min(plate["panels"], _COLUMNS))
        side = width // across - 40
        spec["columns"] = across
        spec["spec"] |= {"width": side, "height": 96 if plate["shape"] == "panels" else side}
    else:
        rows = min(620, 50 + 11 * plate["panels"])
        height = {"square": 420, "tall": 320, "rows": rows}.get(plate["shape"], 280)
        spec |= {"width": 420 if plate["shape"] == "square" else width, "height": height}
    main: list[dict[str, Any]] = []
    for index, name, kind in plate["sheets"]:
        data = built.data[index]
        if data is not None:
            main += _rows(data["columns"], series=name, kind=kind)
    spec["datasets"] = {"main": main} | {name: _rows(columns) for name, columns in plate["tables"].items()}
    place = [plate["problem"], plate["dtype"], plate["check"]]
    if not plate["legend"]:
        place.append(series[0] if series else "")
    under = [" · ".join(p for p in place if p), *plate["notes"]]
    return _finished(spec, plate["title"], under)


def _finished(spec: dict[str, Any], title: str, under: Sequence[str]) -> dict[str, Any]:
    spec["title"] = {"text": title[:110], "subtitle": [u[:140] for u in under], "anchor": "start"}
    palette = light()
    config = coloured(CONFIG, palette) | {"background": palette["page"]}
    config["title"] = {
        "color": palette["ink"],
        "subtitleColor": palette["muted"],
        "fontSize": 14,
        "subtitleFontSize": 11,
        "offset": 12,
    }
    config["legend"] = {"labelColor": palette["ink"], "labelFontSize": 11}
    spec["config"] = config
    spec["padding"] = 12
    return spec


def overview(record: Record) -> dict[str, Any]:
    """Verdicts by check, as bars: what a run found at one look."""
    rows = []
    by_check: dict[str, list[Any]] = {}
    for result in record.results:
        by_check.setdefault(printable(result.check), []).append(result)
    for check, results in by_check.items():
        for verdict, n in counts(results).items():
            rows.append({"check": check, "verdict": SPELLINGS[verdict].name, "results": n,
                         "order": SPELLINGS[verdict].severity})  # fmt: skip
    found = counts(record.results)
    palette = light()
    said = ", ".join(f"{n} {SPELLINGS[v].name if n == 1 else SPELLINGS[v].plural}" for v, n in found.items())
    spec: dict[str, Any] = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": rows},
        "mark": {"type": "bar", "height": 13},
        "width": WIDTH,
        "height": {"step": 20},
        "encoding": {
            "y": {"field": "check", "type": "nominal", "axis": {"title": None, "labelLimit": 260},
                  "sort": {"field": "order", "op": "min"}},
            "x": {"field": "results", "type": "quantitative", "axis": {"title": "results", "tickMinStep": 1}},
            "color": {"field": "verdict", "type": "nominal", "sort": [SPELLINGS[v].name for v in found],
                      "scale": {"domain": [SPELLINGS[v].name for v in found],
                                "range": [palette[v.value] for v in found]},
                      "legend": {"title": None, "orient": "bottom"}},
            "order": {"field": "order", "type": "quantitative"},
        },
    }  # fmt: skip
    return _finished(spec, said or "no results", [" · ".join((printable(record.header.device), record.header.created))])


def _name(number: int, plate: Mapping[str, Any]) -> str:
    words = f"{number:02d}-{plate['kind']}-{plate['check']}-{plate['problem']}"
    return re.sub("[^a-z0-9]+", "-", words.lower()).strip("-")[:90]


def draw(spec: Mapping[str, Any], path: Path, formats: Sequence[str] = ("svg", "png")) -> list[Path]:
    """Write one specification to ``path`` with each format's suffix."""
    import vl_convert

    made = []
    for suffix in formats:
        target = path.with_name(f"{path.name}.{suffix}")
        if suffix == "svg":
            target.write_text(vl_convert.vegalite_to_svg(dict(spec)), encoding="utf-8")
        else:
            target.write_bytes(vl_convert.vegalite_to_png(dict(spec), scale=2))
        made.append(target)
    return made


def write_overview(record: Record, folder: str | Path) -> list[Path]:
    """``verdicts.svg`` and ``verdicts.png`` in ``folder``; nothing for a record without results."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    if not record.results:
        return []
    return draw(overview(record), Path(folder) / "verdicts")


def write_figures(record: Record, folder: str | Path, limit: int = MAX_FIGURES) -> tuple[list[Path], int]:
    """The overview and the page's pictures, failures first, as SVG and PNG; and how many pictures were left out.

    Of every section the first ones, so that a few figures already show each kind.
    """
    made = write_overview(record, folder)
    built = gallery.build(record.results)
    sections = [list(s["plates"]) for s in built.sections]
    turns = [s[i] for i in range(max(map(len, sections), default=0)) for s in sections if i < len(s)]
    for number, index in enumerate(turns[:limit], 1):
        plate = built.plates[index]
        made += draw(specification(built, plate), Path(folder) / _name(number, plate))
    return made, max(0, len(turns) - limit)
