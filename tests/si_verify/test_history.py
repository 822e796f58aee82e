"""History over records of many commits: steps are found, lone outliers and noise are not."""

from __future__ import annotations

from typing import Any

import pytest

from si_verify.bench.measure import CHECK as THROUGHPUT
from si_verify.gate import Verdict
from si_verify.record import MeasurementRow, Record
from si_verify.regression.history import Series, Step, histories, timeline
from tests.reports.builders import header, result


def record(number: int, *rows: MeasurementRow, **more: Any) -> Record:
    """The record of commit ``number``, made on day ``number``, of one case."""
    verdict = more.pop("verdict", Verdict.PASSED)
    check = str(more.pop("check", "order"))
    made = {"created": f"2026-11-{number + 1:02d}T10:00:00+00:00", "commit": f"c{number}", **more}
    case = result(check, "s", "p", Verdict(str(verdict)), "ode", measurements=rows)
    return Record(header=header(1, **made), results=(case,))


def row(value: float, half: float | None = None, **fields: object) -> MeasurementRow:
    interval = None if half is None else (value - half, value + half)
    given = {"name": "x", "value": value, "bound": 10.0, "origin": "truncation", "interval": interval, **fields}
    return MeasurementRow.model_validate(given)


def steps_of(records: list[Record], name: str = "x") -> list[Step]:
    found: list[Series] = [s for s in histories(records) if s.name == name]
    assert len(found) <= 1
    return [step for series in found for step in series.steps]


def line(*values: float, half: float | None = None, **fields: object) -> list[Record]:
    return [record(i, row(v, half, **fields)) for i, v in enumerate(values)]


def test_a_sustained_change_beyond_both_intervals_is_a_step_and_says_where() -> None:
    (step,) = steps_of(line(2.0, 2.02, 1.99, 1.5, 1.51, half=0.05))
    assert (step.at, step.confirmed) == (3, True)
    assert (step.before, step.after) == (2.0, 1.5)


def test_intervals_that_touch_are_no_step() -> None:
    assert steps_of(line(2.0, 2.0, 1.85, 1.85, half=0.08)) == []


def test_a_lone_outlier_is_no_step_and_hides_none() -> None:
    assert steps_of(line(1.0, 1.0, 9.0, 1.0, 1.0)) == []
    (step,) = steps_of(line(1.0, 9.0, 1.0, 3.0, 3.0))
    assert (step.at, step.after) == (3, 3.0)


def test_what_only_the_last_record_shows_is_not_confirmed() -> None:
    (step,) = steps_of(line(1.0, 1.0, 1.5))
    assert (step.at, step.confirmed, step.worse) == (2, False, True)


def test_up_and_down_again_are_two_steps_worse_then_better() -> None:
    found = steps_of(line(1.0, 1.0, 1.2, 1.2, 1.0, 1.0))
    assert [(s.at, s.worse, s.confirmed) for s in found] == [(2, True, True), (4, False, True)]


def test_a_noise_free_number_steps_by_more_than_a_hundredth_and_not_by_less() -> None:
    assert steps_of(line(1.0, 1.0, 1.009, 1.009)) == []
    assert len(steps_of(line(1.0, 1.0, 1.02, 1.02))) == 1


def test_a_slow_drift_is_no_step_until_it_leaves_the_range() -> None:
    assert steps_of(line(1.0, 1.004, 1.008, 1.012, 1.016)) == []


def test_numbers_whose_noise_is_not_known_never_step() -> None:
    assert steps_of(line(1.0, 1.0, 5.0, 5.0, origin="sampling", confidence=0.999)) == []
    assert len(steps_of(line(1.0, 1.0, 5.0, 5.0, origin="sampling", confidence=0.999, detectable=0.5))) == 1
    assert steps_of(line(1.0, 1.0, 5.0, 5.0, origin="sampling", confidence=0.999, detectable=4.5)) == []


def test_rounding_is_held_by_its_bound_only() -> None:
    assert steps_of(line(1e-15, 1e-15, 5e-15, 5e-15, origin="rounding", bound=1e-13)) == []
    assert len(steps_of(line(1e-15, 1e-15, 5e-13, 5e-13, origin="rounding", bound=1e-13))) == 1


def test_not_a_number_is_left_out_and_the_verdict_tells() -> None:
    good, bad = (1.0, "passed"), (float("nan"), "failed")
    records = [record(i, row(v), verdict=w) for i, (v, w) in enumerate([good, good, bad, bad])]
    assert steps_of(records) == []
    (step,) = steps_of(records, name="")
    assert (step.at, step.worse, step.confirmed) == (2, True, True)


def test_at_least_and_throughputs_get_worse_when_they_fall() -> None:
    assert steps_of(line(2.0, 2.0, 1.0, 1.0, relation="at_least"))[0].worse
    assert not steps_of(line(2.0, 2.0, 1.0, 1.0))[0].worse


@pytest.mark.parametrize(("values", "count"), [((100, 101, 98, 99), 0), ((100, 100, 90, 90), 1)])
def test_throughputs_step_beyond_the_practical_margin(values: tuple[float, ...], count: int) -> None:
    records = [record(i, row(v, 0.1, name="throughput"), check=THROUGHPUT) for i, v in enumerate(values)]
    found = steps_of(records, "throughput")
    assert len(found) == count
    assert all(s.worse for s in found)


def test_what_records_of_one_commit_differ_by_is_noise() -> None:
    def bench(number: int, value: float, commit: str) -> Record:
        return record(number, row(value, 0.1, name="throughput"), check=THROUGHPUT, commit=commit)

    values = [(100, "a"), (85, "a"), (86, "b"), (75, "c"), (76, "d")]
    assert steps_of([bench(i, v, c) for i, (v, c) in enumerate(values)], "throughput") == []


def test_records_are_ordered_by_when_they_were_made_and_kept_apart_by_machine_and_setting() -> None:
    late, early, other = record(5, row(1.0)), record(1, row(1.0)), record(2, row(1.0), seed=7)
    assert timeline([late, other, early]) == [[2, 0], [1]]


def test_a_new_version_of_torch_is_a_reason_for_a_step_not_another_history() -> None:
    newer = {"versions": {"torch": "9"}}
    records = [*line(1.0, 1.0), record(2, row(2.0), **newer), record(3, row(2.0), **newer)]
    assert len(steps_of(records)) == 1


def test_worse_and_confirmed_comes_first() -> None:
    cases = {"better": (2.0, 2.0, 1.0, 1.0), "unsure": (1.0, 1.0, 1.0, 2.0), "worse": (1.0, 1.0, 2.0, 2.0)}
    records = []
    for i in range(4):
        results = [
            result(name, "s", "p", Verdict.PASSED, "ode", measurements=(row(values[i]),))
            for name, values in cases.items()
        ]
        records.append(record(i).model_copy(update={"results": tuple(results)}))
    assert [s.case.split("/")[0] for s in histories(records) if s.steps] == ["worse", "unsure", "better"]
