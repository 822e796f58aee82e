"""The commands."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from si_verify.cli.options import (
    DeviceOption,
    DtypeOption,
    ExecutorOption,
    Experiment,
    GithubOption,
    JobsOption,
    JsonOption,
    OutputOption,
    ProfileOption,
    ResumeOption,
    SeedOption,
    SelectOption,
    StrictOption,
    TargetKind,
    TimeoutOption,
    What,
)  # fmt: skip

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: the boxes cost 0.2 s and help must answer in under 0.3 s
    help="Verify flows, diffusions and their solvers against closed forms.",
)

baseline_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Records that were accepted as right.")
app.add_typer(baseline_app, name="baseline")


# The disk's fault and not the program's: full, over quota or a size limit, read-only, forbidden.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


def _exit(code: int) -> None:
    raise typer.Exit(int(code))


@app.command("run")
def run_command(
    profile: ProfileOption = None, device: DeviceOption = None, dtype: DtypeOption = None, seed: SeedOption = None,
    select: SelectOption = None, jobs: JobsOption = None, timeout: TimeoutOption = None, resume: ResumeOption = False,
    output: OutputOption = None, json: JsonOption = False, github_summary: GithubOption = False,
    strict: StrictOption = None, executor: ExecutorOption = None,
) -> None:  # fmt: skip
    """Verify everything built in and write record.jsonl, report.html and junit.xml."""
    from si_verify import discovery
    from si_verify.cli.session import Flags, verify
    from si_verify.config import load_config

    given = _overrides(profile, device, dtype, seed, select, jobs, timeout, output, strict)
    config = load_config(overrides=given | {"executor": executor})
    _exit(verify(list(discovery.subjects().values()), config, Flags(resume, json, github_summary)))


def _overrides(
    profile: Any, device: Any, dtype: Any, seed: Any, select: Any, jobs: Any, timeout: Any, output: Any, strict: Any
) -> dict[str, Any]:
    given = {
        "profile": profile, "device": device, "dtype": dtype, "seed": seed, "select": select, "jobs": jobs,
        "timeout": timeout, "output": output, "strict": strict,
    }  # fmt: skip
    return {key: str(value) if isinstance(value, (Path, str)) else value for key, value in given.items()}


@app.command("check")
def check_command(
    kind: Annotated[TargetKind, typer.Argument(help="What the target is.")],
    target: Annotated[str, typer.Argument(help="module:object or path/to/file.py:object", metavar="TARGET")],
    order: Annotated[float | None, typer.Option(help="Claimed order (ode, sampler, pde).")] = None,
    weak_order: Annotated[float | None, typer.Option(help="Claimed weak order (sde, sampler).")] = None,
    strong_order: Annotated[float | None, typer.Option(help="Claimed strong order (sde).")] = None,
    adaptive: Annotated[bool, typer.Option("--adaptive", help="Chooses its own steps by rtol and atol.")] = False,
    evaluations_per_step: Annotated[int | None, typer.Option(help="Claimed evaluations a step.")] = None,
    interpretation: Annotated[str | None, typer.Option(help="ito or stratonovich (sde).")] = None,
    noise: Annotated[str | None, typer.Option(help="additive, scalar, diagonal, general (sde; commas).")] = None,
    quantity: Annotated[str | None, typer.Option(help="velocity, score, log_density, denoiser (field, drift).")] = None,
    prediction: Annotated[str | None, typer.Option(help="noise, data, velocity or score (sampler).")] = None,
    clock: Annotated[str | None, typer.Option(help="sigma, flow, flow-noise, vp, vp-1000 or cosine (sampler).")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Weights for the module, never unpickled (drift).")] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option("--claim", metavar="KEY=VALUE", help="Any other claim of the kind's check_ function."),
    ] = None,
    problem: Annotated[str | None, typer.Option(help="The problem, or an expression over problems.")] = None,
    profile: ProfileOption = None, device: DeviceOption = None, dtype: DtypeOption = None, seed: SeedOption = None,
    select: SelectOption = None, jobs: JobsOption = None, timeout: TimeoutOption = None, resume: ResumeOption = False,
    output: OutputOption = None, json: JsonOption = False, github_summary: GithubOption = False,
    strict: StrictOption = None,
) -> None:  # fmt: skip
    """Verify your own: a field, a solver of ODEs, SDEs or densities, a sampler, a learned drift, a likelihood."""
    from si_verify.case import Target
    from si_verify.cli.session import Flags, verify
    from si_verify.config import load_config
    from si_verify.targets import load_target, parse_claim, validate_spec

    validate_spec(target)
    claims = {
        "order": order, "weak_order": weak_order, "strong_order": strong_order, "adaptive": adaptive or None,
        "evaluations_per_step": evaluations_per_step, "interpretation": interpretation, "noise": noise,
        "quantity": quantity, "prediction": prediction, "clock": clock, "checkpoint": checkpoint,
        "problem": problem,
        **dict(map(parse_claim, claim or ())),
    }  # fmt: skip
    given = Target(kind.value, target, tuple((k, v) for k, v in claims.items() if v is not None))
    subject = load_target(given)
    config = load_config(overrides=_overrides(profile, device, dtype, seed, select, jobs, timeout, output, strict))
    flags = Flags(resume, json, github_summary)
    _exit(verify([subject], config, flags, {subject.name: given}, problem or ""))


@app.command("list")
def list_command(
    what: Annotated[What, typer.Argument(help="What to list.")] = What.subjects,
    select: SelectOption = None, json: JsonOption = False,
) -> None:  # fmt: skip
    """List problems, subjects, checks, faults or backends, with tags."""
    from si_verify.cli.listing import print_listing

    print_listing(what.value, select or "", json)


@app.command("report")
def report_command(
    record: Annotated[Path, typer.Argument(help="record.jsonl, or the folder that holds it.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where; default: beside it.")] = None,
    figures: Annotated[Path | None, typer.Option(metavar="DIR", help="Pictures as SVG and PNG too.")] = None,
    limit: Annotated[int, typer.Option("--figures-limit", min=0, help="At most so many pictures.")] = 40,
) -> None:
    """Draw the HTML again from a record, and its pictures as files; never measures."""
    from si_verify.cli.report import report

    report(record, output, figures, limit)


@app.command("selftest")
def selftest_command(
    seeds: Annotated[int, typer.Option(min=0, help="Seeds over which right subjects must raise no alarm.")] = 1,
    gate: Annotated[bool, typer.Option("--gate", help="Prove the gate instead: planted losses must go red.")] = False,
    repeat: Annotated[int, typer.Option(min=0, help="How often the gate judges an unchanged tree (--gate).")] = 10,
    faults: Annotated[bool, typer.Option("--faults/--no-faults", help="Whether to run the faults.")] = True,
    right: Annotated[str, typer.Option(metavar="EXPR", help="Which cases of right subjects; default: all.")] = "",
    profile: ProfileOption = None, seed: SeedOption = None, select: SelectOption = None, jobs: JobsOption = None,
    timeout: TimeoutOption = None, resume: ResumeOption = False, output: OutputOption = None,
    json: JsonOption = False,
) -> None:  # fmt: skip
    """Run the seeded faults: kill rate, and false alarms on the right implementations."""
    from si_verify.config import load_config

    config = load_config(overrides=_overrides(profile, "cpu", None, seed, select, jobs, timeout, output, None))
    if gate:
        from si_verify.cli.gate_selftest import selftest_gate

        _exit(selftest_gate(config, repeat, json))
    from si_verify.cli.selftest import Extent, selftest

    _exit(selftest(config, Extent(seeds, faults, right, resume), json))


@app.command("bench")
def bench_command(
    profile: ProfileOption = None, device: DeviceOption = None, dtype: DtypeOption = None, seed: SeedOption = None,
    select: SelectOption = None, output: OutputOption = None, json: JsonOption = False, strict: StrictOption = None,
) -> None:  # fmt: skip
    """Time implementations beside their peers: throughput, share of this device's ceilings, ratio in the same run."""
    from si_verify.cli.bench import run_bench
    from si_verify.config import load_config

    config = load_config(overrides=_overrides(profile, device, dtype, seed, select, None, None, output, strict))
    _exit(run_bench(config, json))


@app.command("gate")
def gate_command(
    record: Annotated[Path | None, typer.Argument(help="record.jsonl, or the folder that holds it.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="The record to judge by; default: the accepted one.")] = None,
    against: Annotated[str | None, typer.Option(metavar="GITREV", help="Build this revision and race it.")] = None,
    baselines: Annotated[Path, typer.Option(help="Folder of accepted baselines.")] = Path("si-verify-baselines"),
    workload: Annotated[
        list[str] | None, typer.Option(metavar="TARGET", help="module:OBJECT or file.py:OBJECT to time (--against).")
    ] = None,
    accuracy: Annotated[bool, typer.Option("--accuracy/--no-accuracy", help="Compare errors too (--against).")] = True,
    build_isolation: Annotated[
        bool, typer.Option("--build-isolation/--no-build-isolation", help="As for pip (--against).")
    ] = True,
    profile: ProfileOption = None, device: DeviceOption = None, dtype: DtypeOption = None, seed: SeedOption = None,
    select: SelectOption = None, jobs: JobsOption = None, timeout: TimeoutOption = None, output: OutputOption = None,
    json: JsonOption = False, github_summary: GithubOption = False, strict: StrictOption = None,
) -> None:  # fmt: skip
    """Judge a record against a baseline, or this tree against a git revision: anything wrong, lost or slower?"""
    from si_verify.cli.gate import Output, gate_against, gate_record
    from si_verify.config import ConfigError, load_config

    config = load_config(overrides=_overrides(profile, device, dtype, seed, select, jobs, timeout, output, strict))
    shown = Output(json, github_summary, config.strict)
    if (record is None) == (against is None):
        raise ConfigError("gate: expected either a RECORD or --against GITREV")
    if record is not None:
        _exit(gate_record(record, baseline, baselines, shown))
    elif baseline is not None:
        raise ConfigError("gate: --baseline goes with a RECORD, not with --against")
    else:
        _exit(gate_against(str(against), config, shown, workload or [], accuracy, build_isolation))


@baseline_app.command("accept")
def accept_command(
    record: Annotated[Path, typer.Argument(help="record.jsonl, or the folder that holds it.")],
    why: Annotated[str, typer.Option(help="Why this is right; kept with the baseline.")],
    who: Annotated[str, typer.Option(help="Who says so; default: git's user.name.")] = "",
    baselines: Annotated[Path, typer.Option(help="Folder of accepted baselines.")] = Path("si-verify-baselines"),
    json: JsonOption = False,
) -> None:
    """Make a record the baseline of its device, driver, versions and settings."""
    from si_verify.cli.gate import accept_baseline

    _exit(accept_baseline(record, baselines, why, who, json))


@app.command("compare")
def compare_command(
    records: Annotated[list[Path], typer.Argument(help="Records, or the folders that hold them.", metavar="RECORD...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder, or an .html file.")] = Path("si-verify-out"),
    json: JsonOption = False,
) -> None:
    """One HTML page and one table over records of several devices, versions or commits."""
    from si_verify.cli.compare import compare

    _exit(compare(records, output, json))


@app.command("reproduce")
def reproduce_command(
    experiment: Annotated[Experiment, typer.Argument(help="Which experiment.")],
    full: Annotated[bool, typer.Option("--full", help="The full setting, meant for a GPU.")] = False,
    device: DeviceOption = None, seed: SeedOption = None, output: OutputOption = None,
) -> None:  # fmt: skip
    """Run an experiment again: minutes on a CPU in its short setting; goes on where it was cut off."""
    from si_verify.cli.reproduce import reproduce
    from si_verify.config import load_config

    config = load_config(overrides=_overrides(None, device, None, seed, None, None, None, output, None))
    _exit(reproduce(experiment.value, config, full))


@app.command("doctor")
def doctor_command(device: DeviceOption = None, json: JsonOption = False) -> None:
    """Devices, versions, thread counts, clocks, and the noise floor of this machine from an A/A run."""
    from si_verify.cli.listing import print_diagnosis
    from si_verify.config import load_config
    from si_verify.device import resolve_device

    print_diagnosis(resolve_device(load_config(overrides={"device": device}).device), json)


def run_app() -> None:
    """Run the app with INTERFACE's exit codes: 2 usage, 4 not measurable, 70 internal error."""
    try:
        app()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        sys.exit(_report(error))


def _report(error: BaseException) -> int:
    from si_verify.config import ConfigError
    from si_verify.device import DeviceError
    from si_verify.executors.executor import ExecutorError
    from si_verify.gate import Exit
    from si_verify.record import RecordError
    from si_verify.select import SelectError
    from si_verify.targets import TargetError

    if isinstance(error, (ConfigError, SelectError, TargetError)):
        print(f"si-verify: {error}", file=sys.stderr)
        return Exit.USAGE
    if isinstance(error, (RecordError, DeviceError, ExecutorError)):
        print(f"si-verify: {error}", file=sys.stderr)
        return Exit.UNMEASURED
    if isinstance(error, OSError) and error.errno in _DISK:
        print(f"si-verify: cannot write {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return Exit.UNMEASURED
    import traceback

    traceback.print_exc()
    print("si-verify: internal error; please report it with the lines above", file=sys.stderr)
    return Exit.INTERNAL
