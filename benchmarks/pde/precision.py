"""Error against wall time: every attempt right before it is timed, then all timed interleaved."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.pde.relaxation import Attempt, error
from si_verify.bench.clock import Estimate, Patience, interleave, median, timed
from si_verify.subject import Unavailable


@dataclass(frozen=True)
class Run:
    """One attempt, timed: seconds a solve with its interval, L1 error before and after timing."""

    package: str
    setting: str
    own: bool
    error: float
    error_after: float
    seconds: Estimate


def race(attempts: Sequence[Attempt], patience: Patience, say: Callable[[str], None]) -> tuple[list[Run], list[str]]:
    """Runs, and why some attempts could not be made."""
    ready: list[Attempt] = []
    before: dict[str, float] = {}
    missing: list[str] = []
    for attempt in attempts:
        name = f"{attempt.package}, {attempt.setting}"
        try:
            before[name] = error(attempt.run(), attempt.form)
        except Unavailable as reason:
            missing.append(f"{name}: {reason}")
            continue
        except Exception as reason:
            missing.append(f"{name}: {type(reason).__name__}: {reason}")
            continue
        say(f"{name}: L1 error {before[name]:.3g}")
        if math.isfinite(before[name]):
            ready.append(attempt)
    names = [f"{a.package}, {a.setting}" for a in ready]
    work = {n: timed(a.run, lambda: None) for n, a in zip(names, ready, strict=True)}
    samples = interleave(work, patience, np.random.default_rng(0))
    return [
        Run(
            a.package, a.setting, a.own, before[n], error(a.run(), a.form), median(samples[n], patience.confidence)
        )
        for n, a in zip(names, ready, strict=True)
    ], missing  # fmt: skip


def advantage(peer: Run, runs: Sequence[Run]) -> tuple[Run, float] | None:
    """Our quickest run that errs no more than ``peer``, and how many times less it takes; None if there is none."""
    fit = [r for r in runs if r.own and r.error <= peer.error]
    if not fit:
        return None
    best = min(fit, key=lambda r: r.seconds.value)
    return best, peer.seconds.value / best.seconds.value
