"""Seconds of work on a GPU by its own events: steady, with its caches emptied, and replayed from a graph.

    hot      many runs between two events, launched one by one: what a program that calls again and again gets
    cold     an event on each side of every run, after more has been written than the last cache holds
    graph    the runs recorded once and replayed without a launch each: for work as short as its launches

Host clocks would add the launch and the wait to what the kernel takes. A device is what ``Device`` says; ``Cuda`` is
the one there is, and the tests drive the rest with a clock that they own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Protocol

SHORTEST = 2e-3  # seconds of a sample: events resolve half a microsecond
LONGEST = 1000  # runs of a sample
COLD_RUNS = 4
GRAPH_BELOW = 2e-4  # seconds a run: a launch costs some microseconds

Run = Callable[[], object]
Sample = Callable[[], float]


class Device(Protocol):
    """What timing asks of a device."""

    def seconds(self, run: Run, repeats: int) -> float:
        """Between an event before ``repeats`` runs and one after them, all of it."""

    def flush(self) -> None:
        """Queues the writing of more than the last cache holds."""

    def recorded(self, run: Run) -> Run:
        """What replays a run; raises where it cannot be recorded."""


def samplers(run: Run, device: Device) -> tuple[dict[str, Sample], str]:
    """({"hot", "cold" and, for short work, "graph": seconds a run}, why there is no graph, or ""), warmed up."""
    found = {"hot": steady(run, device), "cold": _cold(run, device)}
    once = found["hot"]()
    if once >= GRAPH_BELOW:
        return found, f"a run takes {once:.3g} s, beside which a launch is nothing"
    try:
        found["graph"] = steady(device.recorded(run), device)
    except Exception as error:  # whatever the work does that a graph cannot hold
        return found, f"it cannot be recorded ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
    return found, ""


def steady(run: Run, device: Device) -> Sample:
    """Seconds a run of many, after runs that are not counted."""
    device.seconds(run, 1)
    once = device.seconds(run, 3) / 3
    repeats = min(LONGEST, max(1, math.ceil(SHORTEST / max(1e-9, once))))
    return lambda: device.seconds(run, repeats) / repeats


def _cold(run: Run, device: Device) -> Sample:
    def sample() -> float:
        total = 0.0
        for _ in range(COLD_RUNS):
            device.flush()
            total += device.seconds(run, 1)
        return total / COLD_RUNS

    return sample


class Cuda:
    """A CUDA device through torch, on its current stream."""

    def __init__(self, name: str) -> None:
        import torch

        self._torch: Any = torch
        self._device = torch.device(name)
        cache = int(getattr(torch.cuda.get_device_properties(self._device), "L2_cache_size", 0))
        self._room = torch.empty(max(4 * cache, 2**26), dtype=torch.uint8, device=self._device)

    def _here(self) -> AbstractContextManager[None]:
        here: AbstractContextManager[None] = self._torch.cuda.device(self._device)
        return here

    def seconds(self, run: Run, repeats: int) -> float:
        events = self._torch.cuda.Event
        with self._here():
            first, last = events(enable_timing=True), events(enable_timing=True)
            first.record()
            for _ in range(repeats):
                run()
            last.record()
            last.synchronize()
            return 1e-3 * float(first.elapsed_time(last))

    def flush(self) -> None:
        self._room.zero_()

    def recorded(self, run: Run) -> Run:
        cuda = self._torch.cuda
        with self._here():
            side = cuda.Stream()
            side.wait_stream(cuda.current_stream())
            try:
                with cuda.stream(side):  # what is compiled or allocated on first use must not be recorded
                    run()
                    with _never_waiting(cuda):
                        run()
            finally:
                cuda.current_stream().wait_stream(side)
            graph, pool = cuda.CUDAGraph(), cuda.graph_pool_handle()
            try:
                # Once more the current stream: torch leaves its own current where the end of the recording fails.
                with cuda.stream(cuda.current_stream()), cuda.graph(graph, pool=pool):
                    run()
            except Exception:
                self._recover(pool)
                raise
        replay: Run = graph.replay
        return replay

    def _recover(self, pool: Any) -> None:
        """After a recording that failed. torch before 2.12 goes on allocating for it, so that emptying the cache, and
        with it every later recording, is refused; and its generator draws nothing until some recording has ended.
        """
        cuda = self._torch.cuda
        with suppress(Exception):  # torch has done it
            self._torch._C._cuda_endAllocateToPool(self._room.device.index, pool)
        with suppress(Exception), cuda.stream(cuda.current_stream()), cuda.graph(cuda.CUDAGraph()):
            self._room[:1].zero_()


@contextmanager
def _never_waiting(cuda: Any) -> Iterator[None]:
    """What waits for the device raises, before a recording that it would spoil is begun; torch sees its own alone."""
    before = cuda.get_sync_debug_mode()
    cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        cuda.set_sync_debug_mode(before)
