"""Pictures without a browser: every kind is drawn as SVG and PNG, with its legend and title, and nothing else in it."""

from __future__ import annotations

import re
import struct
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from reports import gallery, still
from reports.figures import drawers
from reports.figures.theme import CONFIG, SHAPES, coloured, light
from si_verify.cli.app import run_app
from tests.reports.synthetic import HOSTILE, hostile_results, record


@pytest.fixture(scope="module")
def built() -> gallery.Gallery:
    return gallery.build(record(hostile=False).results)


def drawn(built: gallery.Gallery, kind: str, folder: Path) -> tuple[dict[str, Any], str]:
    plate = next(p for p in built.plates if p["kind"] == kind and "spec" in p)
    (path,) = still.draw(still.specification(built, plate), folder / kind, ("svg",))
    return plate, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["convergence", "error-vs-t", "tolerance", "density-1d", "density-2d", "law"])
def test_a_picture_is_drawn_with_its_title_and_its_legend(built: gallery.Gallery, kind: str, tmp_path: Path) -> None:
    plate, svg = drawn(built, kind, tmp_path)
    words = " ".join(ET.fromstring(svg).itertext())
    assert plate["title"][:40] in words
    assert plate["problem"] in words
    assert len(re.findall("<(?:path|rect)", svg)) > 8
    if plate["legend"]:
        assert [n for _, n, _ in plate["sheets"] if n and n not in words] == []
    assert "http" not in svg.replace("http://www.w3.org/", "")


def test_every_kind_of_the_record_can_be_drawn_still(built: gallery.Gallery) -> None:
    import vl_convert

    kinds = {p["kind"]: p for p in built.plates if "spec" in p}
    assert set(kinds) >= set(drawers()) - {"work-precision", "kl-vs-epsilon", "samples-2d"}
    for plate in kinds.values():
        assert vl_convert.vegalite_to_vega(still.specification(built, plate))["marks"]


def test_figures_are_files_of_both_kinds_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    made, left_out = still.write_figures(record(hostile=False), tmp_path, limit=2)
    assert {p.suffix for p in made} == {".svg", ".png"}
    assert len(made) == 6
    assert left_out > 0
    assert all(re.fullmatch(r"[a-z0-9-]+\.(svg|png)", p.name) for p in made)
    width, height = struct.unpack(">II", (tmp_path / "verdicts.png").read_bytes()[16:24])
    assert min(width, height) > 100


def test_a_hostile_record_leaves_the_folder_to_nobody_and_its_text_is_text(tmp_path: Path) -> None:
    hostile = record(results=hostile_results())
    made, _ = still.write_figures(hostile, tmp_path / "in", limit=3)
    assert {p.parent for p in made} == {tmp_path / "in"}
    svg = (tmp_path / "in" / "verdicts.svg").read_text(encoding="utf-8")
    root = ET.fromstring(svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "image", "foreignObject", "img"}
    assert HOSTILE[0] in " ".join(root.itertext())


def test_an_empty_record_has_no_picture(tmp_path: Path) -> None:
    assert still.write_figures(record(results=[]), tmp_path) == ([], 0)


def test_every_colour_of_the_theme_is_in_the_style_sheet() -> None:
    palette = light()
    assert "--" not in str(coloured(CONFIG, palette))
    assert len(palette) > 25


def test_the_legend_of_the_page_and_the_theme_know_the_same_shapes() -> None:
    script = (Path(still.__file__).parent / "static" / "figures.js").read_text(encoding="utf-8")
    shapes = script[script.index("const SHAPES") : script.index("};")]
    names = re.findall(r"'?([a-z][a-z-]+)'?: '", shapes)
    assert tuple(names) == SHAPES


def test_report_writes_figures_on_demand_and_says_what_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = record(hostile=False).to_json(tmp_path / "record.jsonl")
    words = ["si-verify", "report", str(saved), "--figures", str(tmp_path / "figures"), "--figures-limit", "1"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        run_app()
    assert ended.value.code in (0, None)
    assert len(list((tmp_path / "figures").iterdir())) == 4
    assert re.search(r"4 files in .*, \d+ pictures left out", capsys.readouterr().out)
    assert (tmp_path / "report.html").exists()
