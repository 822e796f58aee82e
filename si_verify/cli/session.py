"""One run from the command line: plan, execute, write the three files, say what happened, return the exit code."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import psutil
from rich.console import Console

from analytic import problems
from si_verify import discovery, summary
from si_verify.case import Case, Target
from si_verify.cli.progress import RichProgress
from si_verify.config import Config
from si_verify.device import cores, resolve_device
from si_verify.executors.choose import choose
from si_verify.executors.executor import Executor
from si_verify.executors.local import LocalExecutor
from si_verify.gate import Exit, exit_code
from si_verify.junit import write_junit
from si_verify.plan import Settings, plan
from si_verify.record import Record
from si_verify.run import run
from si_verify.subject import Subject


@dataclass(frozen=True)
class Flags:
    """Options that are not in the configuration file."""

    resume: bool = False
    json: bool = False
    github_summary: bool = False


def settings_of(config: Config, problem_select: str = "") -> Settings:
    """Plan settings from a configuration; resolves the device (DeviceError)."""
    dtypes = () if config.dtype == "all" else (config.dtype,)
    device = resolve_device(config.device)
    return Settings(config.profile, device, config.seed, config.budget, config.select, dtypes, problem_select)


def workers(config: Config, device: str) -> Executor:
    """One worker per core (one for a GPU, which is not shared while something is measured on it)."""
    jobs = config.jobs or (1 if device != "cpu" else min(8, cores()))
    # On a GPU the host's memory is also the driver's to map, and is left unbounded.
    memory = 0.0 if device != "cpu" else config.memory or psutil.virtual_memory().total / 2**30 / jobs
    local = LocalExecutor(jobs=jobs, timeout=config.timeout, threads=max(1, cores() // jobs), memory_gib=memory)
    return choose(config.executor, local, Path(config.output))


def command_line() -> str:
    return shlex.join(["si-verify", *sys.argv[1:]])


def write_files(record: Record, folder: Path) -> dict[str, str]:
    """report.html and junit.xml beside record.jsonl; where what draws is not installed, the words for it instead."""
    html, junit = folder / "report.html", folder / "junit.xml"
    drawn = str(html)
    try:
        record.to_html(html)
    except ImportError as error:  # what was measured does not depend on what draws it
        drawn = f"not drawn ({error})"
    write_junit(record, junit)
    return {"record": str(folder / "record.jsonl"), "report": drawn, "junit": str(junit)}


def verify(
    subjects: Sequence[Subject],
    config: Config,
    flags: Flags,
    targets: Mapping[str, Target] | None = None,
    problem_select: str = "",
) -> int:
    """Run all that is selected for ``subjects``; returns the exit code."""
    settings = settings_of(config, problem_select)
    brief = False if targets else None  # of one's own subject everything is wanted
    cases: list[Case] = plan(subjects, discovery.checks().values(), problems.all(), settings, targets, brief)
    console = Console(stderr=True)
    if not cases:
        console.print(f"nothing selected (select={settings.select!r}, profile={settings.profile})", markup=False)
        if flags.json:
            print(json.dumps({"exit_code": int(Exit.NOTHING), "passed": False, "counts": {}}))
        return Exit.NOTHING
    folder = Path(config.output)
    path = folder / "record.jsonl"
    with RichProgress(console) as progress:
        executor = workers(config, settings.device)
        try:
            record = run(cases, settings, executor, path, flags.resume, progress, command_line())
        except KeyboardInterrupt:
            console.print(f"interrupted; what was measured is in {path}; go on with --resume", markup=False)
            return 130
    files = write_files(record, folder)
    code = exit_code([r.verdict for r in record.results], config.strict)
    if flags.github_summary and "GITHUB_STEP_SUMMARY" in os.environ:
        # An SVG and a PNG beside the record, for the artifact that the action uploads.
        try:
            pictures = import_module("reports.still").write_overview(record, folder)
            files |= {f"picture_{path.suffix[1:]}": str(path) for path in pictures}
        except Exception as error:  # a picture that cannot be drawn must not take the verdicts with it
            console.print(f"no picture for the summary: {type(error).__name__}: {error}", markup=False)
        with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as f:
            f.write(summary.markdown(record))
    if flags.json:
        print(json.dumps(summary.as_json(record, int(code), files)))
    else:
        print(summary.text(record))
        print(f"\nreport: {files['report']}\nrecord: {files['record']}\njunit:  {files['junit']}")
    return code
