"""Speed: same, faster, slower or ambiguous, from paired ratios of two revisions timed interleaved on one machine.

Head is timed in two processes. Slower needs all of: both heads' paired ratios to base exclude 1; both exceed the
margin, which is at least what the two equal heads differ by (A/A) and at least PRACTICAL; and a second race of new
processes agrees. A process's luck with memory and caches is part of the noise, which is why the A/A pair are processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from si_verify.bench.clock import Estimate, Patience, interleave, ratio
from si_verify.bench.measure import CHECK
from si_verify.record import MeasurementRow, Record
from si_verify.regression.change import Change, Kind
from si_verify.regression.sides import SideProcess, Tree

PRACTICAL = 0.03
PROMISED = 0.10  # what the gate sees if it is there: 'same' rules out a change of this size, or it is not said
PATIENCE = {
    "quick": Patience(seconds=10.0, width=0.005, least=60),
    "standard": Patience(seconds=20.0, width=0.003, least=100),
    "full": Patience(seconds=60.0, width=0.002, least=200),
}
_STRETCH = 2e-3  # seconds: a thousand times the clock's own cost, and short enough to fall between interruptions
_BEST_OF, _ROUND = 5, 0.02  # stretches a sample, fewer (but two) where they would take longer than _ROUND seconds


@dataclass(frozen=True)
class Task:
    """What is raced: a built-in workload, or one of the caller's own (``name`` is module:OBJECT or path.py:OBJECT)."""

    name: str
    task: str
    dtype: str
    device: str = "cpu"

    @property
    def id(self) -> str:
        return f"speed/{self.name}/{self.task}/{self.dtype}"


@dataclass(frozen=True)
class Race:
    """Paired ratios of seconds: head and again over base, and head over again (A/A)."""

    head: Estimate
    again: Estimate
    equal: Estimate
    seconds: tuple[float, float]

    @property
    def margin(self) -> float:
        """What counts as a change here: at least PRACTICAL, at least the A/A floor."""
        return max(PRACTICAL, abs(self.equal.low - 1), abs(self.equal.high - 1))

    @property
    def interval(self) -> tuple[float, float]:
        return min(self.head.low, self.again.low), max(self.head.high, self.again.high)

    @property
    def kind(self) -> Kind:
        low, high = self.interval
        values, over = (self.head.value, self.again.value), 1 + self.margin
        if low > 1 and min(values) > over:
            return Kind.SLOWER
        if high < 1 and max(values) < 1 / over:
            return Kind.FASTER
        blind = 1 + PROMISED
        return Kind.SAME if high < blind and low > 1 / blind and over < blind else Kind.AMBIGUOUS


@dataclass(frozen=True)
class Sides:
    """The trees to race; ``slowdown`` is planted on head by the selftest, and by nothing else."""

    base: Tree
    head: Tree
    slowdown: float = 0.0


def judge_speed(task: Task, sides: Sides, patience: Patience, seed: int = 0) -> Change:
    """Race; what is slower is confirmed by a second race of new processes, what is ambiguous gets twice the time."""
    first = _raced(task, sides, patience, seed)
    if isinstance(first, Change):
        return first
    if first.kind in (Kind.SAME, Kind.FASTER):
        return _change(task, first, first.kind, "")
    longer = patience if first.kind is Kind.SLOWER else _longer(patience)
    second = _raced(task, sides, longer, seed + 1)
    if isinstance(second, Change):
        return second
    if first.kind is Kind.AMBIGUOUS and second.kind is Kind.SLOWER:
        first, second = second, second if isinstance(third := _raced(task, sides, longer, seed + 2), Change) else third
    if first.kind is second.kind:
        return _change(task, second, second.kind, "confirmed by a second race" if first.kind is Kind.SLOWER else "")
    if first.kind is Kind.SLOWER:
        return _change(task, second, Kind.AMBIGUOUS, f"{first.head.value:.3f} in the first race was not confirmed")
    return _change(task, second, second.kind, "by a longer race")


def _longer(patience: Patience) -> Patience:
    return Patience(2 * patience.seconds, patience.width, 2 * patience.least, patience.confidence)


def _raced(task: Task, sides: Sides, patience: Patience, seed: int) -> Race | Change:
    with ExitStack() as stack:
        base = stack.enter_context(SideProcess(sides.base))
        head, again = (stack.enter_context(SideProcess(sides.head, sides.slowdown)) for _ in range(2))
        three = (base, head, again)
        wrong = _prepared(task, three) or _wrong(task, three, seed)
        if wrong is not None:
            return wrong
        once = min(_sample(head, 1, 3), _sample(base, 1, 3))
        runs = max(1, math.ceil(_STRETCH / max(1e-9, once)))
        best_of = min(_BEST_OF, max(2, round(_ROUND / max(_STRETCH, once))))
        work = {name: _timer(side, runs, best_of) for name, side in zip(("base", "head", "again"), three, strict=True)}
        samples = interleave(work, patience, np.random.default_rng([seed, 77]))
        wrong = _wrong(task, three, seed + 1)
        if wrong is not None:
            return wrong
    level = patience.confidence
    return Race(
        ratio(samples["head"], samples["base"], level),
        ratio(samples["again"], samples["base"], level),
        ratio(samples["head"], samples["again"], level),
        (float(np.median(samples["base"])), float(np.median(samples["head"]))),
    )


def _timer(side: SideProcess, runs: int, best_of: int) -> Callable[[], float]:
    return lambda: _sample(side, runs, best_of)


def _sample(side: SideProcess, runs: int, best_of: int) -> float:
    answer = side.ask("sample", runs=runs, best_of=best_of)
    return float(answer["seconds"]) if "seconds" in answer else math.nan


def _prepared(task: Task, sides: Sequence[SideProcess]) -> Change | None:
    """Load on all sides. Head without it, where base has it, is lost coverage; the other way round it is new."""
    asked = {"name": task.name, "task": task.task, "dtype": task.dtype, "device": task.device}
    answers = [side.ask("prepare", **asked) for side in sides]
    missing = [a.get("unavailable") or a.get("failed") for a in answers]
    if missing[0] is None and missing[1] is None and missing[2] is None:
        return None
    if missing[1] is None:
        return Change(Kind.NEW, task.id, why=f"base: {missing[0]}")
    if missing[0] is None or "failed" in answers[1]:
        return Change(Kind.FAILED if "failed" in answers[1] else Kind.LOST, task.id, why=f"head: {missing[1]}")
    return Change(Kind.SAME, task.id, why=f"on neither side: {missing[1]}", count=0)


def _wrong(task: Task, sides: Sequence[SideProcess], seed: int) -> Change | None:
    """Right before fast: an answer that is wrong is not timed."""
    for side, name in zip(sides, ("base", "head", "head"), strict=True):
        answer = side.ask("error", seed=seed)
        error = float(answer.get("error", math.inf))
        if error <= 1.0:
            continue
        why = answer.get("failed") or f"error {error:.3g} times what is allowed"
        if name == "base":
            return Change(Kind.NEW, task.id, why=f"base is wrong ({why}); its time says nothing")
        return Change(Kind.FAILED, task.id, "error", head=error, why=f"wrong, and not timed: {why}")
    return None


def _change(task: Task, race: Race, kind: Kind, note: str) -> Change:
    low, high = race.interval
    why = (
        f"{race.head.value:.3f} and {race.again.value:.3f} times base's time ({low:.3f} to {high:.3f}); "
        f"margin {race.margin:.1%}, A/A {race.equal.low:.3f} to {race.equal.high:.3f}" + (f"; {note}" if note else "")
    )
    value = math.sqrt(race.head.value * race.again.value)
    return Change(kind, task.id, "seconds", *race.seconds, ratio=value, interval=race.interval, why=why)


def compare_throughput(base: Record, head: Record) -> list[Change]:
    """Two bench records, not interleaved: a verdict only where the intervals differ by more than the margin."""
    then = {r.id: {m.name: m for m in r.measurements} for r in base.results if r.check == CHECK}
    found = []
    for result in head.results:
        a = then.get(result.id, {}).get("throughput")
        b = next((m for m in result.measurements if m.name == "throughput"), None)
        if a is None or b is None or a.interval is None or b.interval is None:
            continue
        found.append(_unpaired(result.id, result.reproduce, a, b))
    return found


def _unpaired(name: str, reproduce: str, a: MeasurementRow, b: MeasurementRow) -> Change:
    assert a.interval is not None
    assert b.interval is not None
    low, high = float(a.interval[0]) / float(b.interval[1]), float(a.interval[1]) / float(b.interval[0])
    over = 1 + PRACTICAL
    kind = Kind.AMBIGUOUS
    if low > over:
        kind = Kind.SLOWER
    elif high < 1 / over:
        kind = Kind.FASTER
    elif high <= over and low >= 1 / over:
        kind = Kind.SAME
    why = f"{low:.3f} to {high:.3f} times the baseline's time, from two separate runs; --against REV decides finer"
    value = float(a.value) / float(b.value)
    return Change(kind, name, "seconds", 1 / float(a.value), 1 / float(b.value), value, (low, high), why, reproduce)
