"""Sides: each revision in an environment of its own, and a process in it that times what it is asked to."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from si_verify.record import RecordError

_PROGRAM = Path(__file__).parents[1] / "bench" / "side.py"
_ANSWER_SECONDS = 300.0


class SideError(RecordError):
    """A side that cannot be built or does not answer: the gate could not measure (exit 4)."""


@dataclass(frozen=True)
class Tree:
    """A revision ready to import: ``path`` comes first on PYTHONPATH, then all that this process imports from."""

    name: str
    path: Path | None = None

    def environment(self) -> dict[str, str]:
        first = [] if self.path is None else [str(self.path)]
        # One thread unless told otherwise: where a core is shared, a barrier between threads times the neighbours.
        return (
            {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
            | dict(os.environ)
            | {"PYTHONPATH": os.pathsep.join([*first, *(p for p in sys.path if p)])}
        )


def _run(*words: str, cwd: Path | None = None) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise SideError(f"{' '.join(words[:6])} ...: exit {done.returncode}: {' | '.join(why)}")
    return done.stdout.strip()


def _installed(source: Path, target: Path, isolated: bool) -> None:
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    words += [] if isolated else ["--no-build-isolation"]
    _run(*words, "--target", str(target), str(source))


@contextlib.contextmanager
def built(revision: str, repository: Path, isolated: bool = True) -> Iterator[tuple[Tree, Tree]]:
    """(base, head): ``revision`` from a git worktree, and the working tree as it is, both installed the same way.

    Into two folders of their own, without dependencies: those are shared, so that only the code differs. Raises
    SideError if the revision is not there or does not build.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # a cancelled job cleans up too
    root = Path(_run("git", "rev-parse", "--show-toplevel", cwd=repository))
    commit = _run("git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", cwd=root)
    with tempfile.TemporaryDirectory(prefix="si-verify-gate-") as folder:
        tree, base, head = (Path(folder) / name for name in ("tree", "base", "head"))
        _run("git", "worktree", "add", "--detach", "--quiet", str(tree), commit, cwd=root)
        try:
            _installed(tree, base, isolated)
            _installed(root, head, isolated)
            yield Tree(f"{revision} ({commit[:12]})", base), Tree("the working tree", head)
        finally:
            shutil.rmtree(tree, ignore_errors=True)
            subprocess.run(["git", "worktree", "prune"], cwd=root, capture_output=True)


class SideProcess:
    """One process in a tree. Context manager; ends with everything it started."""

    def __init__(self, tree: Tree, slowdown: float = 0.0) -> None:
        self.tree = tree
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM), repr(slowdown)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=tree.environment(),
            start_new_session=True,
        )
        self._rest = b""

    def ask(self, op: str, **request: Any) -> dict[str, Any]:
        """One request, one answer. Raises SideError if the process dies or is silent for five minutes."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"op": op, **request}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise SideError(f"{self.tree.name}: the process ended ({error})") from error
        answer: dict[str, Any] = json.loads(self._line(op))
        return answer

    def _line(self, op: str) -> bytes:
        assert self._process.stdout is not None
        fd, deadline = self._process.stdout.fileno(), time.monotonic() + _ANSWER_SECONDS
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise SideError(f"{self.tree.name}: no answer to {op!r} within {_ANSWER_SECONDS:g} s")
            part = os.read(fd, 65536)
            if not part:
                raise SideError(f"{self.tree.name}: the process ended with status {self._process.wait()} in {op!r}")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
