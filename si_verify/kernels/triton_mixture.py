"""Triton: log-density, score and velocity of isotropic and diagonal mixtures in one pass over the components.

A program owns BN points. For each tile of BK components it forms the logits from exact differences (D in blocks of BD),
folds them into a running maximum and total, and adds the tile's weighted sums to the answers, which serve as their own
accumulators: rescaled tile by tile, divided by the total with the last. Nothing of size N × K exists anywhere, D is
unlimited, and with K ≤ BK every answer is written once and never read.

    m' = max(m, max_k l_k),  w_k = e^{l_k − m'},  z' = z e^{m − m'} + Σ w_k,  S' = S e^{m − m'} + Σ w_k f_k

(online softmax: Milakov and Gimelshein, arXiv:1805.02867; f_k, l_k: si_verify/kernels/pack.py). With DOT the weighted
sums are matrix products in the expanded form; the logits never are. With TF32 their factors are rounded to it, to
nearest and here (tensor cores cut digits off), so that what a product loses is known: si_verify/fields/precision.py.
Points and components may be bfloat16 (pack_bfloat16.py); everything after loading them is float32.

This module imports triton: import it late.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from si_verify.kernels.pack import Packed

_TILE = 8192  # elements of the (BN, BK, BD) difference tile: 64 registers a thread of four warps


@triton.jit
def nearest_tf32(v):
    """The nearest of 11 binary digits, ties to even; NaN stays NaN."""
    bits = v.to(tl.int32, bitcast=True)
    bits = (bits + 0xFFF + ((bits >> 13) & 1)) & -0x2000
    return tl.where(v == v, bits.to(tl.float32, bitcast=True), v)


@triton.jit
def product(w, v, TF32: tl.constexpr):
    """w (BN, BK) · v (BK, BD), accumulated in float32."""
    if TF32:
        return tl.dot(nearest_tf32(w), nearest_tf32(v), input_precision="tf32")
    return tl.dot(w, v, input_precision="ieee")


@triton.jit
def mixture_fields(
    x, log_weight, mean, precision, slope, offset, log_density, score, velocity, n, k, dim, x_row, x_col,
    ISO: tl.constexpr, DENSITY: tl.constexpr, SCORE: tl.constexpr, VELOCITY: tl.constexpr, DOT: tl.constexpr,
    TF32: tl.constexpr, LOWEST: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """One program: rows [pid·BN, pid·BN + BN). Offsets are 64-bit: N·D and K·D pass 2³¹."""
    dtype = log_weight.dtype.element_ty  # of all arithmetic, whatever is loaded
    rows = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN).to(tl.int64)
    row_ok = rows < n
    # A finite start, so that no difference of infinities arises whatever the first tile holds.
    top = tl.full([BN], LOWEST, dtype)
    total = tl.zeros([BN], dtype)
    for k0 in range(0, k, BK):
        ks = k0 + tl.arange(0, BK).to(tl.int64)
        k_ok = ks < k
        square = tl.zeros([BN, BK], dtype)
        for d0 in range(0, dim, BD):
            ds = d0 + tl.arange(0, BD).to(tl.int64)
            d_ok = ds < dim
            at_x = rows[:, None] * x_row + ds[None, :] * x_col
            at_k = ks[:, None] * dim + ds[None, :]
            k_mask = k_ok[:, None] & d_ok[None, :]
            points = tl.load(x + at_x, mask=row_ok[:, None] & d_ok[None, :], other=0.0).to(dtype)
            centres = tl.load(mean + at_k, mask=k_mask, other=0.0).to(dtype)
            delta = points[:, None, :] - centres[None, :, :]
            if ISO:
                square += tl.sum(delta * delta, axis=2)
            else:
                scale = tl.load(precision + at_k, mask=k_mask, other=0.0).to(dtype)
                square += tl.sum(delta * delta * scale[None, :, :], axis=2)
        if ISO:
            square = square * tl.load(precision + ks, mask=k_ok, other=0.0)[None, :]
        # A component past the end has the logit of a zero weight, never that of a zero logit.
        logits = tl.load(log_weight + ks, mask=k_ok, other=float("-inf"))[None, :] - 0.5 * square
        new_top = tl.maximum(top, tl.max(logits, axis=1))
        w = tl.exp(logits - new_top[:, None])
        shrink = tl.exp(top - new_top)
        total = total * shrink + tl.sum(w, axis=1)
        top = new_top
        if SCORE or VELOCITY:
            finish = tl.where(k0 + BK >= k, 1.0 / total, tl.full([BN], 1.0, dtype))
            if k0 > 0:
                tl.debug_barrier()  # what this tile reads, another thread of the program may have written
            for d0 in range(0, dim, BD):
                ds = d0 + tl.arange(0, BD).to(tl.int64)
                d_ok = ds < dim
                at_k = ks[:, None] * dim + ds[None, :]
                k_mask = k_ok[:, None] & d_ok[None, :]
                mask = row_ok[:, None] & d_ok[None, :]
                points = tl.load(x + rows[:, None] * x_row + ds[None, :] * x_col, mask=mask, other=0.0).to(dtype)
                centres = tl.load(mean + at_k, mask=k_mask, other=0.0).to(dtype)
                at = rows[:, None] * dim + ds[None, :]
                if SCORE:
                    if ISO:
                        p = tl.load(precision + ks, mask=k_ok, other=0.0)[:, None]
                    else:
                        p = tl.load(precision + at_k, mask=k_mask, other=0.0).to(dtype)
                    if DOT:
                        p = tl.broadcast_to(p, [BK, BD])
                        own = product(w, p * centres, TF32)
                        own -= points * product(w, p, TF32)
                    else:
                        pull = p[None, :, :] * (centres[None, :, :] - points[:, None, :])
                        own = tl.sum(w[:, :, None] * pull, axis=1)
                    if k0 > 0:
                        own += shrink[:, None] * tl.load(score + at, mask=mask, other=0.0)
                    tl.store(score + at, own * finish[:, None], mask=mask)
                if VELOCITY:
                    if ISO:
                        v = tl.load(slope + ks, mask=k_ok, other=0.0)[:, None]
                    else:
                        v = tl.load(slope + at_k, mask=k_mask, other=0.0).to(dtype)
                    rate = tl.load(offset + at_k, mask=k_mask, other=0.0).to(dtype)
                    if DOT:
                        v = tl.broadcast_to(v, [BK, BD])
                        own = product(w, rate - v * centres, TF32)
                        own += points * product(w, v, TF32)
                    else:
                        flow = rate[None, :, :] + v[None, :, :] * (points[:, None, :] - centres[None, :, :])
                        own = tl.sum(w[:, :, None] * flow, axis=1)
                    if k0 > 0:
                        own += shrink[:, None] * tl.load(velocity + at, mask=mask, other=0.0)
                    tl.store(velocity + at, own * finish[:, None], mask=mask)
    if DENSITY:
        tl.store(log_density + rows, top + tl.log(total), mask=row_ok)


def tiles(k: int, dim: int, dot: bool) -> tuple[int, int, int]:
    """(BN, BK, BD), powers of two; a matrix product needs at least 16 each way."""
    least = 16 if dot else 1
    bd = max(least, min(triton.next_power_of_2(dim), 32))
    bk = max(least, min(triton.next_power_of_2(k), max(4, 128 // bd)))
    bn = max(16, min(128, _TILE // (bk * bd)))
    return bn, bk, bd


def evaluate(
    law: Packed,
    x: Tensor,
    quantities: tuple[str, ...] = ("log_density", "score", "velocity"),
    *,
    tile: tuple[int, int, int] | None = None,
    dot: bool | None = None,
    tf32: bool = False,
    out: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The quantities asked for at x (N, D), of any strides; answers are contiguous, of the log-weights' dtype.

    law   isotropic or diagonal, as tensors on x's device, means of x's dtype: float64, float32, or bfloat16
          with float32 log-weights (``as_bfloat16``)
    tile  (BN, BK, BD); dot: weighted sums as matrix products (float32 only); both chosen by shape if not given
    tf32  those products in TF32, and sums always by them
    out   contiguous tensors to write into, whatever they hold
    """
    if law.kind == "full":
        raise ValueError("law: expected an isotropic or diagonal mixture, got full covariances")
    if x.ndim != 2 or x.shape[1] != law.dim:
        raise ValueError(f"x: expected shape (N, {law.dim}), got {tuple(x.shape)}")
    if x.dtype != law.mean.dtype or x.device != law.mean.device:
        raise ValueError(f"x: expected {law.mean.dtype} on {law.mean.device}, got {x.dtype} on {x.device}")
    n, dim, k = x.shape[0], law.dim, law.n_components
    real = law.log_weight.dtype
    if tf32 and real != torch.float32:
        raise ValueError(f"tf32: expected log-weights in float32 for it, got {real}")
    use_dot = tf32 or ((dim >= 16 and k >= 16) if dot is None else dot)
    use_dot = use_dot and real == torch.float32
    answer = dict(out or {})
    for quantity in quantities:
        shape = (n,) if quantity == "log_density" else (n, dim)
        answer.setdefault(quantity, torch.empty(shape, dtype=real, device=x.device))
    if n == 0:
        return answer
    bn, bk, bd = tile or tiles(k, dim, use_dot)
    dummy = law.log_weight
    mixture_fields[(triton.cdiv(n, bn),)](
        x, law.log_weight, law.mean, law.precision, law.slope, law.offset,
        *(answer.get(q, dummy) for q in ("log_density", "score", "velocity")),
        n, k, dim, x.stride(0), x.stride(1),
        ISO=law.kind == "isotropic", DENSITY="log_density" in quantities, SCORE="score" in quantities,
        VELOCITY="velocity" in quantities, DOT=use_dot, TF32=tf32,
        LOWEST=float(torch.finfo(real).min), BN=bn, BK=bk, BD=bd,
    )  # fmt: skip
    return answer


def interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on the CPU and slowly."""
    return not isinstance(mixture_fields, _compiled_type())


def _compiled_type() -> Any:
    from triton.runtime.jit import JITFunction

    return JITFunction
