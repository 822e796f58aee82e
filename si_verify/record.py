"""Record: an append-only file of what was measured, one JSON object a line, with a versioned schema.

Line 1 is a ``Header``; every further line is a ``Result``. A killed run leaves at worst one torn last line, which the
reader drops and counts; nothing before it is lost. Non-finite numbers travel as the strings "NaN", "Infinity" and
"-Infinity", since JSON has none. ``python -m si_verify.record`` prints the JSON Schema (docs/record.schema.json).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from si_verify.gate import Verdict

SCHEMA_VERSION = 1


class RecordError(Exception):
    """A record that cannot be read or written; the message says which file, which line and why."""


def _unspell(value: Any) -> Any:
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def _spell(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


Number = Annotated[float, BeforeValidator(_unspell), PlainSerializer(_spell, return_type=float | str, when_used="json")]


def plain(value: Any) -> Any:
    """Nested columns and metadata as JSON can hold them: non-finite numbers become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return plain(value.item())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class MeasurementRow(_Line):
    """See ``si_verify.measurement.Measurement``; ``verdict`` and ``margin`` are the gate's."""

    name: str
    value: Number
    bound: Number | None = None
    relation: Literal["at_most", "at_least"] = "at_most"
    origin: Literal["rounding", "truncation", "sampling", "exact"] = "rounding"
    why: str = ""
    interval: tuple[Number, Number] | None = None
    resolution: Number | None = None
    confidence: Number | None = None
    detectable: Number | None = None
    unit: str = ""
    verdict: Verdict | None = None
    margin: Number = math.nan


class DataRow(_Line):
    """Columns behind one picture."""

    kind: str
    title: str
    columns: dict[str, list[Any]]
    meta: dict[str, Any] = Field(default_factory=dict)


class Evidence(_Line):
    """The proof of what was loaded: the module's file, its distribution's version, a hash over its sources."""

    module: str
    path: str
    version: str
    sha256: str


class Header(_Line):
    """What ran, where, and under which budget."""

    type: Literal["header"] = "header"
    schema_version: int = SCHEMA_VERSION
    created: str
    command: str
    profile: str
    seed: int
    device: str
    budget: float
    select: str = ""
    planned: int
    commit: str = ""
    machine: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)


class Result(_Line):
    """One case's verdict with everything behind it."""

    type: Literal["result"] = "result"
    id: str
    check: str
    claim: str = ""
    subject: str
    kind: str
    problem: str
    dtype: str
    device: str
    seed: int
    alpha: Number = 0.0
    verdict: Verdict
    reason: str = ""
    link: str = ""
    measurements: tuple[MeasurementRow, ...] = ()
    data: tuple[DataRow, ...] = ()
    notes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    claims: dict[str, Any] = Field(default_factory=dict)
    seconds: float = 0.0
    reproduce: str = ""
    traceback: str = ""
    evidence: tuple[Evidence, ...] = ()


_LINE: TypeAdapter[Header | Result] = TypeAdapter(Annotated[Header | Result, Field(discriminator="type")])


class Record(BaseModel):
    """A finished or partial run: header, results, and how many lines could not be read."""

    header: Header
    results: tuple[Result, ...] = ()
    damaged: int = 0

    @property
    def passed(self) -> bool:
        """True iff something was judged and nothing failed, erred or passed against its mark."""
        bad = {Verdict.FAILED, Verdict.ERROR, Verdict.UNEXPECTED_PASS}
        seen = {r.verdict for r in self.results}
        return not seen & bad and Verdict.PASSED in seen

    @property
    def failures(self) -> tuple[Result, ...]:
        """Results that failed, or passed although marked as expected to fail."""
        return tuple(r for r in self.results if r.verdict in (Verdict.FAILED, Verdict.UNEXPECTED_PASS))

    def to_json(self, path: str | Path) -> Path:
        """Write the record as ``record.jsonl`` lines to ``path``."""
        target = Path(path)
        with RecordWriter.create(target, self.header) as writer:
            for result in self.results:
                writer.append(result)
        return target

    def to_html(self, path: str | Path) -> Path:
        """Draw the report to ``path``: one self-contained file."""
        from importlib import import_module

        target = Path(path)
        # The report reads records and lies above this package: it is looked up late, never imported here.
        target.write_text(import_module("reports.render").render([self]), encoding="utf-8")
        return target


class RecordWriter:
    """Appends lines, each flushed to the operating system before the next case starts."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        try:
            self._file = path.open(mode, encoding="utf-8", newline="\n")
        except OSError as error:
            raise RecordError(f"cannot write the record {path}: {error.strerror or error}") from error

    @classmethod
    def create(cls, path: Path, header: Header) -> RecordWriter:
        """Start a new record; an existing one is kept beside it as ``*.previous.jsonl``."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                path.replace(path.with_suffix(".previous.jsonl"))
        except OSError as error:
            raise RecordError(f"cannot write the record {path}: {error.strerror or error}") from error
        writer = cls(path, "w")
        writer._line(header)
        return writer

    @classmethod
    def resume(cls, path: Path) -> RecordWriter:
        """Append to an existing record, after cutting off a torn last line."""
        try:
            content = path.read_bytes()
            keep = content.rfind(b"\n") + 1
            if keep != len(content):
                with path.open("r+b") as f:
                    f.truncate(keep)
        except OSError as error:
            raise RecordError(f"cannot resume the record {path}: {error.strerror or error}") from error
        return cls(path, "a")

    def append(self, result: Result) -> None:
        self._line(result)

    def _line(self, line: _Line) -> None:
        try:
            self._file.write(line.model_dump_json() + "\n")
            self._file.flush()
        except OSError as error:
            raise RecordError(f"cannot write the record {self.path}: {error.strerror or error}") from error

    def close(self) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            pass
        self._file.close()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _parsed_lines(path: Path) -> Iterator[Header | Result | None]:
    try:
        with path.open("rb") as f:
            for number, raw in enumerate(f, 1):
                if not raw.strip():
                    continue
                try:
                    value = json.loads(raw)
                except (ValueError, RecursionError):
                    yield None
                    continue
                version = value.get("schema_version", SCHEMA_VERSION) if isinstance(value, dict) else None
                if isinstance(version, int) and version > SCHEMA_VERSION:
                    raise RecordError(
                        f"{path}:{number}: schema version {version} is newer than this program's "
                        f"{SCHEMA_VERSION}; upgrade si-verify to read it"
                    )
                try:
                    yield _LINE.validate_python(value)
                except ValidationError:
                    yield None
    except OSError as error:
        raise RecordError(f"cannot read the record {path}: {error.strerror or error}") from error


def read_record(path: str | Path) -> Record:
    """Read a record; torn or damaged lines are counted in ``damaged``, a doubled id keeps its first result.

    Raises RecordError for a missing file, one without a header, or a newer schema.
    """
    header: Header | None = None
    results: dict[str, Result] = {}
    damaged = 0
    for line in _parsed_lines(Path(path)):
        if isinstance(line, Header):
            header = header or line
        elif isinstance(line, Result):
            results.setdefault(line.id, line)
        else:
            damaged += 1
    if header is None:
        raise RecordError(f"{path}: no header line; this is not a si-verify record or its first line is damaged")
    return Record(header=header, results=tuple(results.values()), damaged=damaged)


def schema() -> dict[str, Any]:
    """JSON Schema of one line of a record."""
    return _LINE.json_schema()


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1, sort_keys=True))
