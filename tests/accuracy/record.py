"""The accuracy record: findings gathered into one JSON document and one Markdown table."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tests.accuracy.condition import AVAILABLE, SAMPLES, STEP
from tests.accuracy.measure import ALLOWED

SCHEMA = 1
EDGES = (0.0, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, math.inf)
PACKAGES = ("numpy", "scipy", "mpmath", "gmpy2", "hypothesis", "array-api-compat")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of cases.jsonl that are whole; a killed run may leave half of one."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def summarise(cases: Iterable[dict[str, Any]], command: str) -> dict[str, Any]:
    """Per dtype and field: worst ratio with its case, histogram over EDGES, verdicts; and the failures in full."""
    fields: dict[str, dict[str, dict[str, Any]]] = {}
    failures, coverage, seconds, n, commits = [], Counter(), 0.0, 0, set()
    for case in cases:
        n += 1
        seconds += case["seconds"]
        commits.add(case["commit"])
        spec = case["spec"]
        coverage.update(f"{key}={spec[key]}" for key in ("coupling", "path", "latent", "kind", "dtype"))
        for finding in case["findings"]:
            per_field = fields.setdefault(spec["dtype"], {})
            entry = per_field.setdefault(
                finding["field"],
                {"verdicts": Counter(), "histogram": [0] * (len(EDGES) - 1), "vacuous": 0, "worst": None},
            )
            entry["verdicts"][finding["verdict"]] += 1
            if finding["verdict"] in ("ok", "inaccurate"):
                ratio = finding["ratio"]
                entry["histogram"][int(np.searchsorted(EDGES, ratio, side="right")) - 1] += 1
                entry["vacuous"] += ALLOWED * float(np.finfo(spec["dtype"]).eps) * finding["cond"] >= 1.0
                if entry["worst"] is None or ratio > entry["worst"]["ratio"]:
                    entry["worst"] = {**{k: finding[k] for k in ("ratio", "error", "size", "cond")}, "spec": spec}
            if finding["verdict"] not in ("ok", "undefined", "out_of_range"):
                failures.append({"finding": finding, "spec": spec})
    return {
        "schema": SCHEMA,
        "claim": f"|error| <= {ALLOWED:g} * eps * cond * |field|; cond as in tests/accuracy/condition.py",
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.platform(), "cpu": _cpu(), "python": platform.python_version()},
        "versions": {name: _version(name) for name in PACKAGES},
        "commits": sorted(commits),
        "condition": {"samples": SAMPLES, "step": STEP, "extended_precision": bool(AVAILABLE)},
        "cases": n,
        "seconds": round(seconds, 1),
        "coverage": dict(sorted(coverage.items())),
        "edges": [e if math.isfinite(e) else "inf" for e in EDGES],
        "fields": fields,
        "failures": failures,
    }


def table(summary: dict[str, Any]) -> str:
    """The summary as Markdown: one line for each dtype and field."""
    lines = [
        "# Accuracy of the yardstick against the oracle",
        "",
        f"{summary['cases']} random cases, {len(summary['failures'])} findings beyond the claim `{summary['claim']}`.",
        "",
        f"{summary['date']}, commit {', '.join(summary['commits'])}, {summary['machine']['cpu']}, "
        f"Python {summary['machine']['python']}, "
        + ", ".join(f"{k} {v}" for k, v in summary["versions"].items() if v)
        + f". Made by `{summary['command']}`; details and every worst case in `accuracy.json`.",
        "",
        "worst = error / (eps · cond · size), to be at most 100; vacuous: cases with 100 · eps · cond ≥ 1.",
        "",
        "| dtype | field | compared | undefined | worst | cond there | size there | t there | case, K, D | vacuous |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for dtype, per_field in sorted(summary["fields"].items(), reverse=True):
        for field, entry in sorted(per_field.items()):
            worst = entry["worst"]
            if worst is None:
                continue
            spec = worst["spec"]
            lines.append(
                f"| {dtype} | {field} | {sum(entry['histogram'])} | {entry['verdicts'].get('undefined', 0)} "
                f"| {worst['ratio']:.3g} | {worst['cond']:.3g} | {worst['size']:.3g} | {spec['t']:.6g} "
                f"| {spec['coupling']}, {spec['kind']}, {spec['n_components']}, {spec['dim']} | {entry['vacuous']} |"
            )
    for failure in summary["failures"][:20]:
        finding = failure["finding"]
        lines.append(
            f"\n- {finding['verdict']}: {finding['field']}, ratio {finding['ratio']:.3g} {finding['note']}\n"
            f"  `python -m tests.accuracy --spec '{json.dumps(failure['spec'])}'`"
        )
    return "\n".join(lines) + "\n"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit() -> str:
    """The commit under test, with + where a file of analytic/ that is loaded has changes that are not in it."""
    folder = Path(__file__).parents[2]
    loaded = [m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "analytic" and m.__file__]
    try:
        head, changes = (
            subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--", *loaded))
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changes else "")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
