"""Explicit Euler in plain torch: x ← x + h b(t, x). Order 1 (Euler 1768)."""

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
        x = x + (after - now) * velocity(now, x)
    return x


SUBJECT = Subject(
    name="torch/euler",
    kind="ode",
    load=lambda: solve,
    claims=Claims(order=1.0, evaluations_per_step=1),
    tags=frozenset({"torch", "fixed-step", "illustrated"}),
    modules=("si_verify.subjects.ode.torch_euler",),
    dtypes=("float64", "float32"),
    summary="explicit Euler, order 1",
)
