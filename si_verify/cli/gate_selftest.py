"""``si-verify selftest --gate``: planted losses must go red, an unchanged tree must stay green."""

from __future__ import annotations

import dataclasses
import json as json_module
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.console import Console

from si_verify.config import Config
from si_verify.gate import Exit
from si_verify.regression.change import RED, Change
from si_verify.regression.planted import LOSS, SLOWDOWN, judge_loss, judge_probe
from si_verify.regression.speed import PATIENCE


def selftest_gate(config: Config, repeat: int, json: bool) -> int:
    """Both plants once, then ``repeat`` judgements of an unchanged tree, each with processes of its own."""
    patience = PATIENCE[config.profile]
    started = time.perf_counter()
    load = psutil.getloadavg()[0]
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / "gate-selftest.jsonl").open("w", encoding="utf-8")
    loss = judge_loss(config.seed, LOSS)
    slow = [judge_probe(config.seed, SLOWDOWN, patience)]
    seen: Counter[str] = Counter()
    alarms: list[Change] = []
    errors = Console(stderr=True)
    for index in range(repeat):
        changes = [*judge_loss(config.seed + index, 0.0), judge_probe(config.seed + 1000 * (index + 1), 0.0, patience)]
        seen[changes[-1].kind.value] += 1
        alarms += [c for c in changes if c.kind in RED]
        row = {"unchanged": index, "load": psutil.getloadavg()[0], **dataclasses.asdict(changes[-1])}
        log.write(json_module.dumps(row) + "\n")
        log.flush()
        if errors.is_terminal:
            errors.print(f"unchanged {index + 1}/{repeat}: {changes[-1].kind} {changes[-1].why}", markup=False)
    log.close()
    found = {
        "slowdown planted": SLOWDOWN,
        "slowdown seen": _red(slow),
        "loss planted": LOSS,
        "loss seen": _red(loss),
        "unchanged": repeat,
        "false alarms": len(alarms),
        "speed verdicts on unchanged": dict(seen),
        "load": round(load, 2),
        "seconds": round(time.perf_counter() - started, 1),
    }
    proven = _red(slow) and _red(loss) and not alarms
    if json:
        print(json_module.dumps({**found, "proven": proven, "why": [c.why for c in (*slow, *loss[:1], *alarms)]}))
    else:
        print(f"{SLOWDOWN:.0%} slowdown: {slow[0].kind}; {slow[0].why}")
        print(f"{LOSS:.0%} accuracy loss: {loss[0].kind}; {loss[0].why}")
        print(f"unchanged tree, {repeat} times: {len(alarms)} false alarms; speed {dict(seen)}; load {load:.1f}")
        for alarm in alarms:
            print(f"  {alarm.kind} {alarm.id}: {alarm.why}")
    return Exit.PASSED if proven else Exit.FAILED


def _red(changes: Sequence[Change]) -> bool:
    return any(c.kind in RED for c in changes)
