"""Machine: the facts of a record's header, in words."""

from __future__ import annotations

from dataclasses import dataclass

from reports.wording import number, plural
from si_verify.record import Evidence, Record


@dataclass(frozen=True)
class Facts:
    """``short`` is one line for the top of the page; the rest are tables for its end."""

    short: str
    scope: str
    created: str
    machine: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    evidence: tuple[Evidence, ...]


def _short(record: Record) -> str:
    m = record.header.machine
    parts = [str(m["gpu"])] if m.get("gpu") else []
    cpu = str(m.get("cpu") or m.get("platform") or "unknown machine").replace("(R)", "").replace("(TM)", "")
    cores = m.get("cores")
    parts.append(cpu + (f", {plural(cores, 'core')}" if isinstance(cores, int) else ""))
    if m.get("memory_gib") is not None:
        parts.append(f"{m['memory_gib']} GiB")
    return " · ".join(parts)


def _scope(record: Record) -> str:
    r = record.results
    return " · ".join(plural(len({getattr(x, name) for x in r}), name) for name in ("subject", "check", "problem"))


def machine_facts(record: Record) -> Facts:
    """What a page says about where a record comes from."""
    h = record.header
    own = (
        ("device", h.device),
        ("profile", h.profile),
        ("seed", str(h.seed)),
        ("false alarms", f"at most {number(h.budget)} for the whole run"),
        ("commit", h.commit or "not a repository"),
        ("selection", h.select or "everything"),
        ("command", h.command),
    )
    evidence = {(e.module, e.sha256): e for r in record.results for e in r.evidence}
    return Facts(
        short=_short(record),
        scope=_scope(record),
        created=h.created.replace("T", " ", 1),
        machine=own + tuple((k.replace("_", " "), str(v)) for k, v in h.machine.items()),
        versions=tuple(sorted(h.versions.items())),
        evidence=tuple(evidence[k] for k in sorted(evidence)),
    )
