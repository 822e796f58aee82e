"""Timing on a GPU, with a device whose clock is ours: what is between the events, and what is not."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from si_verify.bench import device_clock, device_state, measure
from si_verify.bench.ceilings import Ceilings
from si_verify.bench.clock import Patience
from si_verify.bench.device_clock import COLD_RUNS, GRAPH_BELOW, SHORTEST, samplers
from si_verify.bench.measure import Bench, measure_task
from si_verify.bench.workload import Goal, Job, Workload
from si_verify.gate import Verdict
from si_verify.subject import Unavailable

LAUNCH = 5e-6


@dataclass
class Fake:
    """A run costs ``hot`` seconds, ``cold`` after a flush, and a launch unless it is replayed."""

    hot: float
    cold: float
    records: bool = True
    now: float = 0.0
    empty: bool = False
    flushes: int = 0
    intervals: list[int] = field(default_factory=list)

    def run(self) -> None:
        self._work()
        self.now += LAUNCH

    def _work(self) -> None:
        self.now += self.cold if self.empty else self.hot
        self.empty = False

    def seconds(self, run, repeats):
        begin = self.now
        for _ in range(repeats):
            run()
        self.intervals.append(repeats)
        return self.now - begin

    def flush(self):
        self.now += 1.0  # must not be counted
        self.empty = True
        self.flushes += 1

    def recorded(self, run):
        if not self.records:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        return self._work


def test_each_state_is_what_it_says_and_the_flush_is_not_counted():
    device = Fake(hot=2e-5, cold=5e-5)
    found, why = samplers(device.run, device)
    assert why == ""
    assert found["hot"]() == pytest.approx(2e-5 + LAUNCH)
    assert device.intervals[-1] == pytest.approx(SHORTEST / (2e-5 + LAUNCH), rel=0.1)
    before = device.flushes
    assert found["cold"]() == pytest.approx(5e-5 + LAUNCH)
    assert device.flushes == before + COLD_RUNS  # before every run
    assert found["graph"]() == pytest.approx(2e-5)


def test_long_work_and_work_that_cannot_be_recorded_have_no_graph_and_say_why():
    long = Fake(hot=2 * GRAPH_BELOW, cold=2 * GRAPH_BELOW)
    found, why = samplers(long.run, long)
    assert set(found) == {"hot", "cold"}
    assert "launch" in why
    refused = Fake(hot=1e-5, cold=1e-5, records=False)
    found, why = samplers(refused.run, refused)
    assert set(found) == {"hot", "cold"}
    assert why == "it cannot be recorded (RuntimeError: operation not permitted when stream is capturing)"


def _measured(monkeypatch, device, job, goal=None, states=None, dtype="float32"):
    monkeypatch.setattr(measure, "cuda_device", lambda name: device)
    monkeypatch.setattr(measure, "ceilings", lambda name, dtype: Ceilings(1e12, 60e12, 1e12, 400e12))
    readings = iter(states or [])
    monkeypatch.setattr(measure, "reader", lambda name: (lambda: next(readings, {}), "" if states else "no NVML"))
    workload = Workload("ours", "task", lambda name, dtype: job, device="cuda", goal=goal)
    (result,) = measure_task("task", [workload], Bench("cuda:0", dtype, Patience(0.0, 0.5), "quick"))
    return result, {m.name: m for m in result.measurements}


def test_a_record_has_every_state_and_the_bound_of_memory_is_held_against_cold_runs(monkeypatch):
    device = Fake(hot=1e-5, cold=4e-5)
    moved = 1e12 * 2e-5  # twice what the ceiling allows in a hot run, half of it in a cold one
    job = Job(device.run, lambda answer: 0.0, items=1000, unit="points", bytes=moved)
    result, rows = _measured(monkeypatch, device, job, goal=Goal(share=0.85, bytes=20.0))
    assert result.verdict is Verdict.PASSED
    assert rows["throughput"].value == pytest.approx(1000 / (1e-5 + LAUNCH))
    assert rows["throughput, cold"].value == pytest.approx(1000 / (4e-5 + LAUNCH))
    assert rows["throughput, replayed"].value == pytest.approx(1000 / 1e-5)
    assert rows["fraction of copy bandwidth"].value == pytest.approx(2e-5 / (4e-5 + LAUNCH))
    (timing,) = result.data
    assert {len(c) for c in timing.columns.values()} == {12}
    assert set(timing.columns) == {"seconds", "seconds, cold", "seconds, graph"}
    assert timing.meta["clocks"] == "no NVML"
    assert timing.meta["clock"] == "events of the device"
    assert timing.meta["goal"] == pytest.approx(0.85 * 1e12 / 20)


@pytest.mark.parametrize("last", [1, 20, 200], ids=["while it is readied", "in a round", "never"])
def test_one_workload_that_breaks_does_not_end_the_bench(monkeypatch, last):
    device, left = Fake(hot=1e-3, cold=1e-3), [last]

    def breaking():
        left[0] -= 1
        if left[0] < 0:
            raise Unavailable("does not fit on the device: out of memory")
        device.run()

    result, rows = _measured(monkeypatch, device, Job(breaking, lambda answer: 0.0, items=1, unit="points"))
    expected = Verdict.SKIPPED if last < 200 else Verdict.PASSED
    assert (result.verdict, bool(rows)) == (expected, last == 200)
    if last < 200:
        assert "out of memory" in result.reason


def test_ceilings_that_cannot_be_measured_are_the_reason_of_a_failure_and_not_the_end(monkeypatch):
    device = Fake(hot=1e-3, cold=1e-3)
    job = Job(device.run, lambda answer: 0.0, items=1, unit="points")
    monkeypatch.setattr(measure, "ceilings", _no_ceilings)
    (result,) = measure_task(
        "task", [Workload("ours", "task", lambda *names: job)], Bench("cuda:0", "float32", Patience(0.0, 0.5), "quick")
    )
    assert (result.verdict, result.reason) == (Verdict.FAILED, "RuntimeError: NVRTC refused the source")
    assert device.intervals == []


def _no_ceilings(device, dtype):
    raise RuntimeError("NVRTC refused the source")


def test_tensor_cores_are_held_to_their_own_ceiling(monkeypatch):
    device = Fake(hot=1e-5, cold=1e-5)
    flops = 200e12 * (1e-5 + LAUNCH)  # above float32's ceiling, half of the tensor cores'
    for arithmetic, verdict in (("", Verdict.FAILED), ("tf32", Verdict.PASSED)):
        job = Job(device.run, lambda answer: 0.0, items=1, unit="points", flops=flops, arithmetic=arithmetic)
        result, rows = _measured(monkeypatch, device, job)
        assert result.verdict is verdict
    assert rows["fraction of TF32 multiply-add"].value == pytest.approx(0.5)


def test_a_goal_is_of_float32_alone(monkeypatch):
    device = Fake(hot=1e-5, cold=1e-5)
    job = Job(device.run, lambda answer: 0.0, items=1, unit="points")
    for dtype in ("float32", "float64"):
        result, _ = _measured(monkeypatch, device, job, goal=Goal(rate=1e9), dtype=dtype)
        assert ("goal" in result.data[0].meta) == (dtype == "float32")


def test_clocks_are_kept_by_round_and_a_lowered_one_is_said(monkeypatch):
    device = Fake(hot=1e-5, cold=1e-5)
    states = [{"sm_mhz": 1980.0 - i, "throttle": 4.0 if i < 3 else 1.0} for i in range(12)]
    result, rows = _measured(
        monkeypatch, device, Job(device.run, lambda answer: 0.0, items=1, unit="points"), states=states
    )
    assert result.data[0].columns["sm_mhz"] == [s["sm_mhz"] for s in states]
    assert "software power cap in 3 of 12 rounds" in rows["throughput"].why
    assert "clocks" not in result.data[0].meta


def test_a_goal_is_the_lesser_bound_and_scales_with_the_device():
    goal = Goal(share=0.6, slots=960.0)
    assert goal.items_per_s(3e12, 60e12) == pytest.approx(0.6 * 30e12 / 960)
    assert Goal(share=0.85, bytes=28.0, slots=1.0).items_per_s(2.8e12, 60e12) == pytest.approx(0.85e11)
    assert Goal(rate=6e8).items_per_s(1.0, 30e12) == pytest.approx(3e8)


class _Nvml:
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(self):
        self.left = 2

    def nvmlInit(self):
        return None

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == "GPU-1234"
        return uuid

    def nvmlDeviceGetClockInfo(self, handle, which):
        return {1: 1755, 2: 2619}[which]

    def nvmlDeviceGetTemperature(self, handle, which):
        return 41

    def nvmlDeviceGetPowerUsage(self, handle):
        return 250_000

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("GPU is lost")
        return 0x44


def test_the_state_is_read_by_identity_and_a_reading_that_fails_costs_nothing(monkeypatch):
    import torch

    monkeypatch.setitem(sys.modules, "pynvml", _Nvml())
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="1234"))
    read, why = device_state.reader("cuda:0")
    expected = {"sm_mhz": 1755.0, "memory_mhz": 2619.0, "temperature_c": 41.0, "power_w": 250.0, "throttle": 68.0}
    assert (read(), why) == (expected, "")
    assert read() == expected  # the GPU is lost by now
    assert device_state.throttled([expected]) == (
        "software power cap in 1 of 1 rounds, hardware thermal slowdown in 1 of 1 rounds"
    )


def test_without_nvml_timing_goes_on_and_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    read, why = device_state.reader("cuda:0")
    assert read() == {}
    assert why.startswith("clocks are not known")
    assert device_state.reader("cpu")[1] == ""


class _Torch:
    """What torch.cuda is and does here: a stream and an allocator for it that a failed recording leaves behind."""

    uint8 = None
    device = staticmethod(lambda name: SimpleNamespace(index=0))
    empty = staticmethod(lambda *size, **how: _Room())

    def __init__(self):
        self.cuda, self._C, self.Stream = self, self, lambda: _Stream("side")
        self.now, self.mode, self.recording, self.drawing = _Stream("own"), 0, set(), True

    def get_device_properties(self, device):
        return SimpleNamespace(L2_cache_size=1)

    def current_stream(self):
        return self.now

    @contextmanager
    def stream(self, stream):
        before, self.now = self.now, stream
        try:
            yield
        finally:
            self.now = before

    def get_sync_debug_mode(self):
        return self.mode

    def set_sync_debug_mode(self, mode):
        self.mode = mode

    def item(self):
        if self.mode == "error":
            raise RuntimeError("called a synchronizing CUDA operation")

    def synchronize(self):
        if self.now.name == "capture":
            self.now.spoiled = True
            raise RuntimeError("operation not permitted when stream is capturing")

    def graph_pool_handle(self):
        return (0, 7)

    def _cuda_endAllocateToPool(self, index, pool):
        assert index == 0
        self.recording.remove(pool)

    def CUDAGraph(self):
        return SimpleNamespace(replay=lambda: "replayed")

    @contextmanager
    def graph(self, graph, pool=(1, 0)):
        assert not self.recording, "captures_underway.empty() INTERNAL ASSERT FAILED"  # by empty_cache
        self.now, before, self.drawing = _Stream("capture"), self.now, False
        self.recording.add(pool)
        try:
            yield
        finally:
            if self.now.spoiled:
                raise RuntimeError("operation failed due to a previous error during capture")
            self.recording.remove(pool)
            self.now, self.drawing = before, True


class _Stream(SimpleNamespace):
    def __init__(self, name):
        super().__init__(name=name, spoiled=False, wait_stream=lambda other: None)


class _Room:
    device = SimpleNamespace(index=0)

    def __getitem__(self, part):
        return SimpleNamespace(zero_=lambda: None)


def test_a_recording_that_fails_spoils_neither_the_next_one_nor_what_draws_numbers(monkeypatch):
    torch = _Torch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    device = device_clock.Cuda("cuda:0")
    monkeypatch.setattr(device, "_here", nullcontext)
    calls = []

    def waits():
        calls.append(torch.now.name)
        torch.item()

    with pytest.raises(RuntimeError, match="synchronizing"):
        device.recorded(waits)
    assert (set(calls), torch.mode, torch.now.name) == ({"side"}, 0, "own")  # no recording was begun
    with pytest.raises(RuntimeError, match="previous error"):
        device.recorded(torch.synchronize)
    assert (torch.now.name, torch.recording, torch.drawing) == ("own", set(), True)
    assert device.recorded(lambda: None)() == "replayed"


def test_the_tests_device_has_what_the_real_one_has():
    for name in ("seconds", "flush", "recorded"):
        assert callable(getattr(device_clock.Cuda, name))
        assert callable(getattr(Fake, name))
