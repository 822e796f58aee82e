"""Fused finite volumes on a GPU (CUDA C++ by CuPy): every stage, or four steps at once, in one pass over memory.

The scheme is that of fused.py, number for number: central fluxes where they are positive, upwind elsewhere, SSPRK2.
Here in three dimensions too, where one pass a stage is all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from si_verify.density.problem import DensityProblem
from si_verify.kernels import cuda_stencil as kernels
from si_verify.subject import VARIANT, Claims, Subject, Unavailable
from si_verify.subjects.pde.marching import Step, explicit_steps, march

Tensor = torch.Tensor
# Steps in one pass of the blocked solver: eight stages.
STEPS = 4


def faces(problem: DensityProblem, t: float) -> list[Tensor]:
    """Drift on all faces, a tensor an axis."""
    return [problem.face_drift(t, axis) for axis in range(problem.grid.dim)]


def factors(problem: DensityProblem, t: float, dt: float) -> list[tuple[float, float]]:
    """½ sign dt/h and ε dt/h² for every axis."""
    tau, eps = abs(dt), problem.epsilon(t)
    return [(0.5 * problem.sign * tau / h, eps * tau / h**2) for h in problem.grid.spacing]


def stepping(problem: DensityProblem) -> Step:
    """One step of SSPRK2 in two passes."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        first = kernels.stage(rho, rho, faces(problem, t), factors(problem, t, dt))
        end = t + dt
        return kernels.stage(rho, first, faces(problem, end), factors(problem, end, dt), 0.5)

    return step


def striding(problem: DensityProblem) -> Step:
    """Four steps of SSPRK2 in one pass, drift and ε those of the middle."""

    def step(rho: Tensor, t: float, dt: float) -> Tensor:
        middle = t + 0.5 * dt
        small = factors(problem, middle, dt / STEPS)
        return kernels.several(rho, faces(problem, middle), small, 2 * STEPS, 0.5)

    return step


def marched(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``, wherever the problem's tensors lie and the kernels run."""
    return march(problem, times, stepping(problem), explicit_steps(problem))


def marched_blocked(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """The same with four steps a pass."""
    if problem.grid.dim > 2:
        raise ValueError(f"problem: expected a grid of one or two dimensions, got {problem.grid.dim}")
    steps = explicit_steps(problem)
    return march(problem, times, striding(problem), lambda a, b: -(-steps(a, b) // STEPS))


def _on_cuda(problem: DensityProblem) -> None:
    if problem.device.type != "cuda":
        raise Unavailable(f"the CUDA stencils run on CUDA, and this case is on {problem.device}")


def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``: SSPRK2, two passes a step; order 2 in h for ε > 0 once h resolves ε/|b|."""
    _on_cuda(problem)
    return marched(problem, times)


def solve_blocked(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """ρ at ``times``: SSPRK2, four steps a pass with drift and ε of the middle of the four; order 2 as ``solve``."""
    _on_cuda(problem)
    return marched_blocked(problem, times)


def _load(function: Callable[..., Tensor]) -> Callable[[], Callable[..., Tensor]]:
    def load() -> Callable[..., Tensor]:
        if not torch.cuda.is_available():
            raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
        try:
            import cupy  # noqa: F401
        except ImportError as error:
            raise Unavailable(f"cupy is not installed ({error}): pip install 'si-verify[cuda]'") from error
        return function

    return load


def _subject(name: str, function: Callable[..., Tensor], dims: tuple[int, ...], summary: str) -> Subject:
    extra = {
        "form": "averages", "conservative": True, "walls": "closed", "positive": True,
        "equations": ("fokker-planck",), "dims": dims,
    }  # fmt: skip
    return Subject(
        name=name,
        kind="pde",
        load=_load(function),
        claims=Claims(order=2.0, extra=extra),
        tags=frozenset({"grid", "finite-volume", "explicit", "kernel", "cupy", "cuda", VARIANT}),
        modules=("si_verify.subjects.pde.cuda_fused", "si_verify.kernels.cuda_stencil"),
        dtypes=("float64", "float32"),
        summary=summary,
    )


SUBJECTS = (
    _subject("pde/cuda-fused", solve, (1, 2, 3), "fused hybrid-flux finite volumes (CUDA C++), SSPRK2"),
    _subject("pde/cuda-fused-blocked", solve_blocked, (1, 2), "the same, four SSPRK2 steps a pass in tiles"),
)
