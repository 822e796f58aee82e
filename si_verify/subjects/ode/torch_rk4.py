"""The classical Runge–Kutta method in plain torch. Order 4 (Kutta 1901)."""

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
        k1 = velocity(now, x)
        k2 = velocity(now + 0.5 * h, x + 0.5 * h * k1)
        k3 = velocity(now + 0.5 * h, x + 0.5 * h * k2)
        k4 = velocity(after, x + h * k3)
        x = x + (h / 6.0) * (k1 + 2.0 * (k2 + k3) + k4)
    return x


SUBJECT = Subject(
    name="torch/rk4",
    kind="ode",
    load=lambda: solve,
    claims=Claims(order=4.0, evaluations_per_step=4),
    tags=frozenset({"torch", "fixed-step"}),
    modules=("si_verify.subjects.ode.torch_rk4",),
    dtypes=("float64", "float32"),
    summary="classical Runge–Kutta, order 4",
)
