"""Guard of drifts: a drift is a field, an objective answers one loss a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.guard import _call, _expect, guard_field
from si_verify.subject import SubjectError


class Objective:
    """A loss under test: ``loss(field, interpolant, t, x0, x1, z) -> (N,)``, see ``si_verify.learning.objectives``."""

    def __init__(self, loss: Callable[..., Any]) -> None:
        self.loss = loss

    def __call__(self, *args: Any) -> Any:
        """The loss of every row."""
        return self.loss(*args)


def guard_drift(implementation: Any) -> Any:
    """Guard an ``Objective``, or ``build(interpolant, dtype, device) -> {quantity: f(t, x)}`` as for kind field."""
    if not isinstance(implementation, Objective):
        return guard_field(implementation)

    def guarded(*args: Any) -> torch.Tensor:
        rows = next(a for a in args if isinstance(a, torch.Tensor) and a.ndim == 2)
        answer = _call("loss", implementation, args, {})
        if isinstance(answer, torch.Tensor) and answer.ndim == 0:
            raise SubjectError("loss: expected one loss a row, shape (N,), got a scalar")
        return _expect("loss", answer, (len(rows),), rows)

    return guarded
