"""The options that commands share. None means: not given, the configuration decides."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Profile(StrEnum):
    quick = "quick"
    standard = "standard"
    full = "full"


class Dtype(StrEnum):
    float64 = "float64"
    float32 = "float32"
    all = "all"


class TargetKind(StrEnum):
    field = "field"
    ode = "ode"
    sde = "sde"
    sampler = "sampler"
    pde = "pde"
    drift = "drift"
    likelihood = "likelihood"
    path = "path"


class Experiment(StrEnum):
    paper_128d = "paper-128d"
    learn_2d = "learn-2d"


class What(StrEnum):
    problems = "problems"
    subjects = "subjects"
    checks = "checks"
    faults = "faults"
    backends = "backends"


ProfileOption = Annotated[Profile | None, typer.Option("--profile", help="How much to do.")]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:N or auto.")]
DtypeOption = Annotated[Dtype | None, typer.Option("--dtype", help="Restrict to one precision.")]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the whole run.")]
SelectOption = Annotated[
    str | None,
    typer.Option("--select", metavar="EXPR", help="Names and tags with and, or, not, ( ), globs and key=word."),
]
JobsOption = Annotated[int | None, typer.Option("--jobs", min=0, help="Worker processes; 0: one per core.")]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="Seconds one case may take.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with the record in the output folder.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Output folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Only JSON on stdout.")]
GithubOption = Annotated[bool, typer.Option("--github-summary", help="Append a summary to $GITHUB_STEP_SUMMARY.")]
StrictOption = Annotated[bool | None, typer.Option("--strict/--no-strict", help="Exit 3 when inconclusive.")]
ExecutorOption = Annotated[
    str | None,
    typer.Option("--executor", metavar="WHERE", help="local, dask://host:port or slurm://partition?chunk=N."),
]
