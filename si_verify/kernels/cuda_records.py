"""The packed law as the CUDA kernels read it: logits in units of log 2, one contiguous record a component.

    half = ½ p log₂e,   whiten' = √(½ log₂e) L⁻¹,   bias = log₂e · log_weight,   slope' = A L⁻ᵀ / √(½ log₂e)

so that r_k ∝ 2^(bias − half·δ²) and s = −2 log 2 · Σ r_k half δ. All of it in float64, rounded once at the end.

A record (``Layout`` in cuda_mixture.cu) of a diagonal mixture:
[bias, 0, 0, 0 | mean (D) | offset (D) | half (D) | slope (D)]. Isotropic ones have half and slope in the head and end
after the offset; full ones go on from there with the lower rows of L⁻¹ and the matrix A L⁻ᵀ, each row from a multiple
of four on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from analytic import Interpolant
from si_verify.kernels.pack import Packed, pack_path

GROUP = 4  # components that share one rescaling; K is padded to a multiple with weights of zero
HEAD = 4
KINDS = {"isotropic": 0, "diagonal": 1, "full": 2}
METHODS = {"euler": 0, "heun": 1, "rk4": 2}
_LOG2E = float(np.log2(np.e))
_ROOT = float(np.sqrt(0.5 * np.log2(np.e)))

Array = np.ndarray[Any, Any]


def scaled(law: Packed) -> Packed:
    """The law in units of log 2."""
    slope = law.slope / _ROOT if law.kind == "full" else law.slope
    return replace(
        law,
        log_weight=law.log_weight * _LOG2E,
        precision=law.precision * (0.5 * _LOG2E),
        whiten=law.whiten * _ROOT,
        slope=slope,
    )


def drifting(law: Packed, gain: Any) -> Packed:
    """The law whose velocity is b + gain s: the slope takes the score in. gain: a number, or (S,) for a stacked law."""
    g = np.asarray(gain, dtype=np.float64)
    g = g.reshape(g.shape + (1,) * (law.slope.ndim - g.ndim))
    pull = np.swapaxes(law.whiten, -1, -2) if law.kind == "full" else law.precision
    return replace(law, slope=law.slope - g * pull)


def expanded(law: Packed) -> Packed:
    """offset + slope (x − m) as offset' + slope x, for separable laws: as good as the condition in x allows."""
    if law.kind == "full":
        return law
    slope = law.slope[..., None] if law.kind == "isotropic" else law.slope
    return replace(law, offset=law.offset - slope * law.mean)


def records(law: Packed, dtype: Any) -> Array:
    """(..., K', words): the records of a law already ``scaled``, K' = K padded to whole groups."""
    k, dim = law.n_components, law.dim
    lead = law.log_weight.shape[:-1]
    head = np.zeros((*lead, k, HEAD))
    head[..., 0] = law.log_weight
    parts = [head, law.mean, law.offset]
    if law.kind == "isotropic":
        head[..., 1], head[..., 2] = law.precision, law.slope
    elif law.kind == "diagonal":
        parts += [law.precision, law.slope]
    else:
        gap = -(HEAD + 2 * dim) % 4
        parts += [np.zeros((*lead, k, gap)), lower_rows(law.whiten), filled(law.slope).reshape(*lead, k, -1)]
    table = np.concatenate(parts, axis=-1)
    whole = np.zeros((*lead, -(-k // GROUP) * GROUP, -(-table.shape[-1] // 4) * 4))
    whole[..., k:, 0] = -np.inf
    whole[..., :k, : table.shape[-1]] = table
    return np.ascontiguousarray(whole, dtype=dtype)


def words(kind: str, dim: int) -> int:
    """Numbers in one record, as ``Layout::words``."""
    if kind == "full":
        return quads(HEAD + 2 * dim) + sum(quads(i + 1) for i in range(dim)) + dim * quads(dim)
    return quads(HEAD + (4 if kind == "diagonal" else 2) * dim)


def quads(count: int) -> int:
    """Numbers in as many whole quads as hold so many."""
    return -(-count // 4) * 4


def filled(a: Array) -> Array:
    """The last axis filled up to whole quads with zeros."""
    return np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, quads(a.shape[-1]) - a.shape[-1])])


def lower_rows(a: Array) -> Array:
    """Lower triangles (..., D, D) row after row, each of whole quads, which zeros above the diagonal fill up."""
    wide = filled(a)
    return np.concatenate([wide[..., i, : quads(i + 1)] for i in range(a.shape[-1])], axis=-1)


def stage_times(times: Sequence[float], method: str) -> list[float]:
    """When the drift is needed: t_i for "euler", every t_i for "heun", with the midpoints between for "rk4"."""
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    t = [float(s) for s in times]
    if len(t) < 2:
        raise ValueError(f"times: expected at least two, got {len(t)}")
    if method == "euler":
        return t[:-1]
    if method == "heun":
        return t
    middles = [a + 0.5 * (b - a) for a, b in pairwise(t)]
    return [s for pair in zip(t[:-1], middles, strict=True) for s in pair] + [t[-1]]


def path_records(
    interpolant: Interpolant, times: Sequence[float], method: str, epsilon: float, dtype: Any
) -> tuple[Array, Array]:
    """(records (stages, K', words), steps (n, 2) of h and √(2 ε |h|)) of dX = (b ± ε s) dt + √(2ε) dW.

    The sign is that of h: backward in time the drift is b − ε s (MATH.md section 4). ε = 0 is the probability flow.
    """
    if not epsilon >= 0:
        raise ValueError(f"epsilon: expected no negative number, got {epsilon!r}")
    h = np.diff(np.asarray(times, dtype=np.float64))
    if not (np.all(h > 0) or np.all(h < 0)):
        raise ValueError("times: expected a strictly monotone grid")
    law = pack_path(interpolant, stage_times(times, method))
    law = expanded(drifting(law, float(np.sign(h[0])) * epsilon))
    steps = np.stack([h, np.sqrt(2.0 * epsilon * np.abs(h))], axis=1)
    return records(scaled(law), dtype), np.ascontiguousarray(steps, dtype=dtype)
