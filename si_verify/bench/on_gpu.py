"""What workloads for a GPU have in common: a reason where there is none, and for what does not fit on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from si_verify.bench.workload import Job
from si_verify.subject import Unavailable

Load = Callable[[str, str], Job]


def on_gpu(load: Load) -> Load:
    """``load`` where torch sees the device; Unavailable elsewhere, and where its work outgrows the device's memory."""

    @wraps(load)
    def loaded(device: str, dtype: str) -> Job:
        import torch

        if not device.startswith("cuda"):
            raise Unavailable(f"for a CUDA device, and this is {device}")
        if not torch.cuda.is_available():
            raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
        job = fitting(lambda: load(device, dtype))
        return replace(job, run=lambda: fitting(job.run))

    return loaded


def fitting(work: Callable[[], Any]) -> Any:
    """``work()``; Unavailable where the device has not the memory for it."""
    import torch

    try:
        return work()
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise Unavailable(f"does not fit on the device: {str(error).splitlines()[0]}") from error


def require(subject: str) -> None:
    """Unavailable, with its reason, where a built-in subject is not to be had."""
    from si_verify import discovery

    discovery.subjects()[subject].load()
