"""Laws with full covariances as the numba kernel reads them, and the call into it: tensors in, tensors out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from si_verify.kernels.numba_memory import empty
from si_verify.kernels.numba_threads import over
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_ends import Ends
from si_verify.kernels.pack_one_end import OneEnd

LARGEST = 128  # components: their sums are not chunked
_LOG2E = math.log2(math.e)


@dataclass(frozen=True, eq=False)
class EndLaw:
    """Arguments of ``numba_whitened.evaluate`` for one field, in one dtype; its docstring says what they hold."""

    count: int
    dim: int
    bias: Any
    factor: Any
    columns: Any
    minus: Any
    members: Any
    ends: int
    matrices: Any
    offsets: Any
    turn: Any
    centre: Any


def prepare(packed: Packed, dtype: Any, ends: Ends | OneEnd | None) -> EndLaw | None:
    """The law of the velocity by its ends or one of them, or of the score without them; rounded to ``dtype`` last.
    None where covariances are not full or components are more than LARGEST.
    """
    k, dim = packed.mean.shape
    if packed.kind != "full" or k > LARGEST:
        return None
    rows = -(-dim // 4) * 4
    factor, minus = np.zeros((k, rows, rows)), np.zeros((k, rows))
    factor[:, :dim, :dim] = math.sqrt(0.5 * _LOG2E) * packed.whiten
    minus[:, :dim] = -np.einsum("kij,kj->ki", factor[:, :dim, :dim], packed.mean)
    turn = -2.0 / _LOG2E
    none = np.zeros(0)

    def flat(a: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(a, dtype=dtype).reshape(-1)

    return EndLaw(
        count=k,
        dim=dim,
        bias=flat(packed.log_weight * _LOG2E),
        factor=flat(factor),
        columns=flat(factor.swapaxes(1, 2)),
        minus=flat(minus),
        members=_members(ends, k),
        ends=1 if ends is None else len(ends.matrix),
        matrices=flat(none if ends is None else np.pad(-turn * ends.matrix, [(0, 0), (0, rows - dim), (0, 0)])),
        offsets=flat(none if ends is None else ends.offset),
        turn=np.dtype(dtype).type(ends.rate if isinstance(ends, OneEnd) else turn),
        centre=flat(ends.centre if isinstance(ends, OneEnd) else none),
    )


def _members(ends: Ends | OneEnd | None, k: int) -> np.ndarray:
    """(2·K,): the one or two ends of a component, −1 for no second."""
    if isinstance(ends, Ends):
        return np.ascontiguousarray(ends.members).reshape(-1)
    one = np.zeros(k, np.int64) if ends is None else np.asarray(ends.members, np.int64)
    return np.stack([one, np.full(k, -1)], axis=1).reshape(-1)


def evaluate(law: EndLaw, x: torch.Tensor) -> torch.Tensor:
    """The law's field (N, D) at x (N, D) on the CPU."""
    from si_verify.kernels import numba_whitened

    n, dim = x.shape
    if dim != law.dim:
        raise ValueError(f"x: expected shape (N, {law.dim}), got {tuple(x.shape)}")
    points = np.ascontiguousarray(x.detach().numpy())
    out = empty((n, dim), points.dtype)

    def run(low: int, high: int) -> None:
        numba_whitened.evaluate(
            points, low, high, law.count, law.bias, law.factor, law.columns, law.minus, law.members, law.ends,
            law.matrices, law.offsets, law.turn, law.centre, out,
        )  # fmt: skip

    over(n, run)
    return torch.from_numpy(out)
