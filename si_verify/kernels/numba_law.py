"""The law at one time as the numba kernels read it, and the call into them: tensors in, tensors out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from si_verify.kernels.numba_memory import empty
from si_verify.kernels.numba_threads import over
from si_verify.kernels.pack import Packed

KINDS = {"isotropic": 0, "diagonal": 1, "full": 2}
_LOG2E = math.log2(math.e)
_LANES = 4  # components that one pass over coordinates takes together


@dataclass(frozen=True, eq=False)
class Law:
    """Arguments of ``numba_fields.evaluate`` for some fields, in one dtype; its docstring says what they hold."""

    kind: int
    count: int
    dim: int
    bias: Any
    scale: Any
    place: Any
    table: Any
    columns: int
    fields: int


def affine(packed: Packed, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """(a, B) of "score" or "velocity" as Σ r_k (a_k + B_k x): a (K, D), B (K,), (K, D) or (K, D, D); float64."""
    mean = packed.mean
    if packed.kind == "full":
        slope = -packed.whiten.swapaxes(1, 2) @ packed.whiten if quantity == "score" else packed.slope @ packed.whiten
        moved = np.einsum("kij,kj->ki", slope, mean)
    else:
        slope = -packed.precision if quantity == "score" else packed.slope
        moved = (slope if slope.ndim == 2 else slope[:, None]) * mean
    return (-moved if quantity == "score" else packed.offset - moved), slope


def prepare(packed: Packed, dtype: Any, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Law:
    """Logits in base 2 and a table of the fields' numbers, rounded to ``dtype`` last."""
    k, dim = packed.mean.shape
    bias = packed.log_weight * _LOG2E
    root = math.sqrt(0.5 * _LOG2E)
    if packed.kind == "isotropic":
        scale, place = 0.5 * _LOG2E * packed.precision, packed.mean
    elif packed.kind == "diagonal":
        scale = root * np.sqrt(packed.precision)
        place = -scale * packed.mean
    else:
        rows = -(-dim // 4) * 4
        scale, place = np.zeros((k, rows, rows)), np.zeros((k, rows))
        scale[:, :dim, :dim] = root * packed.whiten
        place[:, :dim] = -np.einsum("kij,kj->ki", scale[:, :dim, :dim], packed.mean)
    table = np.concatenate([a for a, _ in parts] + [b.reshape(k, -1) for _, b in parts] or [np.zeros((k, 0))], axis=1)
    empty = -(-k // _LANES) * _LANES - k

    def final(a: np.ndarray) -> np.ndarray:
        padded = np.concatenate([a, np.zeros((empty, *a.shape[1:]))])
        return np.ascontiguousarray(padded, dtype=dtype).reshape(-1)

    return Law(
        KINDS[packed.kind], k, dim, final(bias), final(scale), final(place), final(table), table.shape[1], len(parts)
    )


def evaluate(law: Law, x: torch.Tensor, log_density: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """log ρ (N,), empty unless asked for, and the law's fields (N, D) at x (N, D) on the CPU."""
    from si_verify.kernels import numba_fields

    n, dim = x.shape
    if dim != law.dim:
        raise ValueError(f"x: expected shape (N, {law.dim}), got {tuple(x.shape)}")
    points = np.ascontiguousarray(x.detach().numpy())
    logs = empty((n if log_density else 0,), points.dtype)
    outs = [empty((n, dim) if i < law.fields else (0, dim), points.dtype) for i in range(2)]

    def run(low: int, high: int) -> None:
        numba_fields.evaluate(
            points, low, high, law.kind, law.count, law.bias, law.scale, law.place, law.table, law.columns,
            logs, outs[0], outs[1], law.fields,
        )  # fmt: skip

    over(n, run)
    return torch.from_numpy(logs), [torch.from_numpy(out) for out in outs[: law.fields]]
