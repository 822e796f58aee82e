"""The machine: which device a run uses, and the facts that its record keeps."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from typing import Any

from si_verify.config import ConfigError

PACKAGES = (
    "si-verify", "numpy", "scipy", "torch", "torchdiffeq", "torchsde", "mpmath", "array-api-compat", "scikit-learn",
    "diffusers", "numba", "triton", "cupy-cuda13x", "pydantic", "altair",
)  # fmt: skip


class DeviceError(ValueError):
    """A device that this machine does not have; the message says what it has."""


def resolve_device(name: str) -> str:
    """``auto`` is the first CUDA device if there is one, else the CPU. A named device never falls back.

    Raises ConfigError for a name that means nothing, DeviceError for a device that is not there.
    """
    import torch

    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return "cpu"
    kind, _, index = name.partition(":")
    if kind != "cuda" or (index and not index.isdigit()):
        raise ConfigError(f"--device: expected cpu, cuda, cuda:N or auto, got {name!r}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = int(index or 0)
    if number >= count:
        raise DeviceError(f"--device: {name!r} asked for, but torch {torch.__version__} sees {count} CUDA devices")
    return f"cuda:{number}"


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "")
    except OSError:
        return platform.processor()


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_facts(device: str) -> dict[str, Any]:
    """What identifies the machine for a reader and for a baseline: models, counts, driver. Units in the names."""
    import psutil
    import torch

    facts: dict[str, Any] = {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cpu": _cpu_model(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "torch_threads": torch.get_num_threads(),
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "gpu": properties.name,
            "gpu_memory_gib": round(properties.total_memory / 2**30, 1),
            "gpu_multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
            "driver": _nvidia_driver(),
        }
    return facts


def _nvidia_driver() -> str:
    try:
        import pynvml

        pynvml.nvmlInit()
        version = pynvml.nvmlSystemGetDriverVersion()
        return version.decode() if isinstance(version, bytes) else str(version)
    except Exception:  # no library, no driver, no permission: the fact is simply not known
        return ""


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change a result."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit of the working folder's repository, marked when it is not clean; empty outside one."""
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return out.stdout.strip() if out.returncode == 0 else ""


def synchronise(device: str) -> None:
    """Wait for all work queued on ``device``; nothing to wait for on a CPU."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)
