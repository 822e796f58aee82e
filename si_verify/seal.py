"""Seal: has anyone but the writer touched the record's file since it wrote last?

A subject runs under the same user and can find the file. It cannot be kept from writing, so that what it wrote is
noticed before the next line goes in, and the file is put right from what the runner holds in memory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

Mark = tuple[int, int, int]


@dataclass
class Seal:
    """``renew`` after every write of one's own; ``broken`` says in words what happened since, or nothing."""

    path: Path
    _mark: Mark | None = field(default=None)

    def _now(self) -> Mark | None:
        try:
            seen = os.stat(self.path)
        except OSError:
            return None
        return (seen.st_ino, seen.st_size, seen.st_mtime_ns)

    def renew(self) -> None:
        self._mark = self._now()

    def broken(self) -> str:
        now = self._now()
        if now == self._mark:
            return ""
        if now is None:
            return "was removed"
        if self._mark is None or now[0] != self._mark[0]:
            return "was replaced"
        change = now[1] - self._mark[1]
        if change:
            return f"{'grew' if change > 0 else 'shrank'} by {abs(change)} bytes"
        return "was written over"
