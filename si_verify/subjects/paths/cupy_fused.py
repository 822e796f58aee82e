"""Fused trajectories in CUDA C++: a thread a particle, its whole path in one launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.subject import Claims, Subject, Unavailable


def load() -> Callable[..., Callable[..., Tensor]]:
    """``plan``; Unavailable without CuPy, and it on another device than CUDA or for what one thread cannot hold."""
    if not torch.cuda.is_available():
        raise Unavailable(f"torch {torch.__version__} sees no CUDA device")
    try:
        import cupy  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"cupy is not installed ({error}): pip install 'si-verify[cuda]'") from error
    from si_verify.kernels import cuda_paths

    def plan(
        interpolant: Interpolant, times: Sequence[float], method: str, epsilon: float, dtype: torch.dtype,
        device: torch.device,
    ) -> Callable[..., Tensor]:  # fmt: skip
        if device.type != "cuda":
            raise Unavailable(f"CUDA kernels run on CUDA devices, not on {device}")
        try:
            return cuda_paths.plan(interpolant, times, method, epsilon, dtype, device)
        except ValueError as error:
            raise Unavailable(f"not taken: {error}") from error

    return plan


SUBJECT = Subject(
    name="cupy/paths",
    kind="path",
    load=load,
    claims=Claims(extra={"methods": ("euler", "heun", "rk4"), "to_the_bit": True}),
    tags=frozenset({"cupy", "cuda", "fused", "kernel"}),
    modules=("si_verify.kernels.cuda_paths", "si_verify.kernels.cuda_source"),
    dtypes=("float64", "float32"),
    summary="field, Philox noise and every step of a particle in one launch",
)
