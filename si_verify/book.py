"""Book: the record of a run in progress. Every line is on disk before the next result is asked for, and stays there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from si_verify.gate import Verdict
from si_verify.record import Header, RecordError, RecordWriter, Result
from si_verify.seal import Seal

_TYPE = b'{"type":"header"'


def begun(path: Path) -> bool:
    """Is there a record to go on with? A file from a run killed before its first line was whole is removed."""
    try:
        with path.open("rb") as f:
            first = f.readline()
        if not first.endswith(b"\n") and _TYPE.startswith(first[: len(_TYPE)]):
            path.unlink()
            return False
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise RecordError(f"cannot read the record {path}: {error.strerror or error}") from error


@dataclass
class Book:
    """``kept`` is all that is in the file; without a ``writer`` it is in memory only."""

    path: Path | None
    header: Header
    kept: list[Result]
    writer: RecordWriter | None
    _seal: Seal | None = field(default=None)

    def __post_init__(self) -> None:
        if self.path is not None:
            self._seal = Seal(self.path)
            self._seal.renew()

    def append(self, result: Result, running: int) -> Result:
        """Write one result, after putting right a file that was tampered with.

        If its case was the only one ``running``, it did that, and failed; of several it cannot be told which.
        """
        how = self._restored()
        if how:
            said = f"the record's file {how} while this case ran"
            if running == 1:
                update: dict[str, object] = {
                    "verdict": Verdict.FAILED,
                    "reason": f"{said}: the subject wrote to it; it was restored",
                }
            else:
                update = {"notes": (*result.notes, f"{said} beside {running - 1} others; it was restored")}
            result = result.model_copy(update=update)
        self.kept.append(result)
        if self.writer is not None and self._seal is not None:
            try:
                self.writer.append(result)
            finally:
                self._seal.renew()  # half a line on a full disk is the writer's own doing
        return result

    def _restored(self) -> str:
        """What was done to the file, in words, after writing it anew; empty if nothing was."""
        how = self._seal.broken() if self._seal is not None else ""
        if how and self.path is not None and self.writer is not None and self._seal is not None:
            self.writer.close()
            new = self.path.with_name(self.path.name + ".restored")
            try:
                lines = [line.model_dump_json() + "\n" for line in (self.header, *self.kept)]
                new.write_text("".join(lines), encoding="utf-8")
                new.replace(self.path)
            except OSError as error:
                new.unlink(missing_ok=True)
                raise RecordError(f"{self.path} {how}, and cannot be restored: {error.strerror or error}") from error
            self.writer = RecordWriter.resume(self.path)
            self._seal.renew()
        return how

    def close(self) -> None:
        """The file as it should be, whatever was done to it since the last result."""
        try:
            self._restored()
        finally:
            if self.writer is not None:
                self.writer.close()
