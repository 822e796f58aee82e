"""Points at times, arranged as B groups of P points that share a time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from analytic.arrays import Array, namespace, to_numpy, transfer

# Below this many points per distinct time, grouping costs more than it saves.
WORTH_GROUPING = 4

Evaluate = Callable[[Array, Array], Array]
"""(t (B,), x (B, P, D)) -> (B, P, ...)."""


def over_times(t: Any, x: Array, evaluate: Evaluate) -> Array:
    """evaluate applied to points x (N, D) at t, a float or (N,): the answer (N, ...) in the order of x.

    One shared time is one group of N points. Few distinct times are a group each, so that their
    covariances are factorised once. Otherwise every point has its own time.
    """
    xp = array_namespace(x)
    if is_scalar(t):
        return _alone(evaluate, xp.asarray([float(t)], dtype=xp.float64, device=device(x)), x)
    namespace(t, "t")
    if tuple(t.shape) != (x.shape[0],):
        raise ValueError(f"t: expected a float or shape ({x.shape[0]},) to go with x, got {tuple(t.shape)}")
    times = transfer(t, x)
    if not getattr(t, "requires_grad", False):  # gathering equal times would cut the graph to all but one
        distinct, inverse = np.unique(to_numpy(times), return_inverse=True)
        if len(distinct) == 1:
            return _alone(evaluate, times[:1], x)
        if len(distinct) * WORTH_GROUPING <= x.shape[0]:
            return _grouped(evaluate, times, x, inverse, len(distinct))
    return evaluate(times, x[:, None, :])[:, 0, ...]


def is_scalar(t: Any) -> bool:
    """Whether t is one time: a Python or NumPy number or an array without axes."""
    return isinstance(t, (int, float, np.number)) or getattr(t, "ndim", None) == 0


def _alone(evaluate: Evaluate, t: Array, x: Array) -> Array:
    return evaluate(t, x[None, :, :])[0, ...]


def _grouped(evaluate: Evaluate, times: Array, x: Array, inverse: np.ndarray, n_groups: int) -> Array:
    xp = array_namespace(x)
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(n_groups + 1))
    parts = []
    for first, last in pairwise(starts):
        index = xp.asarray(order[first:last], device=device(x))
        parts.append(_alone(evaluate, xp.take(times, index[:1], axis=0), xp.take(x, index, axis=0)))
    back = xp.asarray(np.argsort(order, kind="stable"), device=device(x))
    return xp.take(xp.concat(parts, axis=0), back, axis=0)
