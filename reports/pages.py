"""Pages: what the page's script needs for its views of one subject, one problem, one machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from reports.machine import machine_facts
from reports.wording import printable
from si_verify.record import Record, Result
from si_verify.regression.history import letter


def machine_name(record: Record) -> str:
    """What records must share to be called of one machine: the device and the model behind it."""
    machine = record.header.machine
    model = machine.get("gpu") or machine.get("cpu") or machine.get("platform") or "unknown machine"
    return f"{record.header.device} · {str(model).replace('(R)', '').replace('(TM)', '')}"


def page_href(kind: str, name: str) -> str:
    """The fragment of the view of one ``subject``, ``problem`` or ``machine``."""
    return f"#{kind}=" + quote(name, safe="/", errors="replace")


def whole_command(result: Result) -> str:
    """The line that repeats all of a result's subject: its own reproduction line without the rest of the selection."""
    try:
        words = shlex.split(result.reproduce)
    except ValueError:
        return ""
    if words[:2] not in (["si-verify", "run"], ["si-verify", "check"]):
        return ""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("--select", "--dtype"):
            next(rest, "")
        else:
            kept.append(word)
    if words[1] == "run":
        kept += ["--select", f"subject={result.subject}"]
    return printable(shlex.join(kept))


def records_table(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Every record's name, machine and facts, as the script shows them."""
    rows = []
    for i, record in enumerate(records):
        facts = machine_facts(record)
        rows.append(
            {
                "letter": letter(i),
                "machine": printable(machine_name(record)),
                "commit": printable(record.header.commit[:12]),
                "created": printable(facts.created),
                "facts": [[printable(k), printable(v)] for k, v in facts.machine],
                "versions": [[printable(k), printable(v)] for k, v in facts.versions],
            }
        )
    return rows


def whole_commands(results: Sequence[Result]) -> dict[str, str]:
    """For every subject the line that repeats all of it."""
    found: dict[str, str] = {}
    for result in results:
        name = printable(result.subject)
        if name not in found and (line := whole_command(result)):
            found[name] = line
    return found
