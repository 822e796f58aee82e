"""TR-BDF2 by axes on the CPU with fused line solves (numba): stiff ε without tiny steps.

As tr_bdf2.py, with the fluxes of fused_kernels.py and Thomas' algorithm over many lines at once (line_kernels.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import VARIANT, Claims, Subject, Unavailable
from si_verify.subjects.pde import line_kernels as kernels
from si_verify.subjects.pde.marching import courant_steps, march
from si_verify.subjects.pde.numba_compiler import take_threads
from si_verify.subjects.pde.strang import strang

Tensor = torch.Tensor
_GAMMA = 2.0 - math.sqrt(2.0)


def lines(values: Tensor, axis: int) -> np.ndarray:
    """(outer, n, inner) with ``axis`` in the middle; the last axis is laid out across first, so that lines are many."""
    if axis == values.ndim - 1:
        return np.ascontiguousarray(values.reshape(-1, values.shape[-1]).numpy().T)[None]
    outer = math.prod(values.shape[:axis])
    return np.ascontiguousarray(values.numpy()).reshape(outer, values.shape[axis], -1)


def gathered(array: np.ndarray, shape: Sequence[int], axis: int) -> Tensor:
    """The inverse of ``lines``."""
    if axis == len(shape) - 1:
        return torch.from_numpy(np.ascontiguousarray(array[0].T)).reshape(tuple(shape))
    return torch.from_numpy(array).reshape(tuple(shape))


def _factors(problem: DensityProblem, t: float, tau: float, axis: int) -> tuple[Any, Any]:
    h = problem.grid.spacing[axis]
    kind = np.float64 if problem.dtype == torch.float64 else np.float32
    return kind(0.5 * problem.sign * tau / h), kind(problem.epsilon(t) * tau / h**2)


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``; order 2 for ε > 0 with dt ∝ h (Courant number 1)."""
    if problem.device.type != "cpu":
        raise Unavailable("numba's kernels run on the CPU")
    take_threads()
    kernel = kernels.compiled()

    def along(rho: Tensor, t: float, dt: float, axis: int) -> Tensor:
        line, half = lines(rho, axis), 0.5 * _GAMMA * abs(dt)
        start, middle, end = (
            (lines(problem.face_drift(s, axis), axis), _factors(problem, s, half, axis))
            for s in (t, t + _GAMMA * dt, t + dt)
        )
        work = np.empty_like(line)
        kernel.explicit(line, start[0], work, *start[1], kernels.LANES)
        kernel.implicit(work, middle[0], work, *middle[1], kernels.LANES)
        kind = line.dtype.type
        work -= kind((1.0 - _GAMMA) ** 2) * line
        work *= kind(1.0 / (_GAMMA * (2.0 - _GAMMA)))
        # (1 − γ)/(2 − γ) = γ/2
        kernel.implicit(work, end[0], work, *end[1], kernels.LANES)
        return gathered(work, rho.shape, axis)

    return march(problem, times, strang(problem.grid.dim, along), courant_steps(problem, 1.0))


def _load() -> Callable[..., Tensor]:
    kernels.compiled()
    return solve


SUBJECT = Subject(
    name="pde/fused-tr-bdf2",
    kind="pde",
    load=_load,
    claims=Claims(
        order=2.0,
        extra={"form": "averages", "conservative": True, "walls": "closed", "equations": ("fokker-planck",)},
    ),
    tags=frozenset({"grid", "finite-volume", "implicit", "kernel", VARIANT}),
    modules=("si_verify.subjects.pde.fused_implicit", "si_verify.subjects.pde.line_kernels", "numba"),
    dtypes=("float64", "float32"),
    summary="hybrid-flux finite volumes, TR-BDF2 with fused line solves (numba)",
)
