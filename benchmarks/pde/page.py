"""From a record of the benchmark to its page, Markdown: tables, what was asked for, and whether it was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
# task: (ours, what it is held against, how many times faster is asked for)
TARGETS = (
    ("pde-explicit-512", "pde/fused", ("torch/eager", "torch/compile", "scipy/csr", "jax/jit"), 3.0),
    ("pde-explicit-1024-steps", "pde/fused-blocked", ("numba/five-point",), 1.8),
    ("pde-implicit-512", "pde/fused-lines", ("scipy/splu",), 10.0),
)
BANDWIDTH = 0.8
ADVANTAGE = 10.0


def page(rows: Sequence[Row]) -> str:
    """The page of a record."""
    machine = next(r for r in rows if r["type"] == "machine")
    steps = [r for r in rows if r["type"] == "step"]
    runs = [r for r in rows if r["type"] == "run"]
    lines = [
        "# Fokker–Planck on grids: time", "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, commit `{machine['commit']}`.", "",
        f"Load {machine['load_before']:.2f} before and {machine['load_after']:.2f} after, {machine['when']}.",
    ]  # fmt: skip
    if machine["load_before"] > 1.0 or machine["load_after"] > 1.5 + machine["threads"]:
        lines += ["", "**The machine was not calm: ratios were taken side by side, absolute numbers are too low.**"]
    if machine["clock"] == "processor":
        lines += ["", "Pinned to one core and timed by processor time, which what else runs on it does not lengthen."]
    lines += ["", "Run again with `python -m benchmarks.pde`.", "", *_targets(steps, runs), "", *_steps(steps)]
    lines += ["", *_runs(runs), ""]
    if missing := [r["reason"] for r in rows if r["type"] == "missing"]:
        lines += ["Not there:", "", *(f"- {reason}" for reason in missing), ""]
    return "\n".join(lines)


def _targets(steps: Sequence[Row], runs: Sequence[Row]) -> list[str]:
    found = ["## What was asked for", "", "| what | dtype | asked | found | |", "| --- | --- | --- | --- | --- |"]
    for task, own, peers, asked in TARGETS:
        for dtype in ("float64", "float32"):
            here = {r["name"]: r for r in steps if r["task"] == task and r["dtype"] == dtype}
            rivals = [here[p] for p in peers if p in here]
            if own in here and rivals:
                rival = min(rivals, key=lambda r: r["seconds"])
                found.append(
                    _verdict(f"{task}: {own} against {rival['name']}", dtype, asked, *_ratio(rival, here[own]))
                )
    for dtype in ("float64", "float32"):
        here = {r["name"]: r for r in steps if r["task"] == "pde-explicit-512" and r["dtype"] == dtype}
        if {"pde/fused", "copy of as many bytes"} <= set(here):
            share = _ratio(here["copy of as many bytes"], here["pde/fused"])
            found.append(_verdict("pde-explicit-512: share of the copy bandwidth", dtype, BANDWIDTH, *share))
    for run in runs:
        if run["advantage"] is not None:
            what = f"{run['package']}, {run['setting']} (L1 error {run['error']:.2g}) against {run['against']}"
            best = next(r for r in runs if f"{r['package']}, {r['setting']}" == run["against"])
            found.append(_verdict(what, "float64", ADVANTAGE, *_ratio(run, best)))
    return found


def _ratio(slow: Row, quick: Row) -> tuple[float, float, float]:
    """Ratio of the medians, and the least and the most that their intervals leave."""
    return slow["seconds"] / quick["seconds"], slow["low"] / quick["high"], slow["high"] / quick["low"]


def _verdict(what: str, dtype: str, asked: float, found: float, low: float, high: float) -> str:
    word = "reached" if low >= asked else "not reached" if high < asked else "undecided"
    return f"| {what} | {dtype} | {asked:g} | {found:.3g} ({low:.3g} to {high:.3g}) | {word} |"


def _steps(steps: Sequence[Row]) -> list[str]:
    lines = [
        "## Steps", "",
        "Median of interleaved rounds, its 99 % interval; error in units of what rounding allows, before and after.",
        "", "| task | dtype | form | cell updates/s | ms | interval | error |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for r in steps:
        span = f"{1e3 * r['low']:.3g}–{1e3 * r['high']:.3g}"
        rate = "" if r["name"].startswith("copy") else f"{r['items'] / r['seconds']:.3g}"
        lines.append(
            f"| {r['task']} | {r['dtype']} | {r['name']} | {rate} | {1e3 * r['seconds']:.3g} | {span} "
            f"| {r['error']:.2g} |"
        )
    return lines


def _runs(runs: Sequence[Row]) -> list[str]:
    lines = [
        "## Error against wall time", "",
        "A mixture in the plane relaxing to N(0, I), t from 0 to ½ (benchmarks/pde/relaxation.py).", "",
        "Imports and compilation are not in the times of a solve; how long the first answer took, with those that",
        "nothing before it had done, is in the last column.", "",
        "| package | setting | L1 error | ms | interval | ours at this error | s to the first answer |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for r in runs:
        better = "" if r["advantage"] is None else f"{r['advantage']:.3g} times less ({r['against']})"
        span = f"{1e3 * r['low']:.3g}–{1e3 * r['high']:.3g}"
        lines.append(
            f"| {r['package']} | {r['setting']} | {r['error']:.3g} | {1e3 * r['seconds']:.3g} | {span} | {better} "
            f"| {r['prepared']:.3g} |"
        )
    return lines
