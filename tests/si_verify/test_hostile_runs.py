"""More that a subject or a machine may do to a run: each has its own verdict or its own sentence, and the run ends."""

from __future__ import annotations

import dataclasses
import os
import resource
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from si_verify.book import Book, begun
from si_verify.case import Case, Target
from si_verify.executors.inline import InlineExecutor
from si_verify.executors.local import LocalExecutor
from si_verify.gate import Verdict
from si_verify.plan import Settings
from si_verify.record import RecordError, RecordWriter, read_record
from si_verify.run import make_header, run
from si_verify.subject import Claims, Subject, Unavailable
from tests.si_verify.test_executors import HOSTILE, case, name_of
from tests.si_verify.test_record import result

EXPECTED = {
    "eats_memory": "alloc",
    "leaks_python_memory": "MemoryError",
    "wrong_device": "expected device cpu",
}


def test_a_subject_that_eats_memory_is_refused_it_and_the_next_one_is_measured(tmp_path):
    cases = [case(name) for name in (*EXPECTED, "forks_and_returns", "euler")]
    cases.append(case("keeps_state", "ode-behaviour"))
    broken = HOSTILE.with_name("hostile_import.py")
    target = Target("ode", f"{broken}:solve", (("order", 1.0),))
    cases.append(dataclasses.replace(case("euler"), subject=target.spec, target=target))
    record = run(cases, Settings(), LocalExecutor(timeout=120, memory_gib=2.0), tmp_path / "record.jsonl")
    by_name = {name_of(r): r for r in record.results}
    for name, reason in EXPECTED.items():
        assert by_name[name].verdict is Verdict.FAILED, (name, by_name[name].reason)
        assert reason in by_name[name].reason, (name, by_name[name].reason)
    assert by_name["forks_and_returns"].verdict is Verdict.PASSED  # its child never answers in its place
    assert by_name["euler"].verdict is Verdict.PASSED
    assert by_name["keeps_state"].verdict is Verdict.FAILED
    broke = {m.name for m in by_name["keeps_state"].measurements if m.verdict is Verdict.FAILED}
    assert "difference of two equal calls" in broke
    assert by_name["solve"].verdict is Verdict.FAILED
    assert "a_package_that_is_not_there" in by_name["solve"].reason
    assert [r.id for r in read_record(tmp_path / "record.jsonl").results] == [c.id for c in cases]


def test_a_missing_optional_dependency_is_a_skip_with_its_reason():
    def load():
        raise Unavailable("pip install nothing-of-the-kind")

    subject = Subject("absent", "ode", load, Claims(order=1.0))
    one = Case("ode-order", "absent", "gaussian-1d", "float64", "cpu", 0, "quick", 1e-9)
    found = next(InlineExecutor({"absent": subject}).execute([one], lambda c: None))
    assert (found.verdict, found.reason) == (Verdict.SKIPPED, "pip install nothing-of-the-kind")


TAMPERERS = ["appends_to_the_record", "empties_the_record", "removes_the_record", "overwrites_the_record"]


def test_whoever_writes_to_the_record_is_told_from_the_others_and_the_record_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "record.jsonl"
    monkeypatch.setenv("SI_VERIFY_TEST_RECORD", str(path))
    cases = [case("euler"), *(case(name) for name in TAMPERERS), dataclasses.replace(case("euler"), dtype="float32")]
    record = run(cases, Settings(), LocalExecutor(timeout=120), path)
    for found in record.results:
        bad = name_of(found) != "euler"
        assert ("the subject wrote to it" in found.reason) is bad, found.reason
        assert found.verdict is Verdict.FAILED if bad else found.verdict is not Verdict.ERROR
    again = read_record(path)
    assert again.damaged == 0
    assert [r.model_dump_json() for r in again.results] == [r.model_dump_json() for r in record.results]


def book(path: Path) -> Book:
    header = make_header(Settings(), 3, "c")
    return Book(path, header, [], RecordWriter.create(path, header))


def test_of_several_that_ran_none_is_blamed_for_what_one_did(tmp_path):
    path = tmp_path / "record.jsonl"
    held = book(path)
    held.append(result("a"), 2)
    path.write_text("forged\n")
    written = held.append(result("b"), 2)
    assert written.verdict is Verdict.PASSED
    assert "beside 1 others; it was restored" in written.notes[0]
    path.unlink()
    held.close()
    assert [r.id for r in read_record(path).results] == ["a", "b"]


@pytest.mark.parametrize("content", [b"", b'{"type":"hea', b'{"type":"header","created":"2026'])
def test_a_run_killed_before_its_first_line_is_resumed_from_nothing(tmp_path, content):
    path = tmp_path / "record.jsonl"
    path.with_suffix(".previous.jsonl").write_text("an older record")
    path.write_bytes(content)
    assert not begun(path)
    run([case("euler")], Settings(), InlineExecutor(), path, resume=True)
    assert len(read_record(path).results) == 1
    assert path.with_suffix(".previous.jsonl").read_text() == "an older record"


def test_what_is_no_record_is_not_resumed_and_not_lost(tmp_path):
    path = tmp_path / "record.jsonl"
    path.write_text("my diary")
    with pytest.raises(RecordError, match="no header line"):
        run([case("euler")], Settings(), InlineExecutor(), path, resume=True)
    assert path.read_text() == "my diary"


def _limited(kib: int):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, kib * 1024))

    return limit


def command(*words: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "si_verify", "check", "ode", f"{HOSTILE}:euler", "--order", "1", *words],
        capture_output=True, text=True, timeout=300, preexec_fn=_limited(limit) if limit else None,
        env={**os.environ, "PYTHONPATH": str(HOSTILE.parents[2]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_full_disk_is_one_sentence_and_what_was_measured_is_resumed(tmp_path):
    # 6 KiB: room for the header and not for all results; then for all results and not for the page.
    words = ["--select", "check=ode-order or check=ode-behaviour", "--dtype", "float64", "--output", str(tmp_path)]
    for limit in (6, 400):
        done = command(*words, "--resume", limit=limit)
        assert done.returncode == 4, done.stderr
        assert "cannot write" in done.stderr
        assert "Traceback" not in done.stderr
    done = command(*words, "--resume")
    assert done.returncode == 0, done.stderr
    record = read_record(tmp_path / "record.jsonl")
    assert (record.damaged, len(record.results)) == (0, record.header.planned)
    ET.parse(tmp_path / "junit.xml")


@pytest.mark.parametrize("where", ["/proc/no-such", "a file"])
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, where, monkeypatch, capsys):
    from si_verify.cli.app import run_app

    place = Path(where)
    if where == "a file":
        place = tmp_path / "taken"
        place.write_text("")
    select = "check=ode-order and problem=correlated-2d"
    words = ["check", "ode", f"{HOSTILE}:euler", "--order", "1", "--select", select, "--output", str(place)]
    monkeypatch.setattr(sys, "argv", ["si-verify", *words])
    with pytest.raises(SystemExit) as ended:
        run_app()
    assert ended.value.code == 4
    said = capsys.readouterr().err
    assert "cannot write the record" in said
    assert "Traceback" not in said
