"""Distances between a computed density and the exact one on a grid, and what bounds them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from si_verify.density.cases import TAIL
from si_verify.density.grid import Grid
from si_verify.measurement import Measurement

Tensor = torch.Tensor
NORMS = ("L1", "L2", "L∞", "KL")
# Cells below this share of the maximum count as one cell in the divergence.
_BULK = 1e-2
# Rounding of one cell in each of 4096 steps, none of it cancelling: 9e-13 in float64.
ROUNDINGS = 4096.0


def distances(computed: Tensor, exact: Tensor, grid: Grid) -> dict[str, float]:
    """L1, L2, L∞ of computed − exact, and KL(exact‖computed), all over one time (*shape), in float64.

    KL is that of the laws with all cells below 1 % of the maximum joined into one: by data processing it is at most
    the full divergence, and it exists for schemes that undershoot in the tails. Infinite where a cell in the bulk is
    not positive.
    """
    p, q = exact.to(torch.float64), computed.to(torch.float64)
    error = q - p
    return {
        "L1": float(error.abs().sum()) * grid.volume,
        "L2": math.sqrt(float((error * error).sum()) * grid.volume),
        "L∞": float(error.abs().max()),
        "KL": kullback_leibler(p, q, grid),
    }


def kullback_leibler(p: Tensor, q: Tensor, grid: Grid) -> float:
    """Σ p log(p/q) − p + q over bulk cells and the joined tail, (*shape) densities."""
    bulk = p >= _BULK * p.max()
    first = torch.cat([p[bulk], p[~bulk].sum().reshape(1)])
    second = torch.cat([q[bulk], q[~bulk].sum().reshape(1)])
    if not bool(torch.isfinite(second).all()):
        return math.nan
    if bool((second[:-1] <= 0).any()):
        return math.inf
    kept = (first > 0) & (second > 0)
    ratio = second[kept] / first[kept] - 1.0
    return max(0.0, float((first[kept] * (ratio - torch.log1p(ratio))).sum()) * grid.volume)


def floors(grid: Grid, dtype: torch.dtype) -> dict[str, float]:
    """What is not the scheme's error: mass beyond the walls (density_cases.TAIL) and the rounding of its steps."""
    mass = 4.0 * grid.dim * TAIL + ROUNDINGS * float(torch.finfo(dtype).eps)
    height = mass / grid.volume
    return {"L1": mass, "L2": math.sqrt(mass * height), "L∞": height, "KL": mass}


def slack(norm: str, order: float) -> float:
    """How much of an order is left open between two grids: ½, the spacing of orders, or a quarter of a high order.

    Twice that for a divergence, which squares the error, and for the maximum, which sits in one cell and changes with
    where extrema fall between cells.
    """
    return max(0.5, order / 4) if norm in ("L1", "L2") else max(1.0, order / 4)


@dataclass(frozen=True)
class Shrinking:
    """Errors (T,) on a coarse and a fine grid, held to their claimed decay at every time."""

    coarse: np.ndarray
    fine: np.ndarray
    ratio: float  # h_coarse / h_fine
    order: float
    floor: float
    slack: float = 0.5

    @property
    def allowed(self) -> np.ndarray:
        """What a scheme of this order may err on the fine grid, (T,).

        Orders come in halves: one whose error falls no faster than h^(p − ½) does not have order p. ``slack`` widens
        that half (see ``slack``), to half the order at most.
        """
        return np.maximum(self.coarse * self.ratio**-self.exponent, self.floor)

    @property
    def exponent(self) -> float:
        return self.order - min(self.slack, self.order / 2)

    def measurement(self, name: str, why: str = "") -> Measurement:
        """The worst ratio of error to what is allowed, over all times."""
        finite = np.isfinite(self.fine) & np.isfinite(self.coarse)
        value = float(np.max(self.fine / self.allowed)) if finite.all() else math.nan
        rule = f"error over that on the coarse grid times {self.ratio:.3g}^-{self.exponent:g}, for order {self.order:g}"
        return Measurement(name, value, 1.0, "at_most", "truncation", f"{why}: {rule}" if why else rule)
