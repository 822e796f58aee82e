"""Rectangular grids of equal cells, for densities in one, two or three dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

Device = torch.device | str


@dataclass(frozen=True)
class Grid:
    """A box of equal cells: ``shape[d]`` cells between ``lower[d]`` and ``upper[d]`` on axis d.

    Values on the grid are tensors of ``shape``; axis d of a tensor is coordinate d of x.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.lower) == len(self.upper) == len(self.shape) or not self.shape:
            raise ValueError(
                f"lower, upper, shape: expected equal lengths ≥ 1, got {len(self.lower)}, {len(self.upper)}, "
                f"{len(self.shape)}"
            )
        for low, high, cells in zip(self.lower, self.upper, self.shape, strict=True):
            if not (math.isfinite(low) and math.isfinite(high) and low < high and cells >= 4):
                raise ValueError(f"lower, upper, shape: expected low < high and at least 4 cells, got {self}")

    @property
    def dim(self) -> int:
        """D."""
        return len(self.shape)

    @property
    def cells(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Cell widths h_d."""
        return tuple((b - a) / n for a, b, n in zip(self.lower, self.upper, self.shape, strict=True))

    @property
    def volume(self) -> float:
        """Volume of one cell."""
        return math.prod(self.spacing)

    def edges(self, axis: int, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> torch.Tensor:
        """Cell edges along ``axis``, (n + 1,), computed in float64."""
        index = torch.arange(self.shape[axis] + 1, dtype=torch.float64, device=device)
        return (self.lower[axis] + self.spacing[axis] * index).to(dtype)

    def centres(self, axis: int, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> torch.Tensor:
        """Cell centres along ``axis``, (n,), computed in float64."""
        index = torch.arange(self.shape[axis], dtype=torch.float64, device=device)
        return (self.lower[axis] + self.spacing[axis] * (index + 0.5)).to(dtype)

    def points(self, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> torch.Tensor:
        """Cell centres as rows (cells, D), in the order of ``reshape(-1)``."""
        return lattice([self.centres(axis, dtype, device) for axis in range(self.dim)])

    def with_cells(self, shape: tuple[int, ...]) -> Grid:
        """The same box with other numbers of cells."""
        return replace(self, shape=shape)


def lattice(axes: list[torch.Tensor]) -> torch.Tensor:
    """All points with coordinate d out of axes[d], (N, D), last axis fastest."""
    mesh = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([m.reshape(-1) for m in mesh], dim=1)
