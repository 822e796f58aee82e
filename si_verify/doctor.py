"""Doctor: what this machine is and how far its clock can be trusted."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from si_verify.backends import backends
from si_verify.device import machine_facts, versions
from si_verify.timing import PairedRatio, paired_ratio


def noise_floor(device: str, pairs: int = 61) -> PairedRatio:
    """A/A run: one and the same matrix product timed against itself. Its interval is what this machine calls equal."""
    import torch

    x = torch.randn(512, 512, device=device)

    def work() -> torch.Tensor:
        y = x
        for _ in range(4):
            y = torch.tanh(y @ x) * 0.5
        return y

    def sync() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)

    return paired_ratio(work, work, pairs=pairs, sync=sync)


def diagnose(device: str) -> dict[str, Any]:
    """Facts, versions, backends and the A/A noise floor, as plain data."""
    import psutil

    frequency = psutil.cpu_freq()
    floor = noise_floor(device)
    return {
        "device": device,
        "machine": machine_facts(device),
        "clock_mhz": round(frequency.current, 0) if frequency else None,
        "load_1min": round(psutil.getloadavg()[0], 2),
        "versions": versions(),
        "backends": [asdict(b) for b in backends()],
        "noise_floor": {**asdict(floor), "floor": floor.floor},
    }
