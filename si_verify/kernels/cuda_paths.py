"""Fused trajectories on torch tensors: field, noise and every step in one launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.kernels.cuda_records import path_records
from si_verify.kernels.cuda_source import path_kernel, path_points

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
_THREADS = 128


@dataclass(frozen=True, eq=False)
class Paths:
    """dX = (b ± ε s) dt + √(2ε) dW on a grid, as one launch; the sign is that of the grid's direction.

    ``plan`` makes it. Calling it with x0 (N, D) gives the state at the last time. The noise of particle i at step j is
    ``philox.normals([first_particle + i], first_step + j, D, seed, stream, dtype)``: a path can be cut anywhere,
    continued, spread over devices, or repeated outside.
    """

    name: str
    each: int  # particles of a thread
    dim: int
    dtype: torch.dtype
    records: Tensor
    steps: Tensor

    def __call__(
        self, x0: Tensor, seed: int, *, stream: int = 0, first_particle: int = 0, first_step: int = 0
    ) -> Tensor:
        from si_verify.kernels.cuda_launch import launch

        if x0.ndim != 2 or x0.shape[1] != self.dim or x0.dtype != self.dtype:
            raise ValueError(f"x0: expected shape (N, {self.dim}) of {self.dtype}, got {tuple(x0.shape)} of {x0.dtype}")
        start = x0.contiguous()
        end = torch.empty_like(start)
        n = start.shape[0]
        if not 0 <= first_particle <= 2**32 - n:
            raise ValueError(f"first_particle: expected a counter of 32 bits for {n} particles, got {first_particle}")
        if n:
            launch(
                self.name, -(-n // (self.each * _THREADS)), _THREADS, start.device, start, end, np.int64(n),
                self.records, np.int32(self.records.shape[1]), self.steps, np.int32(self.steps.shape[0]),
                np.uint32(first_step), np.uint64(seed), np.uint32(stream), np.uint32(first_particle),
            )  # fmt: skip
        return end


def plan(
    interpolant: Interpolant,
    times: Sequence[float],
    method: str,
    epsilon: float,
    dtype: torch.dtype,
    device: torch.device,
) -> Paths:
    """The laws of all stages, packed and moved once. method: "euler" (Euler–Maruyama), "heun" (its trapezoidal
    corrector with the same noise), "rk4" (ε = 0 only). ValueError for a dimension that one thread cannot hold.
    """
    if method == "rk4" and epsilon != 0:
        raise ValueError(f"epsilon: expected 0 with method 'rk4', got {epsilon!r}")
    kind, name = interpolant.coupling.kind, str(dtype).removeprefix("torch.")
    kernel = path_kernel(kind, interpolant.dim, name, method, epsilon > 0)
    table, steps = path_records(interpolant, times, method, epsilon, _NUMPY[dtype])
    each = path_points(kind, interpolant.dim, name)
    return Paths(kernel, each, interpolant.dim, dtype, *(torch.as_tensor(a).to(device) for a in (table, steps)))
