"""Clocks, temperature, power and throttling of an NVIDIA GPU, read beside every round of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

# Bits of NVML's reasons that lower the clock below what was asked for.
THROTTLES = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
State = Mapping[str, float]


def reader(device: str) -> tuple[Callable[[], State], str]:
    """(what reads the state of "cuda:0" and the like, why it cannot be read or ""): sm_mhz, memory_mhz, temperature_c,
    power_w, throttle (NVML's bits). Where it cannot be read, and on a CPU, readings are empty.
    """
    if not device.startswith("cuda"):
        return dict, ""
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        index = torch.device(device).index or 0
        handle = _handle(pynvml, torch.cuda.get_device_properties(index), index)
        read = _reading(pynvml, handle)
        first = read()
    except Exception as error:  # no library, no driver, no permission: timing goes on, and the record says so
        return dict, f"clocks are not known ({type(error).__name__}: {error})"
    return _lasting(read, first), ""


def _handle(pynvml: Any, properties: Any, index: int) -> Any:
    """By its identity: NVML counts all devices, torch those that CUDA_VISIBLE_DEVICES leaves."""
    name = getattr(properties, "uuid", None)
    if name is None:
        return pynvml.nvmlDeviceGetHandleByIndex(index)
    return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{str(name).removeprefix('GPU-')}")


def _reading(pynvml: Any, handle: Any) -> Callable[[], State]:
    try:
        reasons = pynvml.nvmlDeviceGetCurrentClocksEventReasons
    except AttributeError:  # its name before NVML 12
        reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons

    def read() -> State:
        return {
            "sm_mhz": float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)),
            "memory_mhz": float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM)),
            "temperature_c": float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
            "power_w": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000.0,
            "throttle": float(reasons(handle)),
        }

    return read


def _lasting(read: Callable[[], State], last: State) -> Callable[[], State]:
    """A reading that fails in mid-run must not cost what was timed: the last one stands for it."""

    def reading() -> State:
        nonlocal last
        with suppress(Exception):
            last = read()
        return last

    return reading


def throttled(states: Sequence[State]) -> str:
    """ "software power cap in 3 of 12 rounds", or nothing."""
    found = []
    for bit, name in THROTTLES.items():
        rounds = sum(1 for s in states if int(s.get("throttle", 0.0)) & bit)
        if rounds:
            found.append(f"{name} in {rounds} of {len(states)} rounds")
    return ", ".join(found)
