"""Linear ordinary differential equations with time-dependent coefficients, solved to rounding.

    Y' = K(t) Y,      Y(s) = I,      the propagator Phi(t, s) = Y(t).

No closed form exists when the K(t) do not commute. The propagator over one panel is that of Gauss-Legendre
collocation with six stages (order 12, and exact up to one linear solve for a linear equation); panels are halved
where one panel and its two halves disagree by more than rounding. The disagreement is the stated error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
MatrixFunction = Callable[[Array], Array]  # t (T,) -> (T, D, D)

STAGES = 6
_EPS = float(np.finfo(np.float64).eps)


@cache
def gauss_rule(stages: int = STAGES) -> tuple[Array, Array]:
    """Nodes and weights of the Gauss-Legendre rule on [0, 1], each (stages,)."""
    nodes, weights = np.polynomial.legendre.leggauss(stages)
    return 0.5 * (nodes + 1.0), 0.5 * weights


@cache
def _collocation() -> Array:
    """a_ij = ∫_0^{c_i} l_j(u) du, (S, S): the Butcher matrix, from the Lagrange basis on the Gauss nodes.

    Integrated by the Gauss rule on [0, c_i], which is exact for the degree; no ill-conditioned Vandermonde solve.
    """
    nodes, weights = gauss_rule()
    rows = []
    for top in nodes:
        u = top * nodes
        basis = [
            np.prod([(u - nodes[m]) / (nodes[j] - nodes[m]) for m in range(STAGES) if m != j], axis=0)
            for j in range(STAGES)
        ]
        rows.append([top * float(weights @ b) for b in basis])
    return np.array(rows)


def panel_propagators(matrix: MatrixFunction, left: Array, right: Array) -> Array:
    """Phi(right_i, left_i) by one collocation panel each: (P,), (P,) -> (P, D, D)."""
    nodes, weights = gauss_rule()
    h = right - left
    times = left[:, None] + h[:, None] * nodes
    k = matrix(times.reshape(-1))
    p, d = h.size, k.shape[-1]
    k = k.reshape(p, STAGES, d, d)
    # Stage derivatives F_i = K_i (I + h Σ_j a_ij F_j): one block system per panel.
    system = -h[:, None, None, None, None] * np.einsum("ij,piab->piajb", _collocation(), k)
    system = system.reshape(p, STAGES * d, STAGES * d) + np.eye(STAGES * d)
    stages = np.linalg.solve(system, k.reshape(p, STAGES * d, d)).reshape(p, STAGES, d, d)
    return np.eye(d) + h[:, None, None] * np.einsum("i,piab->pab", weights, stages)


@dataclass(frozen=True, eq=False)
class Panels:
    """A refinement of a grid on which one collocation panel per interval is accurate to rounding.

    left, right: (P,) ends in the order of the grid; owner: (P,) index of the grid interval each panel lies in;
    propagators: (P, D, D) over each panel; error: the sum of the relative disagreements left, plus rounding.
    """

    left: Array
    right: Array
    owner: NDArray[np.intp]
    propagators: Array
    error: float


def refine(matrix: MatrixFunction, grid: Array, max_panels: int = 200_000) -> Panels:
    """Halve the intervals of a monotone `grid` (rising or falling) until the propagators agree to rounding.

    The panels returned are the halves, so what a panel carries is 2^12 times smaller than the disagreement
    that was tested: that margin covers quadratures of products of two propagators on the same nodes.
    Raises ArithmeticError when `max_panels` does not suffice: the coefficients are singular on the grid.
    """
    grid = check_grid(grid)
    sign = 1.0 if grid[-1] > grid[0] else -1.0
    left, right = grid[:-1], grid[1:]
    owner = np.arange(left.size)
    done: list[tuple[Array, Array, NDArray[np.intp], Array]] = []
    error, total = 0.0, 0
    while left.size:
        middle = 0.5 * (left + right)
        whole = panel_propagators(matrix, left, right)
        first = panel_propagators(matrix, left, middle)
        second = panel_propagators(matrix, middle, right)
        halves = second @ first
        size = np.max(np.abs(halves), axis=(1, 2))
        gap = np.max(np.abs(whole - halves), axis=(1, 2)) / np.maximum(size, 1.0)
        if not np.all(np.isfinite(gap)):
            bad = int(np.argmax(~np.isfinite(gap)))
            raise ArithmeticError(f"coefficients are not finite on [{left[bad]:.17g}, {right[bad]:.17g}]")
        # 32 eps: rounding of two small products near the identity (5 to 20 eps seen). A panel of 64 ulp of t
        # cannot be halved to any use.
        good = (gap <= 32.0 * _EPS) | (np.abs(right - left) <= 64.0 * _EPS * np.abs(middle))
        for a, b, maps in ((left, middle, first), (middle, right, second)):
            done.append((a[good], b[good], owner[good], maps[good]))
        error += float(np.sum(gap[good])) + _EPS * int(np.count_nonzero(good))
        total += 2 * int(np.count_nonzero(good))
        left, right = (
            np.concatenate([left[~good], middle[~good]]),
            np.concatenate([middle[~good], right[~good]]),
        )
        owner = np.tile(owner[~good], 2)
        if total + 2 * left.size > max_panels:
            raise ArithmeticError(
                f"the propagator needs more than {max_panels} panels, near t = {left[0]:.17g}: singular coefficients?"
            )
    lefts, rights, owners, maps = (np.concatenate(part) for part in zip(*done, strict=True))
    order = np.argsort(sign * lefts, kind="stable")
    return Panels(lefts[order], rights[order], owners[order], maps[order], error)


def propagators(matrix: MatrixFunction, grid: Array) -> tuple[Array, float]:
    """Phi(grid[i+1], grid[i]) for every interval, (N, D, D), and the stated relative error of their product."""
    panels = refine(matrix, grid)
    dim = panels.propagators.shape[-1]
    out = np.tile(np.eye(dim), (np.asarray(grid).size - 1, 1, 1))
    for owner, step in zip(panels.owner, panels.propagators, strict=True):
        out[owner] = step @ out[owner]
    return out, panels.error


def check_grid(grid: Array) -> Array:
    """A strictly monotone float64 grid of at least two times, or a ValueError that says what came."""
    g = np.asarray(grid, dtype=np.float64)
    if g.ndim != 1 or g.size < 2 or not np.all(np.isfinite(g)):
        raise ValueError(f"grid: expected at least two finite times in one dimension, got shape {g.shape}")
    steps = np.diff(g)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError("grid: expected strictly rising or strictly falling times")
    return g
