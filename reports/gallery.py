"""Gallery: which Data share a picture, in which order the pictures come, and what the page embeds for each."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from altair.utils.schemapi import debug_mode

from reports.figures import drawers
from reports.figures.columns import embeddable
from reports.figures.drawer import Drawer, Drawing, Sheet
from reports.wording import SPELLINGS, printable
from si_verify.record import Result

MAX_SERIES = 8  # more curves in one picture than colours that an eye tells apart
MAX_CELLS = 4_000_000  # numbers embedded in one page, failures first; about 30 MB


@dataclass
class Gallery:
    """
    specs     distinct Vega-Lite specifications
    data      embedded columns, one entry per Data that fits the page; None where it did not
    plates    pictures as the page's script reads them
    sections  heading, lead and plates of each group of pictures
    own       result index -> its own plates
    dropped   Data left out of the page for its size
    marks     for every result the letter of its record, if there are several
    """

    specs: list[Mapping[str, Any]] = field(default_factory=list)
    data: list[dict[str, Any] | None] = field(default_factory=list)
    plates: list[dict[str, Any]] = field(default_factory=list)
    sections: list[dict[str, Any]] = field(default_factory=list)
    own: dict[int, list[int]] = field(default_factory=dict)
    dropped: int = 0
    marks: Sequence[str] = ()
    _known: dict[str, int] = field(default_factory=dict)

    def spec(self, spec: Mapping[str, Any]) -> int:
        """The number of a specification, the same for equal ones."""
        key = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
        if key not in self._known:
            self._known[key] = len(self.specs)
            self.specs.append(spec)
        return self._known[key]


def _drawing(drawer: Drawer | None, sheets: Sequence[Sheet]) -> tuple[Drawing | None, str]:
    if drawer is None:
        return None, ""
    missing = sorted({c for s in sheets[:1] for c in drawer.columns - set(s.data.columns)})
    if missing:
        return None, f"Not drawn: the columns {', '.join(missing)} are missing."
    try:
        with debug_mode(False):  # our own specifications are validated by the tests, not for every reader
            return drawer.draw(sheets), ""
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError) as error:
        # A record is a file from anywhere: content that no picture fits is shown as the table that it is.
        return None, f"Not drawn: {type(error).__name__}: {error}"


def _label(sheet: Sheet) -> str:
    """The label without the subject's name: what is left can be the same for several subjects."""
    label = sheet.data.meta.get("label")
    return label.removeprefix(sheet.result.subject).lstrip(" ,·:") if isinstance(label, str) else ""


def _names(series: Sequence[Sheet], marks: Sequence[str] = ()) -> list[str]:
    """Names of the curves, all different: the subjects where those differ, the labels where these do; of several
    records their letters too."""
    subjects, labels = [s.result.subject for s in series], [_label(s) for s in series]
    if len(set(labels)) <= 1:
        names = subjects
    elif len(set(subjects)) <= 1 and all(labels):
        names = labels
    else:
        names = [f"{s} · {x}" if x else s for s, x in zip(subjects, labels, strict=True)]
    if len(set(marks)) > 1:
        names = [f"{n} · {m}" for n, m in zip(names, marks, strict=True)]
    names = [printable(n) for n in names]
    return [f"{n} ({i + 1})" if names.count(n) > 1 else n for i, n in enumerate(names)]


def _title(drawer: Drawer | None, series: Sequence[Sheet]) -> str:
    """The sheets' common title, with their common label if the title does not say it."""
    titles, labels = {s.data.title for s in series}, {_label(s) for s in series}
    title = titles.pop() if len(titles) == 1 or drawer is None else drawer.heading
    label = labels.pop() if len(labels) == 1 else ""
    return f"{title}, {label}" if label and label not in title else title


def _plate(gallery: Gallery, drawer: Drawer | None, sheets: Sequence[Sheet], owners: Sequence[int]) -> int:
    drawing, trouble = _drawing(drawer, sheets)
    lead = sheets[0]
    notes = list(drawing.notes) if drawing else [trouble] if trouble else []
    notes += list(dict.fromkeys(str(n) for s in sheets if isinstance(n := s.data.meta.get("note"), str)))
    series = [s for s in sheets if s.data.kind == lead.data.kind]
    names = _names(series, [gallery.marks[n] for n in owners[: len(series)]] if gallery.marks else ())
    captions = list(drawing.captions) if drawing else []
    plate: dict[str, Any] = {
        "kind": lead.data.kind,
        "title": printable(_title(drawer, series)),
        "check": lead.result.check,
        "problem": lead.result.problem,
        "dtype": lead.result.dtype,
        "notes": [printable(n) for n in notes if n],
        "sheets": [[s.index, names[i] if i < len(names) else "", s.data.kind] for i, s in enumerate(sheets)],
        "owners": list(owners),
        "captions": captions,
        "legend": bool(drawer and drawer.legend),
    }
    if drawing:
        plate |= {
            "spec": gallery.spec(drawing.spec),
            "shape": drawing.shape,
            "panels": drawing.panels,
            "together": drawing.together,
            "tables": {k: dict(v) for k, v in drawing.tables.items()},
            "params": dict(drawing.params),
        }
    gallery.plates.append(plate)
    return len(gallery.plates) - 1


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    """Groups of at most MAX_SERIES, of nearly equal size."""
    count = -(-len(items) // MAX_SERIES)
    for i in range(count):
        yield items[i * len(items) // count : (i + 1) * len(items) // count]


def _embed(gallery: Gallery, order: Sequence[int], results: Sequence[Result]) -> dict[int, list[Sheet]]:
    """Give every Data its place among the embedded ones, failures first, until the page is full."""
    sheets: dict[int, list[Sheet]] = defaultdict(list)
    cells = 0
    for number in order:
        for data in results[number].data:
            columns, left_out = embeddable(data)
            size = sum(map(len, columns.values()))
            if cells + size > MAX_CELLS:
                gallery.dropped += 1
                continue
            cells += size
            sheets[number].append(Sheet(results[number], data, len(gallery.data)))
            gallery.data.append({"columns": columns, "thinned": left_out})
    return sheets


def _interleave(groups: list[tuple[int, str, int]]) -> list[int]:
    """Plates worst first; among equals one problem after another, so that the first few already show variety."""
    seen: dict[tuple[int, str], int] = defaultdict(int)
    ranked = []
    for severity, problem, plate in groups:
        ranked.append((severity if severity <= 3 else 9, seen[(severity, problem)], plate))
        seen[(severity, problem)] += 1
    return [plate for *_, plate in sorted(ranked)]


def _quantity(sheet: Sheet) -> str:
    """What two sheets must agree on to be comparable on one pair of axes."""
    return "|".join(str(sheet.data.meta.get(n, "")) for n in ("quantity", "x_label"))


def _own(gallery: Gallery, known: Mapping[str, Drawer], number: int, sheets: Sequence[Sheet]) -> list[list[Sheet]]:
    """The plates of one result; returns the groups of sheets that comparisons across subjects may use."""
    groups: dict[tuple[str, ...], list[Sheet]] = defaultdict(list)
    companions = {k for s in sheets if (d := known.get(s.data.kind)) for k in d.companions if k == "samples-2d"}
    for sheet in sheets:
        drawer = known.get(sheet.data.kind)
        if sheet.data.kind in companions:
            continue
        own = "" if drawer and drawer.overlay else str(sheet.index)
        groups[(sheet.data.kind, _quantity(sheet), own)].append(sheet)
    for (kind, *_), members in groups.items():
        drawer = known.get(kind)
        with_it = [s for s in sheets if drawer and s.data.kind in drawer.companions]
        for chunk in _chunks(members):
            plate = _plate(gallery, drawer, [*chunk, *with_it], [number] * len(chunk))
            gallery.own.setdefault(number, []).append(plate)
    return list(groups.values())


def build(results: Sequence[Result], marks: Sequence[str] = ()) -> Gallery:
    """Every picture of a page. ``results`` are in the page's order; plates refer to them by index.

    marks: the letter of each result's record, where there are several.
    """
    gallery = Gallery(marks=marks)
    known = drawers()
    order = sorted(range(len(results)), key=lambda i: SPELLINGS[results[i].verdict].severity)
    sheets = _embed(gallery, order, results)
    shared: dict[tuple[str, ...], list[tuple[int, Sheet]]] = defaultdict(list)
    sections: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
    for number in order:
        for group in _own(gallery, known, number, sheets.get(number, [])):
            drawer = known.get(group[0].data.kind)
            r = results[number]
            if drawer is None:
                continue
            if not drawer.overlay:
                plate = next(p for p in gallery.own[number] if gallery.plates[p]["sheets"][0][0] == group[0].index)
                sections[drawer.kind].append((SPELLINGS[r.verdict].severity, r.problem, plate))
                continue
            for sheet in group:
                shared_key = (
                    drawer.kind,
                    r.check,
                    r.problem,
                    r.dtype,
                    r.device,
                    _quantity(sheet),
                    sheet.data.title,
                    _label(sheet),
                )
                shared[shared_key].append((number, sheet))
    for key, members in shared.items():
        for chunk in _chunks(members):
            worst = min(SPELLINGS[s.result.verdict].severity for _, s in chunk)
            plate = _plate(gallery, known[key[0]], [s for _, s in chunk], [n for n, _ in chunk])
            sections[key[0]].append((worst, key[2], plate))
    gallery.sections = [
        {"kind": kind, "heading": d.heading, "lead": d.lead, "plates": plates}
        for kind, d in known.items()
        # What could not be drawn is shown as a table with its result, not among the pictures.
        if (plates := [p for p in _interleave(sections[kind]) if "spec" in gallery.plates[p]])
    ]
    return gallery
