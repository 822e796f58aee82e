"""The law as numba_divergence reads it, and the call into it: tensors in, tensors out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from si_verify.kernels.numba_law import Law, affine
from si_verify.kernels.numba_law import prepare as prepare_fields
from si_verify.kernels.numba_memory import empty
from si_verify.kernels.numba_threads import over
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_derivatives import Probe, probed, traces


def prepare(packed: Packed, dtype: Any) -> Law:
    """The law of both fields, with a column more for each one's trace; rounded to ``dtype`` last."""
    law = prepare_fields(packed, dtype, [affine(packed, "score"), affine(packed, "velocity")])
    rows = law.table.reshape(-1, law.columns)
    more = np.zeros((len(rows), 2), dtype)
    more[: law.count] = traces(packed)
    table = np.ascontiguousarray(np.concatenate([rows, more], axis=1)).reshape(-1)
    return replace(law, table=table, columns=law.columns + 2)


def evaluate(law: Law, x: Tensor, probe: Probe = None) -> dict[str, Tensor]:
    """The answers of pack_derivatives.py at x (N, D) on the CPU; v and what needs it only with a probe."""
    from si_verify.kernels import numba_divergence

    n, dim = x.shape
    if dim != law.dim:
        raise ValueError(f"x: expected shape (N, {law.dim}), got {tuple(x.shape)}")
    given, draw = probed(probe, x)
    points = np.ascontiguousarray(x.detach().numpy())
    v = np.empty((0, dim), points.dtype) if given is None else given.detach().numpy()
    scalars = empty((5, n), points.dtype)
    vectors = empty((2 if probe is None else 4, n, dim), points.dtype)
    counter = (np.uint64(draw.seed), np.uint64(draw.draw), draw.first_row)

    def run(low: int, high: int) -> None:
        numba_divergence.evaluate(
            points, low, high, law.kind, law.count, law.bias, law.scale, law.place, law.table, law.columns,
            v, *counter, scalars, vectors,
        )  # fmt: skip

    over(n, run)
    names = ("log_density", "divergence", "laplacian_log_density", "divergence_estimate", "laplacian_estimate")
    kept = names if probe is not None else names[:3]
    answer = {name: torch.from_numpy(scalars[i]) for i, name in enumerate(kept)}
    rows = ("score", "velocity", "score_jvp", "velocity_jvp")
    return answer | {name: torch.from_numpy(v) for name, v in zip(rows, vectors, strict=False)}
