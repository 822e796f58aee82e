"""Fused finite volumes on the CPU: every stage, or four steps at once, in one pass over memory (numba).

Fluxes as in fused_kernels.py: central where that is positive, upwind elsewhere. In one dimension the grid is one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import VARIANT, Claims, Subject, Unavailable
from si_verify.subjects.pde import fused_kernels as kernels
from si_verify.subjects.pde.marching import Step, explicit_steps, march
from si_verify.subjects.pde.numba_compiler import take_threads

Tensor = torch.Tensor
# Steps in one pass of the blocked solver: their eight stages need a halo of eight cells, an eighth of a tile's rows.
STEPS = 4


def plane(values: Tensor) -> np.ndarray:
    """A tensor as the (n, m) array that the kernels take; the same memory where it lies in order already."""
    array = np.ascontiguousarray(values.numpy())
    return array[None] if array.ndim == 1 else array


def faces(problem: DensityProblem, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Drift on all faces, (n + 1, m) and (n, m + 1); one row has no inner faces across it."""
    along = plane(problem.face_drift(t, problem.grid.dim - 1))
    if problem.grid.dim == 1:
        return np.empty((2, along.shape[1] - 1), along.dtype), along
    return plane(problem.face_drift(t, 0)), along


def factors(problem: DensityProblem, t: float, dt: float) -> list[Any]:
    """½ sign dt/h and ε dt/h² for both axes, scalars of the problem's dtype."""
    kind = np.float64 if problem.dtype == torch.float64 else np.float32
    spacing = problem.grid.spacing if problem.grid.dim == 2 else (1.0, *problem.grid.spacing)
    tau, eps = abs(dt), problem.epsilon(t)
    return [kind(v) for h in spacing for v in (0.5 * problem.sign * tau / h, eps * tau / h**2)]


def _prepared(problem: DensityProblem) -> Any:
    if problem.grid.dim > 2:
        raise ValueError(f"problem: expected a grid of one or two dimensions, got {problem.grid.dim}")
    if problem.device.type != "cpu":
        raise Unavailable("numba's kernels run on the CPU")
    take_threads()
    return kernels.compiled()


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``: SSPRK2, two passes a step; order 2 in h for ε > 0 once h resolves ε/|b|."""
    kernel = _prepared(problem)
    shape = problem.grid.shape

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        start = plane(rho)
        first, after = np.empty_like(start), np.empty_like(start)
        rows, _ = kernels.tile(start.shape, start.itemsize, torch.get_num_threads())
        kernel.euler(start, *faces(problem, t), first, *factors(problem, t, dt), rows)
        keep = start.dtype.type(0.5)
        end = factors(problem, t + dt, dt)
        kernel.stage(start, first, *faces(problem, t + dt), after, keep, *end, rows)
        return torch.from_numpy(after).reshape(shape)

    return march(problem, times, step, explicit_steps(problem))


def _several(problem: DensityProblem) -> Step:
    kernel = _prepared(problem)

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        start, middle = plane(rho), t + 0.5 * dt
        after, keep = np.empty_like(start), start.dtype.type(0.5)
        small = factors(problem, middle, dt / STEPS)
        shape = kernels.tile(start.shape, start.itemsize, torch.get_num_threads())
        kernel.several(start, *faces(problem, middle), after, 2 * STEPS, keep, *small, *shape)
        return torch.from_numpy(after).reshape(problem.grid.shape)

    return step


def solve_blocked(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``: SSPRK2, four steps a pass with drift and ε of the middle of the four; order 2 as ``solve``."""
    steps = explicit_steps(problem)
    return march(problem, times, _several(problem), lambda a, b: -(-steps(a, b) // STEPS))


def _load(function: Callable[..., Tensor]) -> Callable[[], Callable[..., Tensor]]:
    def load() -> Callable[..., Tensor]:
        kernels.compiled()
        return function

    return load


_MODULES = (
    *(f"si_verify.subjects.pde.{name}" for name in ("fused", "fused_kernels", "fused_lanes", "fused_pointers")),
    "numba",
)
_EXTRA = {
    "form": "averages", "conservative": True, "walls": "closed", "positive": True, "equations": ("fokker-planck",),
    "dims": (1, 2),
}  # fmt: skip
_TAGS = frozenset({"grid", "finite-volume", "explicit", "kernel", VARIANT})
SUBJECTS = (
    Subject(
        name="pde/fused",
        kind="pde",
        load=_load(solve),
        claims=Claims(order=2.0, extra=_EXTRA),
        tags=_TAGS,
        modules=_MODULES,
        dtypes=("float64", "float32"),
        summary="fused hybrid-flux finite volumes (numba), SSPRK2",
    ),
    Subject(
        name="pde/fused-blocked",
        kind="pde",
        load=_load(solve_blocked),
        claims=Claims(order=2.0, extra=_EXTRA),
        tags=_TAGS,
        modules=_MODULES,
        dtypes=("float64", "float32"),
        summary="fused hybrid-flux finite volumes (numba), four SSPRK2 steps a pass in tiles",
    ),
)
