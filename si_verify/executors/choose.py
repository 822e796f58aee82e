"""Which executor a name means: ``local``, ``dask://host:port``, ``slurm://partition?chunk=64``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from si_verify.config import ConfigError
from si_verify.executors.dask import DaskExecutor
from si_verify.executors.executor import Executor
from si_verify.executors.local import LocalExecutor
from si_verify.executors.slurm import SlurmExecutor


def choose(name: str, local: LocalExecutor, folder: Path) -> Executor:
    """The executor; ``local`` bounds cases wherever they run. Raises ConfigError for a name that means nothing."""
    if name == "local":
        return local
    parts = urlsplit(name)
    one = LocalExecutor(1, local.timeout, local.threads, local.memory_gib)
    if parts.scheme == "dask" and parts.netloc:
        return DaskExecutor(f"tcp://{parts.netloc}", one)
    options = dict(parse_qsl(parts.query))
    chunk = options.pop("chunk", "64")
    if parts.scheme == "slurm" and not options and chunk.isdigit() and int(chunk) > 0:
        parameters = {"slurm_partition": parts.netloc} if parts.netloc else {}
        return SlurmExecutor(folder / "slurm", one, int(chunk), parameters=parameters)
    raise ConfigError(f"executor: expected local, dask://host:port or slurm://partition?chunk=N, got {name!r}")
