"""``python -m benchmarks.gpu OUT``: all that a GPU has to say of this project, in one command that ends in time.

Facts of the machine; the checks of every CUDA subject; the bench of paths and stencils, and of fields in float32; the
tests that need a GPU; the bench of fields in float64 and of derivatives. Each is a process of its own with a limit of
its own, and time that one leaves is the next ones'. OUT has at most eight files, which grow as it goes on: log.txt,
summary.json (what ran, failed, was cut), tests.xml, checks.jsonl, bench-steps.jsonl, bench-fields.jsonl and its
report.html, and rest.tar.gz with all the rest.

Exit code: 0 all ran and passed; 1 something failed or was cut; 3 no CUDA device, nothing was run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
KERNELS = "tests/si_verify/kernels"
# Modules that are skipped where there is no GPU.
TESTS = tuple(f"{KERNELS}/test_triton_{name}.py" for name in ("mixture", "products", "divergence"))
_POLL, _GRACE, _RESERVE = 1.0, 10.0, 20.0
NO_DEVICE = 3


@dataclass(frozen=True)
class Part:
    """command: arguments of Python; "{folder}" is where it writes. weight: its share of the time that is left.

    kept: name of what it writes -> name in OUT, copied while it grows.
    """

    name: str
    command: tuple[str, ...]
    weight: float
    kept: dict[str, str] = field(default_factory=dict)


def _si_verify(*arguments: str) -> tuple[str, ...]:
    return ("-m", "si_verify", *arguments)


def _bench(name: str, select: str, weight: float, kept: dict[str, str]) -> Part:
    given = ("--device", "cuda", "--profile", "quick", "--dtype", "all", "--select", f"tag=gpu and {select}")
    return Part(name, _si_verify("bench", *given, "-o", "{folder}"), weight, kept)


_PYTEST = ("-m", "pytest", "-v", "-ra", "-p", "no:cacheprovider", "--junitxml", "{folder}/tests.xml")
_CHECKS = ("run", "--device", "cuda", "--profile", "quick", "--select", "tag=cuda", "-o", "{folder}")
_FIELDS = {"record.jsonl": "bench-fields.jsonl", "report.html": "report.html"}
PARTS: tuple[Part, ...] = (
    Part("facts", _si_verify("doctor", "--device", "cuda", "--json"), 0.7),
    Part("checks", _si_verify(*_CHECKS), 2.5, {"record.jsonl": "checks.jsonl"}),
    _bench("bench-steps", "not tag=field", 2.0, {"record.jsonl": "bench-steps.jsonl"}),
    _bench("bench-fields", "tag=field and not tag=divergence and dtype=float32", 5.0, _FIELDS),
    Part("tests", (*_PYTEST, *TESTS), 1.5, {"tests.xml": "tests.xml"}),
    _bench("bench-rest", "tag=field and (tag=divergence or dtype=float64)", 2.5, {}),
)


def missing_device() -> str:
    """Why torch has no CUDA device; empty where it has one. Asked of a child: a context would hold memory."""
    code = "import torch; print(torch.__version__, torch.cuda.is_available())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    version, _, found = done.stdout.strip().partition(" ")
    if done.returncode:
        return f"torch cannot be imported: {done.stderr.strip().splitlines()[-1:]}"
    return "" if found == "True" else f"torch {version} sees no CUDA device"


@dataclass
class Session:
    """OUT, where parts write, and when all must be over."""

    out: Path
    work: Path
    end: float
    done: list[dict[str, Any]] = field(default_factory=list)

    def run(self, part: Part, limit: float) -> dict[str, Any]:
        """One part within ``limit`` seconds; whatever happens to it, what is known of it."""
        folder = self.work / part.name
        folder.mkdir(parents=True)
        command = [sys.executable, *(a.replace("{folder}", str(folder)) for a in part.command)]
        started, code = time.monotonic(), None
        with (self.out / "log.txt").open("ab") as log:
            log.write(f"\n=== {part.name}, at most {limit:.0f} s: {' '.join(command)}\n".encode())
            log.flush()
            try:
                code = self._watched(command, part, limit, log, folder)
            except OSError as error:
                log.write(f"not started: {error}\n".encode())
        self._copy(part, folder)
        state = "cut" if code is None else "ran" if code == 0 else "failed"
        return {
            "name": part.name,
            "command": command[1:],
            "state": state,
            "exit": code,
            "limit_s": round(limit, 1),
            "seconds": round(time.monotonic() - started, 1),
            **_told(folder),
        }

    def _watched(self, command: Sequence[str], part: Part, limit: float, log: IO[bytes], folder: Path) -> int | None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        # What a part prints is its log; its own group, so that its workers go with it.
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        until = time.monotonic() + limit
        try:
            while time.monotonic() < until:
                try:
                    return child.wait(timeout=min(_POLL, max(0.01, until - time.monotonic())))
                except subprocess.TimeoutExpired:
                    self._copy(part, folder)
            return None
        finally:
            if child.poll() is None:
                _end(child)

    def _copy(self, part: Part, folder: Path) -> None:
        for source, target in part.kept.items():
            if (folder / source).exists():
                half = self.out / f".{target}"
                shutil.copyfile(folder / source, half)
                half.replace(self.out / target)  # whoever reads OUT meanwhile sees a whole file

    def save(self, parts: Sequence[Part], **more: Any) -> None:
        """summary.json and rest.tar.gz, after every part."""
        names = [p["name"] for p in self.done]
        waiting = [{"name": p.name, "state": "not started"} for p in parts if p.name not in names]
        text = json.dumps({**more, "parts": self.done + waiting}, indent=1)
        (self.out / "summary.json").write_text(text + "\n")
        with tarfile.open(self.out / "rest.tar.gz", "w:gz") as bundle:
            bundle.add(self.work, arcname="parts")


def _end(child: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C ends it, so that it writes what it can; then for good."""
    for number, patience in ((signal.SIGINT, _GRACE), (signal.SIGKILL, _GRACE)):
        try:
            os.killpg(child.pid, number)
            child.wait(timeout=patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        if number == signal.SIGKILL:
            return


def _results(folder: Path) -> list[tuple[str, str, str]]:
    """(verdict, id, reason) of what a part left behind: a record, a torn last line left out, or pytest's XML."""
    found = []
    record, junit = folder / "record.jsonl", folder / "tests.xml"
    for line in record.read_text(errors="replace").splitlines() if record.exists() else ():
        try:
            row = json.loads(line)
            found.append((str(row["verdict"]), str(row["id"]), str(row["reason"])))
        except (ValueError, KeyError):
            continue
    for case in ET.parse(junit).iter("testcase") if junit.exists() else ():
        other = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        word = {"failure": "failed"}.get(other.tag, other.tag) if other is not None else "passed"
        found.append(
            (word, f"{case.get('classname')}::{case.get('name')}", "" if other is None else other.get("message", ""))
        )
    return found


def _told(folder: Path) -> dict[str, Any]:
    """How many of each verdict, what failed, and why things were skipped, by how often."""
    try:
        results = _results(folder)
    except (OSError, ET.ParseError) as error:
        return {"verdicts": {}, "failures": [], "skipped": {}, "unread": str(error)}
    return {
        "verdicts": dict(Counter(verdict for verdict, _, _ in results)),
        "failures": [f"{name}: {why}"[:400] for verdict, name, why in results if verdict in ("failed", "error")],
        "skipped": dict(Counter(why[:200] for verdict, _, why in results if verdict == "skipped")),
    }


def _report(session: Session) -> None:
    """The page of the fields' record, where the bench was cut before it drew one."""
    record = session.out / "bench-fields.jsonl"
    if record.exists() and not (session.out / "report.html").exists():
        where = ("report", str(record), "--output", str(session.out / "report.html"))
        session.done.append(session.run(Part("report", _si_verify(*where), 1.0), _RESERVE))


def main(out: Path, minutes: float, parts: Sequence[Part] = PARTS) -> int:
    """Run the parts; the exit code."""
    out.mkdir(parents=True, exist_ok=True)
    reason = missing_device()
    if reason:
        print(f"no CUDA device: nothing was run ({reason})")
        (out / "summary.json").write_text(json.dumps({"device": False, "reason": reason, "parts": []}, indent=1) + "\n")
        return NO_DEVICE
    began = time.monotonic()
    reserve = min(_RESERVE + 2.0 * _GRACE, 6.0 * minutes)  # for the page, and for whom is asked to stop
    with tempfile.TemporaryDirectory(prefix="si-verify-gpu-") as work:
        session = Session(out, Path(work), began + 60.0 * minutes)
        try:
            for i, part in enumerate(parts):
                limit = (session.end - time.monotonic() - reserve) * part.weight / sum(p.weight for p in parts[i:])
                if limit > 0:
                    session.done.append(session.run(part, limit))
                    _say(session.done[-1])
                session.save(parts, device=True, minutes=minutes)
            _report(session)
        finally:
            session.save(parts, device=True, minutes=minutes, seconds=round(time.monotonic() - began, 1))
    ran = {p["name"] for p in session.done if p["state"] == "ran"}
    return 0 if ran >= {p.name for p in parts} else 1


def _say(row: dict[str, Any]) -> None:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in row["verdicts"].items())
    print(f"{row['name']}: {row['state']} in {row['seconds']} s; {counts}".rstrip("; "), flush=True)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=str(__doc__).split("\n\n")[0])
    parser.add_argument("out", type=Path, help="folder for at most eight files")
    parser.add_argument("--minutes", type=float, default=9.0, help="when all must be over (default: 9)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)  # as Ctrl-C: the part that runs is ended, and what there is is kept
    sys.exit(main(given.out, given.minutes))
