"""Ceilings of a device, measured in the same session as what they bound: copy bandwidth, multiply-add, exp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from si_verify.bench.clock import clock_of, timed
from si_verify.device import synchronise

_REPEATS = 25


@dataclass(frozen=True)
class Ceilings:
    """Bytes/s of a copy (read and written both counted), flop/s, exp/s: the best that anything reached here.

    flop/s: a matrix product, and on a CPU with numba multiply-adds between registers too; exp/s likewise.
    """

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
        sample = timed(run, lambda: synchronise(device), clock=clock_of(device)[1])
        return float(np.min([sample() for _ in range(_REPEATS)]))

    flops = 2.0 * side**3 / best(lambda: torch.matmul(a, b))
    exps = small.numel() / best(lambda: torch.exp(small, out=answer))
    own = None if cuda else _registers(dtype, best)
    return Ceilings(
        2.0 * n * size / best(lambda: target.copy_(source)), max(flops, own[0]) if own else flops,
        max(exps, own[1]) if own else exps,
    )  # fmt: skip


def _registers(dtype: str, best: Callable[[Callable[[], object]], float]) -> tuple[float, float] | None:
    """flop/s and exp/s of numba loops that touch no memory; None without numba."""
    try:
        from si_verify.kernels import numba_ceilings as loops
        from si_verify.kernels.numba_threads import each_of
    except ImportError:
        return None
    import torch

    tasks, rounds = 4 * torch.get_num_threads(), 20_000
    width = 512 // torch.finfo(getattr(torch, dtype)).bits
    numbers = np.full(tasks * width, 0.25, dtype)
    each = float(tasks * width * rounds)

    def fresh(run: Callable[[np.ndarray, int, int, int], None]) -> float:
        return best(lambda: each_of(tasks, lambda task: run(numbers, task, task + 1, rounds)))

    return 24.0 * each / fresh(loops.multiply_adds), 4.0 * each / fresh(loops.exponentials)
