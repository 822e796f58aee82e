"""Super time steps on the CPU: second-order Runge–Kutta–Legendre, all stages of a step in one pass (numba).

Steps follow from the drift alone and stages from what is stable (rkl.py): their number grows as
h^{−½} where that of explicit steps grows as h^{−2}. Fluxes as in fused_kernels.py. Drift and ε are those of the middle
of a step. A steady problem is one call of a compiled function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import VARIANT, Claims, Subject, Unavailable
from si_verify.subjects.pde import rkl
from si_verify.subjects.pde.fused import faces, factors, plane
from si_verify.subjects.pde.marching import courant_steps, march, whole_steps
from si_verify.subjects.pde.numba_compiler import compiler, take_threads

Tensor = torch.Tensor
# Courant numbers: where the drift changes, what freezing it errs is far more than what the stages do.
_STEADY, _CHANGING = 2.0, 1.0
# Least rows of a thread's task in stages: what is done twice above and below it is then an eighth.
_ROWS = 16


@cache
def compiled() -> Any:
    """The loops, compiled and kept on disk; Unavailable without numba."""
    compiler()
    from si_verify.subjects.pde import fused_rkl_lanes

    return fused_rkl_lanes


@cache
def _table(stages: int, dtype: Any) -> np.ndarray:
    return rkl.coefficients(stages).astype(dtype)


def advanced(
    rho: np.ndarray, wx: np.ndarray, wy: np.ndarray, count: int, stages: int, given: Sequence[Any], threads: int = 1
) -> np.ndarray:
    """ρ (n, m) after ``count`` steps with one drift; ``given``: ax, cx, ay, cy of a step (fused_kernels.py)."""
    loops, table, out = compiled(), _table(stages, rho.dtype), np.empty_like(rho)
    rows = max(_ROWS * stages, -(-len(rho) // threads))
    if rows >= len(rho):
        loops.alone(rho, wx, wy, out, count, table, *given)
        return out
    for k in range(count):
        loops.shared(rho, wx, wy, out, table, *given, rows)
        # What was handed in is not written on.
        rho, out = out, np.empty_like(rho) if k == 0 else rho
    return rho


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``; order 2 in h with dt ∝ h, for ε > 0 once h resolves ε/|b|."""
    grid, first = problem.grid, float(times[0])
    if grid.dim > 2:
        raise ValueError(f"problem: expected a grid of one or two dimensions, got {grid.dim}")
    if problem.device.type != "cpu":
        raise Unavailable("numba's kernels run on the CPU")
    loops, threads, spacing = compiled(), take_threads(), grid.spacing
    changing = courant_steps(problem, _CHANGING)

    @lru_cache(maxsize=1)
    def drift(t: float) -> tuple[tuple[np.ndarray, np.ndarray], list[float]]:
        """On all faces, and max |w_d| / h_d."""
        around = faces(problem, t)
        return around, [w / h for w, h in zip(loops.fastest(*around)[-grid.dim :], spacing, strict=True)]

    def several(rho: np.ndarray, t: float, dt: float, count: int) -> np.ndarray:
        """``count`` steps of dt with drift and ε of time t."""
        around, speeds = drift(first if problem.steady else t)
        tau, eps = abs(dt), problem.epsilon(t)
        spreading = [tau * max(eps / (h * h), 0.5 * v) for v, h in zip(speeds, spacing, strict=True)]
        stages, parts = rkl.stages_for(spreading, [tau * v for v in speeds])
        return advanced(rho, *around, count * parts, stages, factors(problem, t, dt / parts), threads)

    def stretch(rho: Tensor, t: float, dt: float) -> Tensor:
        if problem.steady:
            count = whole_steps(abs(dt) * math.fsum(drift(first)[1]), _STEADY, max(grid.shape))
        else:
            count = changing(t, t + dt)
        now, middles = plane(rho), [t + dt * ((i + 0.5) / count) for i in range(count)]
        if problem.steady and len({problem.epsilon(s) for s in middles}) == 1:
            now = several(now, middles[0], dt / count, count)
        else:
            for s in middles:
                now = several(now, s, dt / count, 1)
        return torch.from_numpy(now).reshape(grid.shape)

    return march(problem, times, stretch, lambda a, b: 1)


def _load() -> Callable[..., Tensor]:
    compiled()
    return solve


_EXTRA = {
    "form": "averages", "conservative": True, "walls": "closed", "equations": ("fokker-planck",), "dims": (1, 2),
}  # fmt: skip
SUBJECT = Subject(
    name="pde/fused-rkl2",
    kind="pde",
    load=_load,
    claims=Claims(order=2.0, extra=_EXTRA),
    tags=frozenset({"grid", "finite-volume", "explicit", "kernel", VARIANT}),
    modules=(
        *(f"si_verify.subjects.pde.{name}" for name in ("fused_rkl", "fused_rkl_lanes", "rkl", "fused_lanes")),
        "numba",
    ),
    dtypes=("float64", "float32"),
    summary="fused hybrid-flux finite volumes (numba), RKL2 super time steps, all stages in one pass",
)
