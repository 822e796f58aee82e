"""Explicit midpoint in plain torch: x ← x + h b(t + h/2, x + h/2 b(t, x)). Order 2 (Runge 1895)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch

from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def solve(velocity: Callable[[float, Tensor], Tensor], x0: Tensor, times: Tensor) -> Tensor:
    """One step of size t_{i+1} − t_i between consecutive times; x0 (N, D) -> (N, D)."""
    x = x0
    for now, after in pairwise(times.tolist()):
        h = after - now
        middle = x + 0.5 * h * velocity(now, x)
        x = x + h * velocity(now + 0.5 * h, middle)
    return x


SUBJECT = Subject(
    name="torch/midpoint",
    kind="ode",
    load=lambda: solve,
    claims=Claims(order=2.0, evaluations_per_step=2),
    tags=frozenset({"torch", "fixed-step"}),
    modules=("si_verify.subjects.ode.torch_midpoint",),
    dtypes=("float64", "float32"),
    summary="explicit midpoint, order 2",
)
