"""Baseline: a record that someone accepted, kept under the conditions it was measured in, with who, why and when."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from si_verify.record import Record, RecordError, read_record
from si_verify.regression.comparable import conditions, key

FOLDER = "si-verify-baselines"


@dataclass(frozen=True)
class Acceptance:
    """Who made a record the baseline, why, from which commit; ``sha256`` of the record's file."""

    who: str
    why: str
    commit: str
    when: str
    sha256: str


def _who() -> str:
    try:
        out = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=5)
        name = out.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        name = ""
    return name or getpass.getuser()


def place(record: Record, folder: Path) -> Path:
    """``folder/<device model>/<key>.jsonl``: one baseline for each set of conditions."""
    header = record.header
    model = str(header.machine.get("gpu") or header.machine.get("cpu") or header.device)
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:60] or "unknown"
    return folder / slug / f"{key(record)}.jsonl"


def accept(path: Path, folder: Path, why: str, who: str = "") -> tuple[Path, Acceptance]:
    """Copy the record at ``path`` to its place. Raises RecordError for one that failed, is unfinished or damaged."""
    record = read_record(path)
    if record.damaged:
        raise RecordError(f"{path}: {record.damaged} damaged lines; a baseline must be whole")
    if len(record.results) < record.header.planned:
        raise RecordError(f"{path}: {len(record.results)} results of {record.header.planned} planned; finish it first")
    if record.failures:
        raise RecordError(f"{path}: {len(record.failures)} failures; a baseline must be right")
    target = place(record, folder)
    content = path.read_bytes()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    given = Acceptance(who or _who(), why, record.header.commit, now, hashlib.sha256(content).hexdigest())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for name, data in ((target, content), (target.with_suffix(".json"), _note(record, given))):
            new = name.with_name(name.name + ".new")  # either the old baseline or the new one, never half of each
            new.write_bytes(data)
            new.replace(name)
    except OSError as error:
        raise RecordError(f"cannot write the baseline {target}: {error.strerror or error}") from error
    return target, given


def _note(record: Record, given: Acceptance) -> bytes:
    return (
        json.dumps({**asdict(given), "conditions": conditions(record)}, indent=1, ensure_ascii=False) + "\n"
    ).encode()


def find(record: Record, folder: Path) -> tuple[Path, Record]:
    """The baseline for the record's conditions. Raises RecordError if there is none, or it is not what was accepted."""
    path = place(record, folder)
    if not path.is_file():
        near = sorted(p for p in path.parent.glob("*.jsonl")) if path.parent.is_dir() else []
        hint = (
            f"; for this device there are {', '.join(p.name for p in near)}, of other settings or versions"
            if near
            else ""
        )
        raise RecordError(
            f"no baseline for these conditions: {path} is not there{hint} (si-verify baseline accept makes one)"
        )
    note = path.with_suffix(".json")
    try:
        stated = json.loads(note.read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{note}: cannot tell who accepted {path.name}: {error}") from error
    if hashlib.sha256(path.read_bytes()).hexdigest() != stated:
        raise RecordError(f"{path}: is not the file that was accepted (sha256 differs); accept it again")
    return path, read_record(path)
