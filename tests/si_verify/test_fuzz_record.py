"""Whatever is in a record or a configuration: a value or the one error that names it; no traceback, no script."""

from __future__ import annotations

import contextlib
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.render import render
from si_verify.config import Config, ConfigError, load_config
from si_verify.gate import Verdict
from si_verify.junit import write_junit
from si_verify.record import DataRow, MeasurementRow, Record, RecordError, read_record
from si_verify.regression.comparable import NotComparable
from si_verify.regression.judge import judge_records
from tests.si_verify.test_record import HEADER, result, write

SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
_leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_json = st.recursive(_leaf, lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=6), c, max_size=3))
_fields = st.sampled_from(
    ["type", "schema_version", "id", "seed", "verdict", "measurements", "data", "machine", "versions", "planned",
     "tags", "evidence", "seconds", "created", "alpha", "claims"]
)  # fmt: skip


def full(tmp_path: Path) -> Path:
    row = MeasurementRow(name="m", value=1e-3, bound=1.0, origin="truncation", interval=(0.0, 1.0))
    data = DataRow(kind="convergence", title="t", columns={"n": [1], "step": [1.0], "error": [0.1], "used": [True]})
    return write(tmp_path / "r.jsonl", result("a", measurements=(row,), data=(data,)), result("b", Verdict.FAILED))


def _read(path: Path) -> Record | None:
    try:
        record = read_record(path)
    except RecordError as error:
        assert str(path) in str(error)
        return None
    with contextlib.suppress(NotComparable):
        judge_records(record, record)
    return record


@SLOW
@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_flipped_bytes_give_a_record_or_one_error(tmp_path, flips):
    path = full(tmp_path)
    content = bytearray(path.read_bytes())
    for place, value in flips:
        content[place % len(content)] = value
    path.write_bytes(content)
    record = _read(path)
    if record is not None:
        assert len(record.results) + record.damaged >= 1
        assert all(isinstance(r.verdict, Verdict) for r in record.results)


@SLOW
@given(line=st.integers(0, 2), changes=st.dictionaries(_fields, _json, min_size=1, max_size=4))
def test_any_value_in_any_field_gives_a_record_or_one_error(tmp_path, line, changes):
    path = full(tmp_path)
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    lines[line] |= changes
    path.write_text("\n".join(json.dumps(one) for one in lines) + "\n")
    _read(path)


_meta = st.sampled_from(["floor", "label", "order"])
_columns = st.dictionaries(st.sampled_from(["n", "error", "error_low", "used", "x"]), st.lists(_json, max_size=3))


@settings(SLOW, max_examples=15)
@given(columns=_columns, meta=st.dictionaries(_meta, _json), dtype=st.text())
def test_any_columns_of_a_picture_can_be_judged_and_drawn(tmp_path, columns, meta, dtype):
    path = full(tmp_path)
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    lines[1]["data"][0]["columns"] |= columns
    lines[1]["data"][0]["meta"] |= meta
    lines[1]["dtype"] = dtype
    path.write_text("\n".join(json.dumps(one) for one in lines) + "\n")
    record = _read(path)
    if record is not None:
        render([record])


@SLOW
@given(cut=st.integers(0, 5000), tail=st.binary(max_size=20))
def test_a_record_cut_anywhere_gives_a_record_or_one_error(tmp_path, cut, tail):
    path = full(tmp_path)
    path.write_bytes(path.read_bytes()[:cut] + tail)
    _read(path)


HOSTILE = [
    "<script>alert(1)</script>", "</script><script>alert(1)//", "<img src=x onerror=alert(1)>", "javascript:alert(1)",
    "../../../etc/passwd", "\x00\x1b[31m\u202egnp.exe", "{{7*7}}{% raw %}", "]]>", "&lt;b&gt;", "'\"`\n\r\t", "\u2028",
]  # fmt: skip


class _Scripts(HTMLParser):
    """Tags and attributes that could run something, outside the page's own script elements."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.found += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]
        self.found += [
            f"{tag} {n}" for n, v in attrs if n in ("href", "src") and (v or "").lower().startswith("javascript")
        ]


def _scripts(page: str) -> _Scripts:
    seen = _Scripts()
    seen.feed(page)
    return seen


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_makes_a_harmless_page_and_valid_files(tmp_path, text):
    row = MeasurementRow(name=text, value=1.0, bound=0.5, why=text, unit=text, verdict=Verdict.FAILED)
    names = {"check": text, "subject": text, "problem": text, "link": text, "reason": text, "claim": text}
    bad = result(text, Verdict.FAILED, measurements=(row,), notes=(text,), tags=(text,), reproduce=text).model_copy(
        update=names
    )
    record = Record(header=HEADER.model_copy(update={"command": text, "machine": {text: text}}), results=(bad,))
    clean = Record(header=HEADER, results=(result("clean", Verdict.FAILED),))
    seen, usual = _scripts(render([record])), _scripts(render([clean]))
    assert seen.found == usual.found
    assert seen.scripts == usual.scripts
    write_junit(record, tmp_path / "junit.xml")
    ET.parse(tmp_path / "junit.xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["junit.xml"]
    assert next(c.kind.value for c in judge_records(record, record)) == "failed"


_toml_value = st.one_of(
    st.booleans().map(lambda b: str(b).lower()), st.integers().map(str), st.floats(allow_nan=False).map(repr),
    st.text(st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=32), max_size=9).map('"{}"'.format),
    st.just("[1, 2]"), st.just("{a = 1}"),
)  # fmt: skip
_toml_key = st.sampled_from(list(Config.model_fields)) | st.from_regex(
    re.compile(r"[a-z_-]{1,12}", re.ASCII), fullmatch=True
)


@SLOW
@given(table=st.dictionaries(_toml_key, _toml_value, max_size=5))
def test_any_table_is_a_configuration_or_an_error_that_names_a_key(tmp_path, table):
    lines = ["[tool.si-verify]", *(f"{key} = {value}" for key, value in table.items())]
    (tmp_path / "pyproject.toml").write_text("\n".join(lines))
    try:
        assert isinstance(load_config(tmp_path), Config)
    except ConfigError as error:
        assert str(tmp_path) in str(error)
        assert any(repr(key) in str(error) for key in table) or "cannot be read" in str(error)
