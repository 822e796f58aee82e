"""Ceilings of a device, measured in the same session as what they bound: copy bandwidth, multiply-add, exp, TF32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from si_verify.bench.clock import clock_of, timed
from si_verify.bench.device_clock import Cuda, steady

_REPEATS = 25
CHAINS = 16  # of a thread in cuda_ceilings.cu


@dataclass(frozen=True)
class Ceilings:
    """Bytes/s of a copy (read and written both counted), flop/s, exp/s: the best that anything reached here.

    flop/s: a matrix product, and multiply-adds between registers where numba (CPU) or CuPy (GPU) is there; exp/s
    likewise. tf32: flop/s of a matrix product on tensor cores, 0 where there are none.
    """

    bytes_per_s: float
    flops_per_s: float
    exps_per_s: float
    tf32_flops_per_s: float = 0.0

    def floor(self, moved: float, flops: float, exps: float, arithmetic: str = "") -> tuple[float, str]:
        """The least seconds that so much work takes, and which ceiling binds. arithmetic: ``Job.arithmetic``."""
        if arithmetic not in ("", "tf32"):
            raise ValueError(f"arithmetic: expected '' or 'tf32', got {arithmetic!r}")
        products = ("TF32 multiply-add", self.tf32_flops_per_s)
        kind, rate = products if arithmetic and self.tf32_flops_per_s else ("multiply-add", self.flops_per_s)
        times = {"copy bandwidth": moved / self.bytes_per_s, kind: flops / rate, "exp": exps / self.exps_per_s}
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
        sample = steady(run, cuda_device(device)) if cuda else timed(run, lambda: None, clock=clock_of(device)[1])
        return float(np.min([sample() for _ in range(_REPEATS)]))

    def product() -> float:
        return 2.0 * side**3 / best(lambda: torch.matmul(a, b))

    with _tf32(False):
        flops = product()
    exps = small.numel() / best(lambda: torch.exp(small, out=answer))
    own = _on_device(device, dtype, best) if cuda else _registers(dtype, best)
    tf32 = 0.0
    if cuda and dtype == "float32":
        with _tf32(True):
            tf32 = product()
    return Ceilings(
        2.0 * n * size / best(lambda: target.copy_(source)), max(flops, own[0]) if own else flops,
        max(exps, own[1]) if own else exps, tf32,
    )  # fmt: skip


@lru_cache(maxsize=4)
def cuda_device(device: str) -> Cuda:
    """One a device: it holds what its flushes write."""
    return Cuda(device)


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    import torch

    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _on_device(device: str, dtype: str, best: Callable[[Callable[[], object]], float]) -> tuple[float, float] | None:
    """flop/s and exp/s of CUDA loops that touch no memory; None without CuPy."""
    try:
        from si_verify.kernels.cuda_launch import launch
    except ImportError:
        return None
    import torch

    place = torch.device(device)
    blocks, threads, rounds = 8 * torch.cuda.get_device_properties(place).multi_processor_count, 256, 4096
    answer = torch.empty(blocks * threads, device=place, dtype=getattr(torch, dtype))
    kind = {"float32": "float", "float64": "double"}[dtype]

    def rate(name: str) -> float:
        seconds = best(
            lambda: launch(
                f"{name}<{kind}>", blocks, threads, place, answer, np.int32(rounds), files=("cuda_ceilings.cu",)
            )
        )
        return float(blocks) * threads * rounds * CHAINS / seconds

    return 2.0 * rate("multiply_adds"), rate("powers")


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
