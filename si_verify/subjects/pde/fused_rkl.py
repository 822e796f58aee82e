"""Super time steps on the CPU: second-order Runge–Kutta–Legendre, all stages of a step in one pass (numba).

Steps follow from the drift alone and stages from what is stable (rkl.py): their number grows as
h^{−½} where that of explicit steps grows as h^{−2}. Fluxes as in fused_kernels.py. Drift and ε are those of the middle
of a step. A steady problem is one call of a compiled function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from si_verify.density.problem import DensityProblem
from si_verify.subject import VARIANT, Claims, Subject, Unavailable
from si_verify.subjects.pde import rkl
from si_verify.subjects.pde.fused import faces, factors, plane
from si_verify.subjects.pde.marching import courant_steps, whole_steps
from si_verify.subjects.pde.numba_compiler import compiler, take_threads

Tensor = torch.Tensor
# Courant numbers: where the drift changes, what freezing it errs is far more than what the stages do.
_STEADY, _CHANGING = 2.0, 1.0
# Cells of the longest axis a step, over all the time: what spreads without drift crosses none, yet dt must fall with h.
_CELLS = 16
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


def _relay(rho: np.ndarray, out: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(from, to) of ``count`` steps that end in ``out`` and leave ``rho`` as it is."""
    spare = np.empty_like(out) if count > 1 else out
    for left in range(count, 0, -1):
        target = out if left % 2 == 1 else spare
        yield rho, target
        rho = target


def advance(
    rho: np.ndarray, wx: np.ndarray, wy: np.ndarray, out: np.ndarray, count: int, stages: int, given: Sequence[Any],
    central: bool = False,
) -> None:  # fmt: skip
    """out (n, m) = ρ after ``count`` steps with one drift; ``given``: ax, cx, ay, cy of a step (fused_kernels.py).

    ``central``: |a w| ≤ c, c > 0, on all faces, and half of a flux's arithmetic is not needed.
    """
    loops, table = compiled(), _table(stages, rho.dtype)
    # What a task does twice above and below its rows is an eighth of them at most.
    rows = max(_ROWS * stages, -(-len(rho) // torch.get_num_threads()))
    if rows >= len(rho):
        loops.alone(rho, wx, wy, out, count, table, central, *given)
        return
    take_threads()
    for source, target in _relay(rho, out, count):
        loops.shared(source, wx, wy, target, table, central, *given, rows)


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``; order 2 in h with dt ∝ h, for ε > 0 once h resolves ε/|b|."""
    grid, knots = problem.grid, [float(t) for t in times]
    if grid.dim > 2:
        raise ValueError(f"problem: expected a grid of one or two dimensions, got {grid.dim}")
    if problem.device.type != "cpu":
        raise Unavailable("numba's kernels run on the CPU")
    span = abs(knots[-1] - knots[0]) or 1.0
    loops, spacing, courant = compiled(), grid.spacing, _STEADY if problem.steady else _CHANGING

    def look(t: float) -> tuple[tuple[np.ndarray, np.ndarray], list[float]]:
        """Drift on all faces, and max |w_d| / h_d."""
        around = faces(problem, t)
        return around, [w / h for w, h in zip(loops.fastest(*around)[-grid.dim :], spacing, strict=True)]

    still = look(knots[0]) if problem.steady else None

    def several(rho: np.ndarray, out: np.ndarray, t: float, dt: float, count: int) -> None:
        """``count`` steps of dt with drift and ε of time t."""
        around, speeds = still or look(t)
        tau, eps = abs(dt), problem.epsilon(t)
        spread = [eps / (h * h) for h in spacing]
        central = eps > 0 and all(0.5 * v <= c for v, c in zip(speeds, spread, strict=True))
        stages, parts = rkl.stages_for(
            [tau * max(c, 0.5 * v) for v, c in zip(speeds, spread, strict=True)], [tau * v for v in speeds]
        )
        advance(rho, *around, out, count * parts, stages, factors(problem, t, dt / parts), central)

    stored = torch.empty((len(knots), *grid.shape), dtype=problem.dtype)
    states = stored.numpy().reshape(len(knots), -1, grid.shape[-1])
    states[0] = plane(problem.initial)
    for now, after, (a, b) in zip(states[:-1], states[1:], pairwise(knots), strict=True):
        if still:
            count = whole_steps(abs(b - a) * math.fsum(still[1]), courant, max(grid.shape))
        else:
            count = courant_steps(problem, courant)(a, b)
        count = max(count, math.ceil(max(grid.shape) * abs(b - a) / (_CELLS * span)))
        dt, middles = (b - a) / count, [a + (b - a) * ((i + 0.5) / count) for i in range(count)]
        if still and len({problem.epsilon(t) for t in middles}) == 1:
            several(now, after, middles[0], dt, count)
            continue
        for t, (source, target) in zip(middles, _relay(now, after, count), strict=True):
            several(source, target, t, dt, 1)
    return stored


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
