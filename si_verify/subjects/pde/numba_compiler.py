"""How the fused kernels are compiled, and how many threads they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import si_verify.kernels  # noqa: F401  (it removes machine code of sources that have changed)
from si_verify.subject import Unavailable


def compiler() -> tuple[Callable[[Any], Any], Any]:
    """(compile, prange); Unavailable without numba.

    Contraction to fused multiply-adds is all that is allowed: NaN and infinity must come out as they are.
    """
    try:
        import numba
    except ImportError as error:
        raise Unavailable(f"numba is not installed ({error}): pip install 'si-verify[kernels]'") from error
    return numba.njit(parallel=True, cache=True, fastmath={"contract"}, boundscheck=False), numba.prange


def take_threads() -> int:
    """As many threads as torch has, and how many: a worker of a run is given its share of the cores.

    numba's OpenMP layer sets the process's own number of OpenMP threads, torch's, to all cores when it starts.
    """
    import numba

    wanted = torch.get_num_threads()
    threads = max(1, min(wanted, vars(numba.config)["NUMBA_NUM_THREADS"]))
    numba.set_num_threads(threads)
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    return threads
