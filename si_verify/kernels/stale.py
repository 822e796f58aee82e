"""Compiled kernels that numba kept on disk, gone once any source they were made from has changed.

numba looks at the file of the function it kept and not at those of the functions inlined into it: an edited helper
would leave the old machine code in use, and a record would name the hash of a source that did not run.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

_STAMP = "numba-sources.sha256"


def forget_stale(*folders: Path) -> bool:
    """Remove numba's files (*.nbi, *.nbc) in the folders' __pycache__ unless they were made from the sources there.

    Returns whether the sources had changed. A folder that cannot be written to is left alone: an installed package is
    replaced as a whole, which numba sees.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for source in sorted(folder.glob("*.py")):
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    changed = False
    for folder in folders:
        stamp = folder / "__pycache__" / _STAMP
        with contextlib.suppress(OSError):
            if stamp.is_file() and stamp.read_text() == digest.hexdigest():
                continue
            changed = True
            for kept in [*stamp.parent.glob("*.nbi"), *stamp.parent.glob("*.nbc")]:
                kept.unlink(missing_ok=True)
            stamp.parent.mkdir(exist_ok=True)
            stamp.write_text(digest.hexdigest())
    return changed
