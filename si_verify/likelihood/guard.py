"""Guard of likelihood estimators: log densities of shape (N,), in the dtype and on the device of the points."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch

from si_verify.guard import _call, _expect
from si_verify.likelihood.estimate import LikelihoodEstimate
from si_verify.subject import SubjectError


def guard_likelihood(estimate: Callable[..., Any]) -> Callable[..., Any]:
    """Guard every form of ``si_verify.likelihood.estimate``: the answer's type tells which it is."""

    @functools.wraps(estimate, updated=())
    def guarded(*args: Any, **kwargs: Any) -> Any:
        answer = _call("estimate", estimate, args, kwargs)
        points = next((a for a in args if isinstance(a, torch.Tensor) and a.ndim == 2), None)
        if points is None:
            return _numbers(answer)
        if isinstance(answer, tuple) and len(answer) == 3:
            parts = zip(LikelihoodEstimate._fields, answer, strict=True)
            return LikelihoodEstimate(*(_expect(f"estimate ({n})", a, (len(points),), points) for n, a in parts))
        if isinstance(answer, tuple) and len(answer) == 2:
            shapes = (("points", tuple(points.shape)), ("log density", (len(points),)))
            both = zip(shapes, answer, strict=True)
            return tuple(_expect(f"estimate ({n})", a, shape, points) for (n, shape), a in both)
        return _expect("estimate", answer, (len(points),), points)

    return guarded


def _numbers(answer: Any) -> Any:
    values = answer if isinstance(answer, tuple) else (answer,)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SubjectError(f"estimate: expected a number or a pair of numbers, got {type(value).__name__}")
        if math.isinf(value) and value < 0:
            raise SubjectError("estimate: a divergence of −∞")
    return answer
