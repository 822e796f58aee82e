"""Fused trajectories on torch tensors on the CPU: the stages' laws prepared once, then one call for every particle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.kernels.cuda_records import drifting, stage_times
from si_verify.kernels.numba_law import Law, affine, prepare
from si_verify.kernels.numba_memory import empty
from si_verify.kernels.numba_threads import over
from si_verify.kernels.pack import pack

# Up to so many coordinates a kernel is compiled for their number: loops over them cost as much as what they do.
KNOWN = 2


@dataclass(frozen=True, eq=False)
class Paths:
    """dX = (b ± ε s) dt + √(2ε) dW on a grid, the sign that of the grid's direction; ``plan`` makes it.

    Calling it with x0 (N, D) gives the state at the last time. The noise of particle i at step j is
    ``philox.normals([first_particle + i], first_step + j, D, seed, stream, dtype)``: a path can be cut anywhere,
    continued, spread over processes, or repeated outside.
    """

    method: str
    stages: Law
    padded: int
    steps: Any

    def __call__(
        self, x0: Tensor, seed: int, *, stream: int = 0, first_particle: int = 0, first_step: int = 0
    ) -> Tensor:
        from si_verify.kernels import numba_paths

        law = self.stages
        if x0.ndim != 2 or x0.shape[1] != law.dim or x0.numpy().dtype != self.steps.dtype:
            raise ValueError(
                f"x0: expected shape (N, {law.dim}) of {self.steps.dtype}, got {tuple(x0.shape)} of {x0.dtype}"
            )
        start = np.ascontiguousarray(x0.detach().numpy())
        n = len(start)
        if not 0 <= first_particle <= 2**32 - n:
            raise ValueError(f"first_particle: expected a counter of 32 bits for {n} particles, got {first_particle}")
        end = empty(start.shape, start.dtype)
        stages = np.array(numba_paths.STAGES[self.method], self.steps.dtype)

        key: Any = np.uint64(seed)
        known = (0,) * law.dim if law.dim <= KNOWN else ()

        def run(low: int, high: int) -> None:
            numba_paths.walk(
                start, end, low, high, stages, numba_paths.LAWS[self.method], self.steps, law.kind, law.count,
                self.padded, law.bias, law.scale, law.place, law.table, law.columns, key, stream,
                first_particle, first_step, known,
            )  # fmt: skip

        over(n, run)
        return torch.from_numpy(end)


def plan(interpolant: Interpolant, times: Sequence[float], method: str, epsilon: float, dtype: torch.dtype) -> Paths:
    """method: "euler" (Euler–Maruyama), "heun" (its trapezoidal corrector with the same noise), "rk4" (ε = 0 only).

    times (S + 1,) strictly monotone; ε ≥ 0. ValueError names the argument that is not so.
    """
    if not epsilon >= 0:
        raise ValueError(f"epsilon: expected no negative number, got {epsilon!r}")
    if method == "rk4" and epsilon != 0:
        raise ValueError(f"epsilon: expected 0 with method 'rk4', got {epsilon!r}")
    at = stage_times(times, method)
    h = np.diff(np.asarray(times, dtype=np.float64))
    if not (np.all(h > 0) or np.all(h < 0)):
        raise ValueError("times: expected a strictly monotone grid")
    gain = float(np.sign(h[0])) * epsilon
    real = str(dtype).removeprefix("torch.")
    laws = []
    for t in at:
        packed = drifting(pack(interpolant, t), gain)
        laws.append(prepare(packed, real, [affine(packed, "velocity")]))
    first = laws[0]
    names = ("bias", "scale", "place", "table")
    joined: dict[str, Any] = {name: np.concatenate([getattr(law, name) for law in laws]) for name in names}
    stages = replace(first, **joined)
    steps = np.ascontiguousarray(np.stack([h, np.sqrt(2.0 * epsilon * np.abs(h))], axis=1), dtype=real)
    return Paths(method, stages, len(first.bias), steps)
