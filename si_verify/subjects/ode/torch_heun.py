"""Heun's method in plain torch: the mean of the slopes at both ends of an Euler step. Order 2 (Heun 1900)."""

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
        first = velocity(now, x)
        second = velocity(after, x + h * first)
        x = x + 0.5 * h * (first + second)
    return x


SUBJECT = Subject(
    name="torch/heun",
    kind="ode",
    load=lambda: solve,
    claims=Claims(order=2.0, evaluations_per_step=2),
    tags=frozenset({"torch", "fixed-step", "illustrated"}),
    modules=("si_verify.subjects.ode.torch_heun",),
    dtypes=("float64", "float32"),
    summary="Heun (explicit trapezoid), order 2",
)
