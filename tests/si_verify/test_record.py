"""A record survives kills, damage and time; what it says is what was measured."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from si_verify.gate import Verdict
from si_verify.record import (
    SCHEMA_VERSION,
    Header,
    MeasurementRow,
    Record,
    RecordError,
    RecordWriter,
    Result,
    plain,
    read_record,
    schema,
)

HEADER = Header(created="2026-01-01", command="c", profile="quick", seed=0, device="cpu", budget=1e-6, planned=3)


def result(name: str, verdict: Verdict = Verdict.PASSED, **extra) -> Result:
    return Result(
        id=name, check="c", subject="s", kind="ode", problem="p", dtype="float64", device="cpu", seed=1,
        verdict=verdict, **extra,
    )  # fmt: skip


def write(path: Path, *results: Result) -> Path:
    with RecordWriter.create(path, HEADER) as writer:
        for r in results:
            writer.append(r)
    return path


def test_what_is_written_is_what_is_read_also_when_it_is_not_finite(tmp_path):
    row = MeasurementRow(name="m", value=math.nan, bound=math.inf, interval=(-math.inf, 1.0), margin=0.5)
    path = write(tmp_path / "r.jsonl", result("a", measurements=(row,)))
    for line in path.read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    read = read_record(path).results[0].measurements[0]
    assert math.isnan(read.value)
    assert (read.bound, read.interval) == (math.inf, (-math.inf, 1.0))


def test_every_result_is_on_disk_before_the_next_is_asked_for(tmp_path):
    path = tmp_path / "r.jsonl"
    writer = RecordWriter.create(path, HEADER)
    writer.append(result("a"))
    assert [r.id for r in read_record(path).results] == ["a"]
    writer.close()


@given(cut=st.integers(1, 200))
def test_a_record_torn_anywhere_in_its_last_line_loses_that_line_only(tmp_path_factory, cut):
    path = write(tmp_path_factory.mktemp("r") / "r.jsonl", result("a"), result("b"))
    whole = path.read_bytes()
    last = len(whole) - whole.rstrip(b"\n").rfind(b"\n") - 1
    path.write_bytes(whole[: -min(cut, last - 1)] if cut > 1 else whole[:-1])
    ids = [r.id for r in read_record(path).results]
    assert ids in (["a"], ["a", "b"])
    with RecordWriter.resume(path) as writer:
        writer.append(result("c"))
    after = read_record(path)
    assert [r.id for r in after.results] == ["a", "c"]
    assert after.damaged == 0


def test_a_doubled_result_counts_once(tmp_path):
    path = write(tmp_path / "r.jsonl", result("a"), result("a", Verdict.FAILED))
    assert [r.verdict for r in read_record(path).results] == [Verdict.PASSED]


@given(junk=st.binary(max_size=300))
def test_junk_lines_are_counted_and_never_raise(tmp_path_factory, junk):
    path = write(tmp_path_factory.mktemp("r") / "r.jsonl", result("a"))
    junk = junk.replace(b"\n", b"")
    with path.open("ab") as f:
        f.write(junk + b"\n")
    record = read_record(path)
    assert record.results[0].id == "a"
    assert record.damaged == (1 if junk.strip() else 0)


def test_a_newer_schema_is_refused_with_its_number(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({**json.loads(HEADER.model_dump_json()), "schema_version": SCHEMA_VERSION + 1}) + "\n")
    with pytest.raises(RecordError, match=f"schema version {SCHEMA_VERSION + 1} is newer"):
        read_record(path)


@pytest.mark.parametrize("content", ["", "{}\n", "not json\n", '{"type": "result"}\n', "[" * 10_000 + "\n"])
def test_what_is_no_record_is_a_clear_error(tmp_path, content):
    path = tmp_path / "r.jsonl"
    path.write_text(content)
    with pytest.raises(RecordError, match="no header"):
        read_record(path)


def test_a_missing_or_unwritable_file_is_a_clear_error(tmp_path):
    with pytest.raises(RecordError, match="cannot read"):
        read_record(tmp_path / "none.jsonl")
    with pytest.raises(RecordError, match="cannot write"):
        RecordWriter.create(Path("/proc/no-such/r.jsonl"), HEADER)


def test_a_full_disk_is_a_clear_error():
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    writer = RecordWriter(Path("/dev/full"), "w")
    with pytest.raises(RecordError, match="No space left"):
        writer.append(result("a"))


def test_a_new_run_keeps_the_old_record(tmp_path):
    path = write(tmp_path / "r.jsonl", result("old"))
    write(path, result("new"))
    assert read_record(tmp_path / "r.previous.jsonl").results[0].id == "old"


def test_passed_needs_a_pass_and_no_alarm():
    def passed(*verdicts: Verdict) -> bool:
        return Record(header=HEADER, results=tuple(result(str(i), v) for i, v in enumerate(verdicts))).passed

    assert passed(Verdict.PASSED, Verdict.SKIPPED, Verdict.EXPECTED_FAILURE, Verdict.INCONCLUSIVE)
    assert not passed()
    assert not passed(Verdict.SKIPPED)
    for bad in (Verdict.FAILED, Verdict.ERROR, Verdict.UNEXPECTED_PASS):
        assert not passed(Verdict.PASSED, bad)


def test_plain_makes_any_nested_value_fit_for_json():
    import numpy as np
    import torch

    value = {"a": np.float64(1.5), 2: [np.array([1.0, np.nan])], "t": torch.tensor([np.inf]), "n": (1, None, "s")}
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == {
        "a": 1.5, "2": [[1.0, None]], "t": [None], "n": [1, None, "s"],
    }  # fmt: skip


def test_the_published_schema_is_that_of_the_code():
    published = Path(__file__).parents[2] / "docs" / "record.schema.json"
    assert json.loads(published.read_text()) == json.loads(json.dumps(schema())), (
        "run: python -m si_verify.record > docs/record.schema.json"
    )
