"""Ceilings of a device, measured in the same session as what they bound: copy bandwidth, multiply-add, exp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from si_verify.bench.clock import timed
from si_verify.device import synchronise

_REPEATS = 9


@dataclass(frozen=True)
class Ceilings:
    """Bytes/s of a copy (read and written both counted), flop/s of a matrix product, exp/s; best of several samples."""

    bytes_per_s: float
    flops_per_s: float
    exps_per_s: float

    def floor(self, moved: float, flops: float, exps: float) -> tuple[float, str]:
        """The least seconds that so much work takes, and which ceiling binds."""
        times = {
            "copy bandwidth": moved / self.bytes_per_s,
            "multiply-add": flops / self.flops_per_s,
            "exp": exps / self.exps_per_s,
        }
        name = max(times, key=lambda k: times[k])
        return times[name], name


@lru_cache(maxsize=8)
def ceilings(device: str, dtype: str) -> Ceilings:
    """Measured with torch on as many threads as a run has."""
    import torch

    real = getattr(torch, dtype)
    cuda = device.startswith("cuda")
    size = torch.finfo(real).bits // 8
    n = (256 if cuda else 64) * 2**20 // size
    source, target = torch.rand(n, device=device, dtype=real), torch.empty(n, device=device, dtype=real)
    side = 4096 if cuda else 1024
    a, b = (torch.rand(side, side, device=device, dtype=real) for _ in range(2))
    small = torch.rand(n if cuda else 2**15, device=device, dtype=real)
    answer = torch.empty_like(small)

    def best(run: Callable[[], object]) -> float:
        sample = timed(run, lambda: synchronise(device))
        return float(np.min([sample() for _ in range(_REPEATS)]))

    return Ceilings(
        2.0 * n * size / best(lambda: target.copy_(source)),
        2.0 * side**3 / best(lambda: torch.matmul(a, b)),
        small.numel() / best(lambda: torch.exp(small, out=answer)),
    )
