"""Wrong Runge–Kutta schemes: nodes, weights and stage times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from si_verify.faults.fault import Fault
from si_verify.faults.ode_fault import ode_fault
from si_verify.subject import Claims

Tensor = torch.Tensor
Solve = Callable[..., Tensor]
Row = Sequence[float]
_RK4_ROWS: tuple[Row, ...] = ((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0))


def scheme(nodes: Row, rows: Sequence[Row], weights: Row) -> Solve:
    """The explicit scheme of a Butcher tableau, right or wrong."""

    def solve(velocity: Callable[[float, Tensor], Tensor], x0: Tensor, times: Tensor) -> Tensor:
        x = x0
        for now, after in pairwise(times.tolist()):
            h = after - now
            slopes: list[Tensor] = []
            for node, row in zip(nodes, rows, strict=True):
                stage = x + h * sum((a * k for a, k in zip(row, slopes, strict=True)), start=torch.zeros_like(x))
                slopes.append(velocity(now + node * h, stage))
            x = x + h * sum((b * k for b, k in zip(weights, slopes, strict=True)), start=torch.zeros_like(x))
        return x

    return solve


def _fault(name: str, nodes: Row, rows: Sequence[Row], weights: Row, order: float, story: str, source: str) -> Fault:
    claims = Claims(order=order, evaluations_per_step=len(nodes))
    return ode_fault(name, scheme(nodes, rows, weights), claims, ("ode-order", "ode-order-non-uniform"), story, source)


FAULTS = (
    _fault(
        "first-stage-late", (1.0, 1.0), ((), (1.0,)), (1 / 2, 1 / 2), 2.0,
        "Heun's first stage is evaluated at t + dt with the state at t: order 1, an error above Euler's.",
        "malbergo/stochastic-interpolants (SDE Heun step); MATH §9",
    ),
    _fault(
        "second-stage-early", (0.0, 0.0), ((), (1.0,)), (1 / 2, 1 / 2), 2.0,
        "Heun's second stage takes the time of the first.",
        "huggingface/diffusers#1512 (second Heun stage at the wrong noise level)",
    ),
    _fault(
        "midpoint-full-stage", (0.0, 1 / 2), ((), (1.0,)), (0.0, 1.0), 2.0,
        "The midpoint's slope is taken at a state a full step away.",
        "MATH §9 (a stage and its state at different times)",
    ),
    _fault(
        "rk4-wrong-node", (0.0, 1 / 2, 1 / 3, 1.0), _RK4_ROWS, (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4.0,
        "One node of the tableau is mistyped: its rows no longer sum to it, and order 4 becomes 1.",
        "brainpy/BrainPy#841 (wrong node in a Runge–Kutta–Fehlberg tableau)",
    ),
    _fault(
        "rk4-wrong-weights", (0.0, 1 / 2, 1 / 2, 1.0), _RK4_ROWS, (1 / 6, 1 / 3, 1 / 6, 1 / 3), 4.0,
        "Two weights are swapped; they still sum to one.",
        "brainpy/BrainPy#841 (wrong weights)",
    ),
    _fault(
        "rk4-slightly-wrong-weights", (0.0, 1 / 2, 1 / 2, 1.0), _RK4_ROWS, (1 / 6, 2.1 / 6, 1.9 / 6, 1 / 6), 4.0,
        "Weights off by 5 % in a way that keeps every quadrature condition: exact for fields of t alone, order 2.",
        "MATH §9; the blindness of tests whose solutions do not depend on x",
    ),
    _fault(
        "rk3-wrong-entry", (0.0, 1 / 3, 2 / 3), ((), (1 / 3,), (1 / 3, 1 / 3)), (1 / 4, 0.0, 3 / 4), 3.0,
        "Heun's third-order scheme with its last row spread over both slopes: the rows sum right, the order is 2.",
        "brainpy/BrainPy#841",
    ),
)  # fmt: skip
