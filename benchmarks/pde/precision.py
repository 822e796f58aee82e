"""Error against wall time: every attempt right before it is timed, then all timed interleaved."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.pde.relaxation import Attempt, error
from si_verify.bench.clock import Estimate, Patience, clock_of, interleave, median, timed
from si_verify.subject import Unavailable


@dataclass(frozen=True)
class Run:
    """One attempt, timed: seconds a solve with its interval, L1 error before and after timing.

    ``prepared``: seconds to its first answer, with the imports and compilation that nothing before it had done.
    """

    package: str
    setting: str
    own: bool
    error: float
    error_after: float
    seconds: Estimate
    prepared: float


def race(attempts: Sequence[Attempt], patience: Patience, say: Callable[[str], None]) -> tuple[list[Run], list[str]]:
    """Runs, and why some attempts could not be made."""
    ready: list[Attempt] = []
    before: dict[str, float] = {}
    missing: list[str] = []
    prepared: dict[str, float] = {}
    clock = clock_of("cpu")[1]
    for attempt in attempts:
        name = f"{attempt.package}, {attempt.setting}"
        begin = clock()
        try:
            answer = attempt.run()
            prepared[name] = clock() - begin
            before[name] = error(answer, attempt.form)
        except Unavailable as reason:
            missing.append(f"{name}: {reason}")
            continue
        except Exception as reason:
            missing.append(f"{name}: {type(reason).__name__}: {reason}")
            continue
        say(f"{name}: L1 error {before[name]:.3g}, {prepared[name]:.3g} s to the first answer")
        if math.isfinite(before[name]):
            ready.append(attempt)
    names = [f"{a.package}, {a.setting}" for a in ready]
    work = {n: timed(a.run, lambda: None, clock=clock) for n, a in zip(names, ready, strict=True)}
    samples = interleave(work, patience, np.random.default_rng(0))
    return [
        Run(
            a.package, a.setting, a.own, before[n], error(a.run(), a.form), median(samples[n], patience.confidence),
            prepared[n],
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
