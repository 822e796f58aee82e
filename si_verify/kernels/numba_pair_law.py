"""Factorising laws (pack_pairs.py) as the numba kernel reads them, and the call into it: tensors in, tensors out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from si_verify.kernels.numba_memory import empty
from si_verify.kernels.numba_threads import over
from si_verify.kernels.pack_pairs import Pairs

_COLUMNS = 8  # of R that one pass over the other end takes together


@dataclass(frozen=True, eq=False)
class PairLaw:
    """Arguments of ``numba_pairs.evaluate`` for one field, in one dtype; its docstring says what they hold."""

    centre: Any
    ends: Any
    bias: Any
    joint: Any
    joint_t: Any
    field: Any
    slope: Any
    floor: Any
    k0: int


def prepare(pairs: Pairs, dtype: Any, quantity: str) -> PairLaw | None:
    """The law of "score" or "velocity", rounded to ``dtype`` last; None where R or the exponents do not fit it."""
    from si_verify.kernels.numba_elementary import LOWEST, MANTISSA

    info = np.finfo(dtype)
    if not pairs.fits(float(info.maxexp - 1)):
        return None
    k0, k1 = (-(-k // _COLUMNS) * _COLUMNS for k in pairs.joint.shape)
    left_field, right_field, slope = pairs.fields[quantity]
    joint = _padded(np.exp2(pairs.joint - pairs.joint.min()), (k0, k1), 0.0)

    def both(left: np.ndarray, right: np.ndarray, each: tuple[int, ...], value: float) -> np.ndarray:
        return np.concatenate([_padded(left, (k0, *each), value), _padded(right, (k1, *each), value)])

    def flat(a: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(a, dtype=dtype).reshape(-1)

    dim = len(pairs.centre)
    return PairLaw(
        centre=flat(pairs.centre),
        ends=flat(both(pairs.left, pairs.right, (dim,), 0.0).T),
        bias=flat(both(pairs.left_bias, pairs.right_bias, (), -np.inf)),
        joint=flat(joint),
        joint_t=flat(joint.T),
        field=flat(both(left_field, right_field, (dim,), 0.0)),
        slope=info.dtype.type(slope),
        floor=info.dtype.type(2.0 ** pairs.floor(MANTISSA[info.bits], LOWEST[info.bits])),
        k0=k0,
    )


def _padded(a: np.ndarray, shape: tuple[int, ...], value: float) -> np.ndarray:
    return np.pad(a, [(0, n - m) for n, m in zip(shape, a.shape, strict=True)], constant_values=value)


def evaluate(law: PairLaw, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The field (N, D) at x (N, D) on the CPU, and (N,) where it was not found: points for another kernel."""
    from si_verify.kernels import numba_pairs

    n, dim = x.shape
    if dim != len(law.centre):
        raise ValueError(f"x: expected shape (N, {len(law.centre)}), got {tuple(x.shape)}")
    points = np.ascontiguousarray(x.detach().numpy())
    out, again = empty((n, dim), points.dtype), np.zeros(n, np.bool_)

    def run(low: int, high: int) -> None:
        numba_pairs.evaluate(
            points, low, high, law.centre, law.ends, law.bias, law.joint, law.joint_t, law.field, law.slope, law.floor,
            law.k0, out, again,
        )  # fmt: skip

    over(n, run)
    return torch.from_numpy(out), torch.from_numpy(again)
