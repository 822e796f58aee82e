"""Rademacher probes of Hutchinson's estimate from Philox: whoever knows the counter has the same signs.

    z_d = 1 − 2 · bit (d mod 32) of word (d mod 128) div 32 of philox((row, draw, d div 128, stream), seed)

E[z zᵀ] = I, so E[zᵀ M z] = tr M (M. F. Hutchinson, Commun. Stat. Simul. Comput. 19 (1990), 433). Rows, draws and
streams have counters of their own; the stream keeps probes apart from the noise of paths, which may use the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.philox import philox

STREAM = 0x50726F62
BLOCK = 128  # coordinates from one call


@dataclass(frozen=True)
class Rademacher:
    """Signs to be drawn inside a kernel: row i of a call is row ``first_row + i`` of the counter."""

    seed: int
    draw: int = 0
    first_row: int = 0

    def __post_init__(self) -> None:
        for name, top in (("seed", 2**64), ("draw", 2**32), ("first_row", 2**32)):
            value = getattr(self, name)
            if not 0 <= value < top:
                raise ValueError(f"{name}: expected an unsigned number below {top}, got {value!r}")

    def signs(self, n: int, dim: int) -> np.ndarray:
        """(n, dim) of ±1, float64."""
        rows = np.arange(self.first_row, self.first_row + n, dtype=np.uint64)[:, None]
        blocks = np.arange(-(-dim // BLOCK), dtype=np.uint64)
        words = np.stack(philox((rows, self.draw, blocks, STREAM), (self.seed, self.seed >> 32)), axis=-1)
        bits = (words[..., None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
        return 1.0 - 2.0 * bits.reshape(n, -1)[:, :dim]

    def like(self, x: Tensor) -> Tensor:
        """The signs of the rows of x, in its dtype and on its device."""
        return torch.as_tensor(self.signs(*x.shape)).to(x)
