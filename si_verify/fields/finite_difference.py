"""Derivatives of a subject's own functions by differences, with an error bound of known origin beside each.

Central differences of fourth order at steps h and 2h: what the two disagree by bounds the truncation of the finer one
(1/16 of it for a smooth function; the whole is taken), and c·eps·|f|/h the rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_ROUNDING = 8.0  # the weights 8/12, 1/12 of four values, each with a few units of its own rounding


def _fourth_order(f: Callable[[float], Tensor], h: float) -> tuple[Tensor, Tensor]:
    far, near = (f(2 * h), f(-2 * h)), (f(h), f(-h))
    size = torch.stack([v.abs() for v in (*far, *near)]).amax(0)
    return (8 * (near[0] - near[1]) - (far[0] - far[1])) / (12 * h), size


def derivative(f: Callable[[float], Tensor], h: float, noise: float) -> tuple[Tensor, Tensor]:
    """f'(0) and a bound on its error; ``f(shift)`` is an array, ``noise`` its relative rounding error."""
    fine, size = _fourth_order(f, h)
    coarse, _ = _fourth_order(f, 2 * h)
    return fine, (fine - coarse).abs() + _ROUNDING * noise * size / h


def gradient(f: Callable[[Tensor], Tensor], x: Tensor, h: float, noise: float) -> tuple[Tensor, Tensor]:
    """∂_j f_i, (N, D) for f (N,), or the diagonal ∂_j f_j for f (N, D); with its error bound."""
    values, bounds = [], []
    for j in range(x.shape[1]):
        axis = torch.zeros_like(x)
        axis[:, j] = 1.0

        def along(shift: float, axis: Tensor = axis, j: int = j) -> Tensor:
            answer = f(x + shift * axis)
            return answer if answer.ndim == 1 else answer[:, j]

        value, bound = derivative(along, h, noise)
        values.append(value)
        bounds.append(bound)
    return torch.stack(values, 1), torch.stack(bounds, 1)
