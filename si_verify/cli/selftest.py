"""What ``selftest`` runs and prints."""

from __future__ import annotations

import dataclasses
import json as json_module
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from analytic import problems
from si_verify import discovery
from si_verify.cli.progress import RichProgress
from si_verify.cli.session import settings_of, workers
from si_verify.config import Config
from si_verify.faults.fault import Fault
from si_verify.gate import Exit
from si_verify.plan import Settings, plan
from si_verify.record import Result
from si_verify.run import run
from si_verify.select import parse
from si_verify.selftest import Kill, false_alarms, fault_cases, kills


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much: seeds of right subjects, whether faults run at all, which right cases, whether to go on."""

    seeds: int = 1
    faults: bool = True
    right: str = ""
    resume: bool = False


def _run(cases: list, settings: Settings, config: Config, path: Path, title: str, resume: bool = False) -> list[Result]:
    console = Console(stderr=True)
    if console.is_terminal:
        console.print(title, markup=False)
    with RichProgress(console) as progress:
        record = run(cases, settings, workers(config, settings.device), path, resume, progress, command="selftest")
    return list(record.results)


def _selected(select: str) -> list[Fault]:
    chosen = parse(select)
    faults = discovery.faults().values()
    return [f for f in faults if chosen({"subject": (f.name,), "kind": (f.subject.kind,), "check": f.caught_by})]


def selftest(config: Config, extent: Extent, json: bool) -> int:
    """Faults under the checks that must reject them, then right subjects over the seeds; the exit code."""
    settings = settings_of(config)
    checks = discovery.checks()
    folder = Path(config.output)
    faults = _selected(config.select)
    if not faults:
        Console(stderr=True).print(f"nothing selected (select={config.select!r})", markup=False)
        return Exit.NOTHING
    plain = dataclasses.replace(settings, select="")
    cases = fault_cases(faults, checks, problems.all(), plain)
    table: list[Kill] = []
    if extent.faults:
        done = _run(cases, plain, config, folder / "faults.jsonl", f"{len(faults)} faults", extent.resume)
        table = kills(faults, done)
    kinds = {f.subject.kind for f in faults}
    right = [s for s in discovery.subjects().values() if s.kind in kinds]
    alarms: list[Result] = []
    judged = 0
    for seed in range(config.seed, config.seed + extent.seeds):
        at_seed = dataclasses.replace(plain, seed=seed, select=extent.right)
        wanted = plan(right, checks.values(), problems.all(), at_seed)
        path = folder / f"seed-{seed}.jsonl"
        results = _run(wanted, at_seed, config, path, f"right subjects, seed {seed}", extent.resume)
        judged += len(results)
        alarms += false_alarms(results)
    _print(table, alarms, judged, extent.seeds, json)
    return Exit.PASSED if all(k.killed for k in table) and not alarms else Exit.FAILED


def _print(table: list[Kill], alarms: list[Result], judged: int, seeds: int, json: bool) -> None:
    killed = sum(k.killed for k in table)
    faults = len({k.fault for k in table})
    if json:
        print(
            json_module.dumps(
                {
                    "faults": faults,
                    "pairs": len(table),
                    "killed": killed,
                    "judged": judged,
                    "seeds": seeds,
                    "kills": [{**dataclasses.asdict(k), "margin": min(k.margin, 1e300)} for k in table],
                    "false_alarms": [{"id": r.id, "reason": r.reason, "reproduce": r.reproduce} for r in alarms],
                }
            )
        )
        return
    console = Console()
    if table:
        _print_kills(console, table)
    console.print(f"false alarms: {len(alarms)} in {judged} verdicts on right subjects over {seeds} seeds")
    for alarm in alarms[:20]:
        console.print(f"  {alarm.verdict} {alarm.id}: {alarm.reason}\n    {alarm.reproduce}", markup=False)


def _print_kills(console: Console, table: list[Kill]) -> None:
    view = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("fault", "rejected by", "margin", "on", "story"):
        view.add_column(column, overflow="fold")
    for kill in table:
        state = f"{kill.margin:.3g}" if kill.killed else "SURVIVED"
        view.add_row(kill.fault, kill.check, state, kill.problem, kill.story)
    console.print(view, markup=False)
    killed, faults = sum(k.killed for k in table), len({k.fault for k in table})
    rate = killed / len(table)
    console.print(f"kill rate {rate:.1%}: {killed} of {len(table)} pairs of fault and check, {faults} faults")
