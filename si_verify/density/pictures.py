"""Columns behind the pictures of a density run: panels of exact and computed density over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from si_verify.density.ladder import Rung
from si_verify.measurement import Data

_POINTS_1D = 160
_POINTS_2D = 48
_PANELS_2D = (0, 1, 2, 3, 4)


def panels(rung: Rung, label: str) -> list[Data]:
    """Exact and computed density over time; in three dimensions the middle slice of the last axis."""
    if rung.grid.dim == 1:
        return [_line(rung, label)]
    return [_plane(rung, label)]


def _kept(cells: int, most: int) -> np.ndarray:
    """Every s-th index, so that at most ``most`` remain: a regular grid stays regular."""
    return np.arange(0, cells, -(-cells // most))


def _line(rung: Rung, label: str) -> Data:
    index = _kept(rung.grid.shape[0], _POINTS_1D)
    x = rung.grid.centres(0).numpy()[index]
    columns: dict[str, Sequence[Any]] = {
        "t": np.repeat(rung.times, len(x)).tolist(),
        "x": np.tile(x, len(rung.times)).tolist(),
        "exact": _flat(rung.exact, index),
        "sampled": _flat(rung.computed, index),
    }
    return Data(
        "density-1d", "Exact and computed density", columns,
        {"quantity": "density", "label": label, "note": "Steps: the computed density."},
    )  # fmt: skip


def _plane(rung: Rung, label: str) -> Data:
    grid, exact, computed = rung.grid, rung.exact, rung.computed
    note = ""
    if grid.dim == 3:
        middle = grid.shape[2] // 2
        exact, computed = exact[..., middle], computed[..., middle]
        note = f"The plane x₃ = {float(grid.centres(2)[middle]):.3g}."
    rows, cols = (_kept(n, _POINTS_2D) for n in grid.shape[:2])
    x, y = np.meshgrid(grid.centres(0).numpy()[rows], grid.centres(1).numpy()[cols], indexing="ij")
    count = len(rung.times)
    columns: dict[str, Sequence[Any]] = {
        "t": np.repeat(rung.times, x.size).tolist(),
        "x": np.tile(x.reshape(-1), count).tolist(),
        "y": np.tile(y.reshape(-1), count).tolist(),
        "exact": _flat(exact, rows, cols),
        "computed": _flat(computed, rows, cols),
    }
    return Data(
        "density-2d", "Exact and computed density", columns, {"quantity": "density", "label": label, "note": note}
    )


def _flat(values: torch.Tensor, *index: np.ndarray) -> list[Any]:
    kept = values.cpu().numpy()
    for axis, chosen in enumerate(index):
        kept = np.take(kept, chosen, axis=axis + 1)
    return [float(v) if np.isfinite(v) else None for v in kept.reshape(-1)]
