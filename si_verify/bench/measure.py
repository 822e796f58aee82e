"""From the workloads of one task to results: right before and after, timed interleaved, against ceilings and peers."""

from __future__ import annotations

import math
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from si_verify.bench.ceilings import Ceilings, ceilings, cuda_device
from si_verify.bench.clock import Estimate, Patience, clock_of, interleave, median, ratio, timed
from si_verify.bench.device_clock import samplers
from si_verify.bench.device_state import State, reader, throttled
from si_verify.bench.workload import Job, Workload
from si_verify.evidence import evidence
from si_verify.execute import measurement_rows, worst_reason
from si_verify.gate import Verdict, judge_all
from si_verify.measurement import Measurement
from si_verify.record import DataRow, Result
from si_verify.subject import Unavailable

CHECK = "throughput"
# A measured ceiling is itself a measurement: above it by more than this, the work or the count is not what it says.
_SUSPECT = 1.05


@dataclass(frozen=True)
class Bench:
    """Where and how: the device and dtype names, patience for one task, and the profile for the record."""

    device: str
    dtype: str
    patience: Patience
    profile: str
    seed: int = 0


@dataclass
class _Entry:
    """samples: seconds a run by round, in the state that throughput and ratios are of (on a GPU "hot"); others: by
    state. notes: what the record must say of how they were taken. broken: what it raised once it had been right.
    """

    workload: Workload
    job: Job
    error: float
    samples: np.ndarray | None = None
    others: dict[str, np.ndarray] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    broken: Exception | None = None


@contextmanager
def _kept(*entries: _Entry) -> Iterator[None]:
    """What goes wrong within ends these workloads and not the bench: a device may run out of memory at any time."""
    try:
        yield
    except Exception as error:
        for entry in entries:
            entry.broken = error


def measure_task(task: str, workloads: Sequence[Workload], bench: Bench) -> list[Result]:
    """One result a workload. A wrong one is failed and never timed; one that is not there is skipped."""
    started = time.perf_counter()
    results: list[Result] = []
    entries: list[_Entry] = []
    for workload in workloads:
        try:
            job = workload.load(bench.device, bench.dtype)
            entries.append(_Entry(workload, job, _worst_error(job, bench.seed)))
        except Unavailable as error:
            results.append(_result(workload, bench, Verdict.SKIPPED, str(error)))
        except Exception as error:
            results.append(_result(workload, bench, Verdict.FAILED, _words(error)))
    right = [e for e in entries if e.error <= 1.0]
    if right:
        with _kept(*right):
            ceilings(bench.device, bench.dtype)  # now, while what goes wrong with them can be said of someone
        _time([e for e in right if e.broken is None], bench)
        for entry in right:
            with _kept(entry):
                entry.error = max(entry.error, _worst_error(entry.job, bench.seed + 1))
    each = (time.perf_counter() - started) / max(1, len(entries))
    peers = [e for e in right if e.workload.peer and e.samples is not None and e.broken is None]
    best = min(peers, key=lambda e: float(np.median(np.asarray(e.samples))), default=None)
    return results + [_judged(entry, best, bench, each) for entry in entries]


def _time(entries: Sequence[_Entry], bench: Bench) -> None:
    work: dict[tuple[str, str], Callable[[], float]] = {}
    read, unread = reader(bench.device)
    states: list[State] = []
    for entry in entries:
        with _kept(entry):
            if bench.device.startswith("cuda"):
                found, why = samplers(entry.job.run, cuda_device(bench.device))
                entry.notes = {k: v for k, v in (("graph", why), ("clocks", unread)) if v}
            else:
                found = {"hot": timed(entry.job.run, lambda: None, clock=clock_of(bench.device)[1])}
            work |= {(entry.workload.name, state): sample for state, sample in found.items()}
    going = [entry for entry in entries if entry.broken is None]
    if not going:
        return
    observe = (lambda: states.append(read())) if bench.device.startswith("cuda") else (lambda: None)
    with _kept(*going):
        samples = interleave(work, bench.patience, np.random.default_rng(bench.seed), observe)
        for entry in going:
            own = {state: taken for (name, state), taken in samples.items() if name == entry.workload.name}
            entry.samples, entry.others, entry.states = own.pop("hot"), own, states


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _worst_error(job: Job, seed: int) -> float:
    job.renew(seed)
    error = float(job.error(job.run()))
    return math.inf if math.isnan(error) else error


def _judged(entry: _Entry, best: _Entry | None, bench: Bench, seconds: float) -> Result:
    job, samples = entry.job, entry.samples
    if isinstance(entry.broken, Unavailable):
        return _result(entry.workload, bench, Verdict.SKIPPED, str(entry.broken))
    if entry.broken is not None:
        return _result(entry.workload, bench, Verdict.FAILED, _words(entry.broken), seconds=seconds)
    found = [
        Measurement(
            "error", entry.error, 1.0, origin="rounding", why="in units of what is allowed; before and after timing"
        )
    ]
    data: tuple[DataRow, ...] = ()
    if samples is not None:
        ceiling = ceilings(bench.device, bench.dtype)
        found += _rates(entry, ceiling, bench.patience)
        columns: dict[str, list[Any]] = {"seconds": samples.tolist()}
        columns |= {f"seconds, {state}": taken.tolist() for state, taken in entry.others.items()}
        columns |= {key: [state[key] for state in entry.states] for key in (entry.states or [{}])[0]}
        meta: dict[str, Any] = {
            "items": job.items,
            "unit": job.unit,
            "bytes": job.bytes,
            "flops": job.flops,
            "exps": job.exps,
            **entry.notes,
        }
        clock = "events of the device" if bench.device.startswith("cuda") else clock_of(bench.device)[0]
        meta["clock"], meta["load"] = clock, round(os.getloadavg()[0], 2)
        if entry.workload.target:
            meta["target"] = entry.workload.target
        if entry.workload.goal and bench.dtype == "float32":
            meta["goal"] = entry.workload.goal.items_per_s(ceiling.bytes_per_s, ceiling.flops_per_s)
        if best is not None and best is not entry and best.samples is not None:
            times = ratio(best.samples, samples, bench.patience.confidence)
            name = f"times faster than {best.workload.name}"
            found.append(_shown(name, times, "paired ratio, median over rounds", bench.patience))
        data = (DataRow(kind="timing", title="Seconds a run, by round", columns=columns, meta=meta),)
    rows = measurement_rows(found)
    verdict = judge_all(found)
    reason = "" if verdict is Verdict.PASSED else worst_reason(rows)
    return _result(entry.workload, bench, verdict, reason, measurements=rows, data=data, seconds=seconds)


def _rates(entry: _Entry, ceiling: Ceilings, patience: Patience) -> list[Measurement]:
    job = entry.job
    spent = {"hot": median(np.asarray(entry.samples), patience.confidence)}
    spent |= {state: median(taken, patience.confidence) for state, taken in entry.others.items()}
    slowed = throttled(entry.states)
    found = []
    for state, name in (("hot", "throughput"), ("cold", "throughput, cold"), ("graph", "throughput, replayed")):
        if state not in spent:
            continue
        time_of = spent[state]
        rate = Estimate(job.items / time_of.value, job.items / time_of.high, job.items / time_of.low)
        why = _STATES[state] if len(spent) > 1 else "median"
        why += "" if time_of.width <= patience.width else f"; the interval is still {time_of.width:.1%} wide"
        why += f"; clocks were lowered: {slowed}" if slowed else ""
        found.append(_shown(name, rate, why, patience, f"{job.unit}/s"))
    floor, binding = ceiling.floor(job.bytes, job.flops, job.exps, job.arithmetic)
    if floor > 0:
        # What fits a cache may pass the ceiling of memory, but not when the cache is emptied first.
        time_of = spent["cold" if binding == "copy bandwidth" and "cold" in spent else "hot"]
        found.append(
            Measurement(
                f"fraction of {binding}",
                floor / time_of.value,
                _SUSPECT,
                origin="exact",
                why="least time by the ceiling measured in this session, over the time taken; more than all is suspect",
                interval=(floor / time_of.high, floor / time_of.low),
            )
        )
    return found


_STATES = {
    "hot": "median of runs launched one after another",
    "cold": "median of runs after the last cache was overwritten",
    "graph": "median of runs replayed from a CUDA graph",
}


def _shown(name: str, value: Estimate, why: str, patience: Patience, unit: str = "") -> Measurement:
    interval = (value.low, value.high)
    return Measurement(
        name, value.value, origin="sampling", why=why, interval=interval, confidence=patience.confidence, unit=unit
    )


def _result(workload: Workload, bench: Bench, verdict: Verdict, reason: str, **more: Any) -> Result:
    command = f"si-verify bench --select {shlex.quote('problem=' + workload.task)}"
    return Result(
        id=f"{CHECK}/{workload.name}/{workload.task}/{bench.dtype}",
        check=CHECK,
        claim="Right before and after, and no faster than the hardware allows",
        subject=workload.name,
        kind="workload",
        problem=workload.task,
        dtype=bench.dtype,
        device=bench.device,
        seed=bench.seed,
        verdict=verdict,
        reason=reason,
        tags=tuple(sorted(workload.tags | ({"peer"} if workload.peer else {"own"}))),
        reproduce=f"{command} --profile {bench.profile} --dtype {bench.dtype} --device {bench.device}",
        evidence=tuple(evidence(m) for m in workload.modules) if verdict is not Verdict.SKIPPED else (),
        **more,
    )
