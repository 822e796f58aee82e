"""Batched tridiagonal solves along one axis, and the drift–diffusion operators that need them."""

from __future__ import annotations

import torch
from torch.nn.functional import pad

from si_verify.subjects.pde.fluxes import inner

Tensor = torch.Tensor


def solve_tridiagonal(lower: Tensor, diagonal: Tensor, upper: Tensor, right: Tensor) -> Tensor:
    """x of lower_i x_{i−1} + diagonal_i x_i + upper_i x_{i+1} = right_i along the last axis; all (..., n).

    Parallel cyclic reduction: log₂ n sweeps over whole arrays, which suits both a GPU and eager torch. It is
    elimination without pivoting, stable for the diagonally dominant (by rows or columns) systems met here; an
    M-matrix stays one at every level, so a non-negative right side has a non-negative answer. lower_0 and
    upper_{n−1} are not used.
    """
    n = diagonal.shape[-1]
    a, b, c, d = lower.clone(), diagonal.clone(), upper.clone(), right.clone()
    a[..., 0], c[..., -1] = 0.0, 0.0
    stride = 1
    while stride < n:
        s = stride
        low, high = a[..., s:] / b[..., :-s], c[..., :-s] / b[..., s:]
        below, above = a[..., s:], c[..., :-s]
        next_a, next_c, next_d = torch.zeros_like(a), torch.zeros_like(c), d.clone()
        torch.mul(low, a[..., :-s], out=next_a[..., s:]).neg_()
        torch.mul(high, c[..., s:], out=next_c[..., :-s]).neg_()
        next_d[..., s:].addcmul_(low, d[..., :-s], value=-1)
        next_d[..., :-s].addcmul_(high, d[..., s:], value=-1)
        b[..., s:].addcmul_(low, above, value=-1)
        b[..., :-s].addcmul_(high, below, value=-1)
        a, c, d = next_a, next_c, next_d
        stride *= 2
    return d / b


class LineOperator:
    """L of dρ/dτ = Lρ along one axis: flux p ρ_L − q ρ_R through inner faces, p = w⁺ + κ/h, q = w⁻ + κ/h, closed walls.

    Columns sum to zero (mass), off-diagonals are ≥ 0, so I − τL is an M-matrix for every τ ≥ 0.
    drift: (..., n + 1) sign · w on all faces along the last axis; kappa: (..., n − 1) diffusion on inner faces.
    """

    def __init__(self, drift: Tensor, kappa: Tensor, h: float) -> None:
        w = inner(drift, drift.ndim - 1)
        self.up = (w.clamp(min=0) + kappa / h) / h  # rate from i to i + 1
        self.down = (-w.clamp(max=0) + kappa / h) / h  # rate from i + 1 to i

    def apply(self, rho: Tensor) -> Tensor:
        """Lρ."""
        moved = self.up * rho[..., :-1] - self.down * rho[..., 1:]
        return pad(moved, (1, 0)) - pad(moved, (0, 1))

    def implicit(self, tau: float, right: Tensor) -> Tensor:
        """(I − τL)⁻¹ right."""
        diagonal = 1.0 + tau * (pad(self.up, (0, 1)) + pad(self.down, (1, 0)))
        return solve_tridiagonal(pad(-tau * self.up, (1, 0)), diagonal, pad(-tau * self.down, (0, 1)), right)
