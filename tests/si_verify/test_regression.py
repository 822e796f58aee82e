"""What the gate calls wrong, lost, slower or not comparable; and what it leaves alone."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from si_verify.bench.clock import Estimate
from si_verify.gate import Exit, Verdict
from si_verify.record import DataRow, Header, MeasurementRow, Record, RecordError, Result
from si_verify.regression import planted
from si_verify.regression.accuracy import MARGIN
from si_verify.regression.baseline import accept, find
from si_verify.regression.change import Change, Kind, exit_of
from si_verify.regression.comparable import NotComparable, differences
from si_verify.regression.judge import judge_records
from si_verify.regression.speed import PRACTICAL, Race

MACHINE = {"cpu": "Zen", "cores": 2, "torch_threads": 1, "python": "3.11.7"}
VERSIONS = {"torch": "2.13.0", "numpy": "2.1.0", "si-verify": "0.1.0"}


def header(**extra) -> Header:
    given = {"machine": MACHINE, "versions": VERSIONS, "planned": 0, "seed": 0, "device": "cpu", **extra}
    return Header(created="2026-01-01", command="c", profile="quick", budget=1e-6, **given)


def result(name: str = "a", verdict: Verdict = Verdict.PASSED, *rows: MeasurementRow, **extra) -> Result:
    given = {"check": "c", "subject": "s", "kind": "ode", "problem": "p", "dtype": "float64", "device": "cpu", **extra}
    return Result(id=name, seed=1, verdict=verdict, measurements=rows, reproduce=f"again {name}", **given)


def row(value: float, origin: str = "truncation", **extra) -> MeasurementRow:
    return MeasurementRow(name="error", value=value, bound=1.0, origin=origin, **extra)


def record(*results: Result, **extra) -> Record:
    return Record(header=header(**extra), results=results)


def kinds(base: Record, head: Record) -> list[Kind]:
    return [c.kind for c in judge_records(base, head)]


@pytest.mark.parametrize(
    ("ratio", "kind"),
    [(1 + 0.9 * MARGIN, Kind.SAME), (1 + 1.1 * MARGIN, Kind.WORSE), (1 - 1.1 * MARGIN, Kind.BETTER), (1.0, Kind.SAME)],
)
def test_a_noise_free_number_may_move_by_its_margin_and_no_more(ratio, kind):
    base = record(result("a", Verdict.PASSED, row(1e-3)))
    assert kinds(base, record(result("a", Verdict.PASSED, row(1e-3 * ratio)))) == [kind]


@pytest.mark.parametrize(
    "numbers",
    [
        (row(1e-3, "rounding"), row(9e-3, "rounding")),
        (row(1e-3, "sampling", confidence=0.99), row(9e-3, "sampling", confidence=0.99)),
        (row(1e-14), row(9e-14)),  # rounding alone could do this
        (row(2.0, interval=(1.9, 2.1)), row(2.05, interval=(1.95, 2.15))),
    ],
)
def test_what_is_not_noise_free_is_left_to_its_own_bound(numbers):
    base, head = (record(result("a", Verdict.PASSED, m)) for m in numbers)
    assert kinds(base, head) == [Kind.SAME]


def test_where_more_is_better_less_is_worse():
    rows = [
        MeasurementRow(name="order", value=v, bound=1.0, relation="at_least", origin="truncation") for v in (2, 1.9)
    ]
    base, head = (record(result("a", Verdict.PASSED, m)) for m in rows)
    assert kinds(base, head) == [Kind.WORSE]
    assert kinds(head, base) == [Kind.BETTER]


def ladder(errors: list[float], floor: float | None = 1e-12, low: float | None = None) -> DataRow:
    n = [2**k for k in range(len(errors))]
    columns = {
        "n": n,
        "step": [1 / k for k in n],
        "error": errors,
        "used": [True] * len(n),
        "error_low": [low] * len(n),
    }
    return DataRow(kind="convergence", title="Order", columns=columns, meta={"floor": floor})


@pytest.mark.parametrize(
    ("base", "head", "kind"),
    [
        (ladder([1e-2, 1e-3]), ladder([1e-2, 1.03e-3]), Kind.WORSE),
        (ladder([1e-2, 1e-12]), ladder([1e-2, 9e-12]), Kind.SAME),
        (ladder([1e-2], None), ladder([9e-2], None), Kind.SAME),
        (ladder([1e-2], low=9e-3), ladder([2e-2], low=9e-3), Kind.SAME),
        (ladder([1e-2, 1e-3]), ladder([1e-2]), Kind.LOST),
        (ladder([1e-2, 1e-3]), ladder([1e-2, math.inf]), Kind.LOST),
    ],
)
def test_every_rung_of_a_ladder_counts_where_rounding_and_sampling_do_not_reach(base, head, kind):
    assert kinds(record(result("a", data=(base,))), record(result("a", data=(head,)))) == [kind]


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        (Verdict.PASSED, Verdict.FAILED, Kind.FAILED),
        (Verdict.FAILED, Verdict.FAILED, Kind.FAILED),
        (Verdict.PASSED, Verdict.UNEXPECTED_PASS, Kind.FAILED),
        (Verdict.PASSED, Verdict.ERROR, Kind.ERROR),
        (Verdict.PASSED, Verdict.SKIPPED, Kind.LOST),
        (Verdict.PASSED, Verdict.INCONCLUSIVE, Kind.AMBIGUOUS),
        (Verdict.EXPECTED_FAILURE, Verdict.PASSED, Kind.SAME),
    ],
)
def test_verdicts_by_their_own_bounds(then, now, kind):
    assert kinds(record(result("a", then)), record(result("a", now))) == [kind]


def test_a_case_that_is_gone_is_red_and_a_new_one_is_not():
    both, one = record(result("a"), result("b")), record(result("a"))
    assert kinds(both, one) == [Kind.SAME, Kind.LOST]
    assert kinds(one, both) == [Kind.SAME, Kind.NEW]
    assert kinds(record(result("a"), result("b", Verdict.SKIPPED)), one) == [Kind.SAME]


def test_a_run_that_did_not_finish_is_not_green():
    assert exit_of(judge_records(record(result()), record(result(), planned=2))) is Exit.UNMEASURED


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"device": "cuda:0"}, "device"),
        ({"profile": "full"}, "profile"),
        ({"seed": 1}, "seed"),
        ({"select": "x"}, "select"),
        ({"versions": {**VERSIONS, "torch": "2.14.0"}}, "torch"),
        ({"versions": {**VERSIONS, "numpy": "2.1.1"}}, "numpy"),
        ({"machine": {**MACHINE, "python": "3.12.0"}}, "python"),
        ({"machine": {**MACHINE, "driver": "999"}}, "driver"),
        ({"machine": {**MACHINE, "gpu": "H100"}}, "gpu"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_its_name(extra, named):
    base = record(result())
    other = Record(header=header().model_copy(update=extra), results=base.results)
    with pytest.raises(NotComparable, match=f"{named}: "):
        judge_records(base, other)


def test_what_does_not_matter_is_not_compared():
    same = {"python": "3.11.9", "cpu": "Other", "cores": 4}
    other = record(result(), versions={**VERSIONS, "si-verify": "0.2"}, machine={**MACHINE, **same})
    assert differences(record(result()), other) == []
    timed = [record(result(check="throughput"), machine={**MACHINE, **extra}) for extra in ({}, same)]
    assert [d.name for d in differences(*timed)] == ["cores", "cpu"]


def test_damaged_lines_may_hide_a_failure():
    with pytest.raises(NotComparable, match="1 damaged"):
        judge_records(record(result()), record(result()).model_copy(update={"damaged": 1}))


def test_a_precision_that_was_left_out_is_not_comparable():
    with pytest.raises(NotComparable, match="dtypes"):
        judge_records(record(result("a"), result("b", dtype="float32")), record(result("a")))


def race(
    head: tuple[float, float, float], again: tuple[float, float, float], equal: tuple[float, float, float]
) -> Race:
    return Race(Estimate(*head), Estimate(*again), Estimate(*equal), (1.0, 1.0))


QUIET = (1.0, 0.99, 1.01)


@pytest.mark.parametrize(
    ("pair", "kind"),
    [
        (race((1.1, 1.08, 1.12), (1.1, 1.08, 1.12), QUIET), Kind.SLOWER),
        (race((1.1, 1.08, 1.12), (1.0, 0.99, 1.01), (1.1, 1.08, 1.12)), Kind.AMBIGUOUS),  # one process's bad luck
        (
            race((1.1, 1.08, 1.12), (1.1, 1.08, 1.12), (1.0, 0.85, 1.15)),
            Kind.AMBIGUOUS,
        ),  # below the A/A floor, which is blind
        (race((1.1, 0.99, 1.2), (1.1, 0.99, 1.2), QUIET), Kind.AMBIGUOUS),
        (
            race((1.05, 1.04, 1.06), (1.05, 1.04, 1.06), (1.0, 0.93, 1.06)),
            Kind.SAME,
        ),  # below an A/A floor that sees 10 %
        (race((1.02, 1.01, 1.025), (1.02, 1.01, 1.025), QUIET), Kind.SAME),  # real and too small to matter
        (race((0.9, 0.88, 0.92), (0.9, 0.88, 0.92), QUIET), Kind.FASTER),
    ],
)
def test_slower_needs_every_one_of_its_conditions(pair, kind):
    assert pair.kind is kind
    assert pair.margin >= PRACTICAL


@pytest.mark.parametrize(
    ("rate", "kind"),
    [((0.8, 0.78, 0.82), Kind.SLOWER), ((0.97, 0.9, 1.04), Kind.AMBIGUOUS), ((1.0, 0.99, 1.01), Kind.SAME),
     ((1.3, 1.2, 1.4), Kind.FASTER)],
)  # fmt: skip
def test_two_bench_records_decide_only_what_their_intervals_do(rate, kind):
    def timed(value: float, low: float, high: float) -> Record:
        m = MeasurementRow(name="throughput", value=value, interval=(low, high), origin="sampling", confidence=0.99)
        return record(result("throughput/x", Verdict.PASSED, m, check="throughput"))

    assert kinds(timed(1.0, 0.995, 1.005), timed(*rate)) == [Kind.SAME, kind]


def test_exit_codes():
    assert exit_of([]) is Exit.NOTHING
    assert exit_of([Change(Kind.SAME, "a"), Change(Kind.AMBIGUOUS, "b")]) is Exit.PASSED
    assert exit_of([Change(Kind.AMBIGUOUS, "b")], strict=True) is Exit.INCONCLUSIVE
    assert exit_of([Change(Kind.ERROR, "a")]) is Exit.UNMEASURED
    for kind in (Kind.FAILED, Kind.LOST, Kind.WORSE, Kind.SLOWER):
        assert exit_of([Change(Kind.ERROR, "a"), Change(kind, "b")]) is Exit.FAILED


def test_an_accepted_baseline_is_found_by_its_conditions_and_nothing_else(tmp_path):
    mine = record(result("a"))
    path, given = accept(mine.to_json(tmp_path / "r.jsonl"), tmp_path / "kept", "it is right", "Ada")
    assert (given.who, given.why) == ("Ada", "it is right")
    assert json.loads(path.with_suffix(".json").read_text())["conditions"]["torch"] == "2.13.0"
    assert find(mine, tmp_path / "kept")[1].results == mine.results
    with pytest.raises(RecordError, match=r"no baseline for these conditions.*for this device there are"):
        find(record(result("a"), seed=3), tmp_path / "kept")
    path.write_text(path.read_text() + "\n")
    with pytest.raises(RecordError, match="is not the file that was accepted"):
        find(mine, tmp_path / "kept")


@pytest.mark.parametrize(
    "bad", [record(result("a", Verdict.FAILED)), record(result("a"), planned=2)], ids=["failed", "unfinished"]
)
def test_only_a_whole_and_right_record_becomes_the_baseline(tmp_path, bad):
    with pytest.raises(RecordError, match=r"a baseline must be right|finish it first"):
        accept(bad.to_json(tmp_path / "r.jsonl"), tmp_path / "kept", "why", "Ada")
    assert not (tmp_path / "kept").exists()


def test_a_device_name_cannot_lead_out_of_the_folder(tmp_path):
    mine = record(result("a"), machine={**MACHINE, "cpu": "../../../etc/\n<b>x\x00"})
    path, _ = accept(mine.to_json(tmp_path / "r.jsonl"), tmp_path / "kept", "why", "Ada")
    assert path.resolve().is_relative_to((tmp_path / "kept").resolve())


def test_a_planted_loss_of_three_percent_is_seen_and_an_unchanged_solver_is_not():
    changes = planted.judge_loss(0, planted.LOSS)
    assert [c.kind for c in changes] == [Kind.WORSE]
    np.testing.assert_allclose(changes[0].ratio, 1 + planted.LOSS * (1 - 4.0**-4), rtol=2e-4)
    assert [c.kind for c in planted.judge_loss(0, 0.0)] == [Kind.SAME]
