"""Fused trajectories on the CPU: a block of particles goes through all steps without leaving L1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.subject import VARIANT, Claims, Subject, Unavailable


def load() -> Callable[..., Callable[..., Tensor]]:
    """``plan``; Unavailable without numba, and it on another device than the CPU."""
    try:
        from si_verify.kernels import numba_paths  # noqa: F401
    except ImportError as error:
        raise Unavailable(f"numba is not installed ({error}): pip install 'si-verify[kernels]'") from error
    from si_verify.kernels import numba_walk

    def plan(
        interpolant: Interpolant, times: Sequence[float], method: str, epsilon: float, dtype: torch.dtype,
        device: torch.device,
    ) -> Callable[..., Tensor]:  # fmt: skip
        if device.type != "cpu":
            raise Unavailable(f"numba kernels run on the CPU, not on {device}")
        return numba_walk.plan(interpolant, times, method, epsilon, dtype)

    return plan


SUBJECT = Subject(
    # A variant: compiling costs more than a whole quick run.
    name="numba/paths",
    kind="path",
    load=load,
    claims=Claims(extra={"methods": ("euler", "heun", "rk4"), "to_the_bit": True}),
    tags=frozenset({"numba", "fused", "kernel", VARIANT}),
    modules=("si_verify.kernels.numba_paths", "si_verify.kernels.numba_walk", "si_verify.kernels.numba_noise"),
    dtypes=("float64", "float32"),
    summary="field, Philox noise and every step of a block of particles in one call, points across lanes",
)
