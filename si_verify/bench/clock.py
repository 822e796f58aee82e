"""Repeat until it is known: interleaved samples of several callables, medians and paired ratios with intervals."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats as sps

K = TypeVar("K")


@dataclass(frozen=True)
class Estimate:
    """A median with its distribution-free interval (order statistics of the sign test)."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Width of the interval, relative to the value."""
        return (self.high - self.low) / self.value


@dataclass(frozen=True)
class Patience:
    """When to stop: interval of every median narrower than ``width``, or ``seconds`` spent; never under ``least``."""

    seconds: float
    width: float = 0.01
    least: int = 12
    confidence: float = 0.99


def median(samples: np.ndarray, confidence: float) -> Estimate:
    """Median of samples (n,), n >= 8; the interval's ends are order statistics, no assumption on the noise's law."""
    x = np.sort(samples)
    n = len(x)
    k = max(0, math.floor(sps.binom.ppf((1 - confidence) / 2, n, 0.5)) - 1)
    return Estimate(float(np.median(x)), float(x[k]), float(x[n - 1 - k]))


def interleave(
    work: Mapping[K, Callable[[], float]],
    patience: Patience,
    rng: np.random.Generator,
    observe: Callable[[], None] = lambda: None,
) -> dict[K, np.ndarray]:
    """Rounds of one sample of each, in an order drawn anew each round; ``work`` answers seconds a run. ``observe`` is
    called after every round.

    What disturbs the machine for longer than a round disturbs all alike, and cancels in the paired ratios.
    """
    names = list(work)
    rounds: list[list[float]] = []
    start = time.perf_counter()
    while True:
        row = [0.0] * len(names)
        for i in rng.permutation(len(names)):
            row[i] = work[names[i]]()
        rounds.append(row)
        observe()
        if len(rounds) < patience.least:
            continue
        if time.perf_counter() - start > patience.seconds or len(rounds) >= 1000:
            break
        table = np.array(rounds)
        if all(median(table[:, i], patience.confidence).width <= patience.width for i in range(len(names))):
            break
    table = np.array(rounds)
    return {name: table[:, i] for i, name in enumerate(names)}


def ratio(a: np.ndarray, b: np.ndarray, confidence: float) -> Estimate:
    """Median over rounds of a/b."""
    return median(a / b, confidence)


def clock_of(device: str) -> tuple[str, Callable[[], float]]:
    """("wall" or "processor", its clock). On a CPU, pinned to one core, the processor time of this process and its
    threads is the wall time of a calm machine, and what else runs on that core does not lengthen it: under load, wall
    time stretches long samples more than short ones.
    """
    pinned = device == "cpu" and hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) == 1
    return ("processor", time.process_time) if pinned else ("wall", time.perf_counter)


def timed(
    run: Callable[[], object],
    sync: Callable[[], None],
    shortest: float = 2e-3,
    clock: Callable[[], float] = time.perf_counter,
) -> Callable[[], float]:
    """Seconds a run, over as many runs as make a sample of ``shortest`` seconds (the clock and its call cost less)."""
    run()
    sync()
    start = clock()
    run()
    sync()
    repeats = max(1, math.ceil(shortest / max(1e-9, clock() - start)))

    def sample() -> float:
        begin = clock()
        for _ in range(repeats):
            run()
        sync()
        return (clock() - begin) / repeats

    return sample
