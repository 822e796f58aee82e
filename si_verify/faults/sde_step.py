"""What the SDE faults share: a one-step rule made into a solver, and the claims its right twin would make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.subject import Claims, Subject

MATH = "MATH.md section 9"


@dataclass(frozen=True)
class Step:
    """Step ``i`` of the run over ``times``, from t to s, at state x."""

    i: int
    times: list[float]
    t: float
    s: float
    x: torch.Tensor
    f: Callable[[float, torch.Tensor], torch.Tensor]
    g: Callable[[float, torch.Tensor], torch.Tensor]
    brownian: Any

    @property
    def h(self) -> float:
        return self.s - self.t

    @property
    def dw(self) -> torch.Tensor:
        return self.brownian(self.t, self.s)

    @property
    def last(self) -> bool:
        return self.i == len(self.times) - 2

    def euler(self, dw: torch.Tensor | None = None) -> torch.Tensor:
        """Euler–Maruyama, with another increment if one is given."""
        return self.x + self.f(self.t, self.x) * self.h + self.g(self.t, self.x) * (self.dw if dw is None else dw)


Rule = Callable[[Step], torch.Tensor]


def solver(rule: Rule) -> Callable[..., torch.Tensor]:
    """``solve(drift, diffusion, x0, times, brownian)`` that applies the rule step by step."""

    def solve(drift: Any, diffusion: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> torch.Tensor:
        grid, x = times.tolist(), x0
        for i in range(len(grid) - 1):
            x = rule(Step(i, grid, grid[i], grid[i + 1], x, drift, diffusion, brownian))
        return x

    return solve


EULER = Claims(weak_order=1.0, strong_order=1.0)
HEUN = Claims(weak_order=2.0, strong_order=1.0)
FIELDS = Claims(weak_order=1.0, strong_order=1.0, extra={"interface": "fields"})
FIELDS_HEUN = Claims(weak_order=2.0, strong_order=1.0, extra={"interface": "fields"})


def fault(
    name: str,
    solve: Callable[..., torch.Tensor],
    claims: Claims,
    caught_by: tuple[str, ...],
    story: str,
    source: str = MATH,
) -> Fault:
    """A seeded SDE fault named fault/sde-NAME."""
    subject = Subject(f"fault/sde-{name}", "sde", lambda: solve, claims, tags=frozenset({"fault"}), modules=(__name__,))
    return Fault(subject, caught_by, story, source)
