"""The drawers: each kind of docs/record.md has one, each makes a specification that Vega-Lite compiles."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from reports import gallery
from reports.embed import embed_json
from reports.figures import drawers
from reports.figures.columns import MAX_ROWS, embeddable
from reports.figures.convergence import DRAWER as CONVERGENCE
from reports.figures.drawer import Sheet
from si_verify.gate import Verdict
from si_verify.record import DataRow, Result
from tests.reports.builders import result
from tests.reports.synthetic import record
from tests.reports.synthetic_data import convergence, error_vs_t, one_dimension, two_dimensions

ROOT = Path(__file__).resolve().parents[2]


def sheet(data: DataRow, subject: str = "s", index: int = 0) -> Sheet:
    return Sheet(result("c", subject, "p", Verdict.PASSED, "ode", data=(data,)), data, index)


def subject(name: str, *data: DataRow, verdict: Verdict = Verdict.PASSED) -> Result:
    return result("order", name, "p", verdict, "ode", data=data)


def test_every_documented_kind_is_drawn_and_every_drawn_kind_documented() -> None:
    table = (ROOT / "docs" / "record.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)) == set(drawers())


def test_every_specification_compiles_to_vega() -> None:
    import vl_convert

    for spec in gallery.build(record().results).specs:
        filled = _filled(spec)
        compiled = vl_convert.vegalite_to_vega(filled)
        assert compiled["marks"]


def _filled(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: ["a", "b"] if k == "domain" and v == ["$series"] else _filled(v) for k, v in node.items()}
    return [_filled(v) for v in node] if isinstance(node, list) else node


def test_subjects_of_one_check_and_problem_share_a_picture() -> None:
    built = gallery.build([subject("a", convergence(1, 0, 1)), subject("b", convergence(2, 1, 2))])
    (plate,) = built.sections[0]["plates"]
    assert [s[1] for s in built.plates[plate]["sheets"]] == ["a", "b"]


def test_more_curves_than_colours_are_spread_over_several_pictures() -> None:
    built = gallery.build([subject(f"s{i}", convergence(1, i, 1)) for i in range(20)])
    sizes = [len(built.plates[p]["sheets"]) for p in built.sections[0]["plates"]]
    assert sum(sizes) == 20
    assert max(sizes) <= gallery.MAX_SERIES


def test_pictures_of_failures_come_first() -> None:
    results = [result("order", "s", p, v, "ode", data=(convergence(1, 0, 1),))
               for p, v in (("calm", Verdict.PASSED), ("broken", Verdict.FAILED))]  # fmt: skip
    built = gallery.build(results)
    assert [built.plates[p]["problem"] for p in built.sections[0]["plates"]] == ["broken", "calm"]


def test_curves_with_different_labels_are_told_apart() -> None:
    data = [
        convergence(1, i, 1).model_copy(update={"meta": {"label": w}}) for i, w in enumerate(("forward", "backward"))
    ]
    built = gallery.build([subject("s", *data)])
    assert [[s[1] for s in built.plates[p]["sheets"]] for p in built.own[0]] == [["forward", "backward"]]
    assert len(built.sections[0]["plates"]) == 2


def test_a_label_that_repeats_its_subject_keeps_no_curve_alone() -> None:
    results = []
    for i, name in enumerate("ab"):
        data = convergence(1, i, 1)
        results.append(subject(name, data.model_copy(update={"meta": {**data.meta, "label": f"{name}, forward"}})))
    (plate,) = (built := gallery.build(results)).sections[0]["plates"]
    assert [s[1] for s in built.plates[plate]["sheets"]] == ["a", "b"]
    assert built.plates[plate]["title"] == "Order of convergence, forward"


def test_a_claimed_order_is_drawn_with_its_slope() -> None:
    drawing = CONVERGENCE.draw([sheet(convergence(2.0, 0, 2.0))])
    guides = drawing.tables["guides"]
    slope = math.log(guides["error"][1] / guides["error"][0]) / math.log(guides["step"][1] / guides["step"][0])
    assert slope == pytest.approx(2.0, rel=1e-9)
    assert drawing.captions == ["fitted 2.03 (1.92 to 2.11), claimed 2"]


def test_an_order_that_no_line_fits_is_not_given_digits() -> None:
    data = convergence(2.0, 0, 2.0)
    data = data.model_copy(update={"meta": {**data.meta, "low": -37.0, "high": 35.0}})
    assert CONVERGENCE.draw([sheet(data)]).captions == ["no clear order, claimed 2"]


def test_points_that_a_logarithmic_axis_cannot_show_are_counted() -> None:
    columns = {"step": [0.1, 0.2, 0.4], "error": [0.0, None, 1.0]}
    notes = CONVERGENCE.draw([sheet(DataRow(kind="convergence", title="", columns=columns))]).notes
    assert any(n.startswith("1 of the points are not above zero") for n in notes)
    assert any(n.startswith("1 of the points are not finite") for n in notes)


def test_t_keeps_every_digit_and_other_columns_six() -> None:
    columns, _ = embeddable(error_vs_t(0))
    assert columns["t"] == error_vs_t(0).columns["t"]
    assert all(len(f"{e:.17g}") > 6 and e == float(f"{e:.6g}") for e in columns["error"])


def test_thinning_keeps_whole_paths_and_says_how_much_went() -> None:
    rows = 60 * 200
    data = DataRow(kind="trajectories-1d", title="", columns={
        "path": [i // 60 for i in range(rows)],
        "t": [i % 60 / 59 for i in range(rows)],
        "x": [0.0] * rows,
    })  # fmt: skip
    columns, gone = embeddable(data)
    assert len(columns["path"]) + gone == rows
    assert len(columns["path"]) <= MAX_ROWS
    assert all(columns["path"].count(p) == 60 for p in set(columns["path"]))


def test_samples_join_the_density_of_their_result_and_paths_its_marginals() -> None:
    built = gallery.build([subject("s", *one_dimension(0), *two_dimensions(0))])
    kinds = [[s[2] for s in built.plates[p]["sheets"]] for p in built.own[0]]
    assert ["density-2d", "samples-2d"] in kinds
    assert ["trajectories-1d", "density-1d"] in kinds
    assert ["samples-2d"] not in kinds


@pytest.mark.parametrize("kind", [*drawers(), "no-such-kind"])
def test_nonsense_of_any_kind_becomes_a_table_or_a_picture_never_an_exception(kind: str) -> None:
    names = sorted(drawers()[kind].columns) if kind in drawers() else ["a"]
    for value in (None, "text", [1], [math.inf], {"a": [math.nan]}, True, 10**400, -1.0, 0.0):
        data = DataRow(
            kind=kind, title="x", columns={n: [value, value] for n in names}, meta={"claimed": value, "order": value}
        )
        built = gallery.build([subject("s", data)])
        assert built.plates
        assert embed_json(built.data)
    assert gallery.build([subject("s", DataRow(kind=kind, title="x", columns={}))]).plates


def test_data_beyond_the_page_s_size_is_counted_not_lost_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "MAX_CELLS", 40)
    built = gallery.build(
        [subject("calm", convergence(1, 0, 1)), subject("bad", convergence(1, 1, 1), verdict=Verdict.FAILED)]
    )
    assert built.dropped == 1
    assert [built.plates[p]["sheets"][0][1] for p in built.sections[0]["plates"]] == ["bad"]
