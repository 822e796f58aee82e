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
    left: Any
    right: Any
    left_bias: Any
    right_bias: Any
    joint: Any
    joint_t: Any
    left_field: Any
    right_field: Any
    slope: Any
    floor: Any


def prepare(pairs: Pairs, dtype: Any, quantity: str) -> PairLaw | None:
    """The law of "score" or "velocity", rounded to ``dtype`` last; None where R or the exponents do not fit it."""
    from si_verify.kernels.numba_elementary import LOWEST, MANTISSA

    info = np.finfo(dtype)
    if not pairs.fits(float(info.maxexp - 1)):
        return None
    k0, k1 = (-(-k // _COLUMNS) * _COLUMNS for k in pairs.joint.shape)
    left_field, right_field, slope = pairs.fields[quantity]
    joint = _padded(np.exp2(pairs.joint - pairs.joint.min()), (k0, k1), 0.0)

    def flat(a: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(a, dtype=dtype).reshape(-1)

    dim = len(pairs.centre)
    return PairLaw(
        centre=flat(pairs.centre),
        left=flat(_padded(pairs.left, (k0, dim), 0.0).T),
        right=flat(_padded(pairs.right, (k1, dim), 0.0).T),
        left_bias=flat(_padded(pairs.left_bias, (k0,), -np.inf)),
        right_bias=flat(_padded(pairs.right_bias, (k1,), -np.inf)),
        joint=flat(joint),
        joint_t=flat(joint.T),
        left_field=flat(_padded(left_field, (k0, dim), 0.0)),
        right_field=flat(_padded(right_field, (k1, dim), 0.0)),
        slope=info.dtype.type(slope),
        floor=info.dtype.type(2.0 ** pairs.floor(MANTISSA[info.bits], LOWEST[info.bits])),
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
            points, low, high, law.centre, law.left, law.right, law.left_bias, law.right_bias, law.joint, law.joint_t,
            law.left_field, law.right_field, law.slope, law.floor, out, again,
        )  # fmt: skip

    over(n, run)
    return torch.from_numpy(out), torch.from_numpy(again)
