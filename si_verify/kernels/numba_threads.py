"""How many threads the numba kernels take."""

from __future__ import annotations

import numba
import torch


def take_threads() -> None:
    """As many threads as torch has: a worker of a run is given its share of the cores."""
    numba.set_num_threads(max(1, min(torch.get_num_threads(), vars(numba.config)["NUMBA_NUM_THREADS"])))
