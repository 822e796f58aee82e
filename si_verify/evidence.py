"""Evidence: which file, version and content hash stood behind a module name when a subject ran."""

from __future__ import annotations

import hashlib
import importlib
from functools import cache
from importlib import metadata
from pathlib import Path

from si_verify.record import Evidence


def _version(module: str) -> str:
    root = module.partition(".")[0]
    for distribution in metadata.packages_distributions().get(root, ()):
        return metadata.version(distribution)
    return ""


def hash_sources(path: Path) -> str:
    """SHA-256 over a file, or over all Python sources below a package's folder, names included."""
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def evidence(module: str) -> Evidence:
    """Import ``module`` and state what was really loaded; a package is hashed whole."""
    loaded = importlib.import_module(module)
    file = Path(loaded.__file__ or "")
    tree = file.parent if file.name == "__init__.py" else file
    return Evidence(module=module, path=str(file), version=_version(module), sha256=hash_sources(tree))


def file_evidence(path: str | Path) -> Evidence:
    """The same for a user's file."""
    return Evidence(module="", path=str(path), version="", sha256=hash_sources(Path(path)))
