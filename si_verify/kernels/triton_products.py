"""Triton: the mixture fields with logits and weighted sums as matrix products, each of three TF32 products.

    v = hi + lo,  hi = tf32(v),  lo = tf32(v − hi):     a·b ≈ a_hi·b_lo + a_lo·b_hi + a_hi·b_hi

small ones first, to nearest and here (tensor cores cut digits off), accumulated in float32: what is dropped is lo·lo,
2⁻²² of a term. The law's factors are split on the host from float64. A program owns BN points, holds their halves and
its accumulators, and goes over tiles of BK components: (BN, D) times (D, BK), then (BN, BK) times (BK, D).

    l_k = const_k + y·(p_k μ_k) − ½ Σ_d (p_kd − p_d) y_d²,    f = Σ_k r_k V_k − y (a + Σ_k r_k Δa_k)

with y = x − c, μ = m − c (pack_products.py, which also says for which laws float32 holds this form). A tile's product
starts from zero and joins the running sum in one float32 FMA with its rescaling: tensor cores cut their accumulator
instead of rounding it, and over all of K that would add up (Ootomo and Yokota, arXiv:2203.03341, section 3).

This module imports triton: import it late.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from si_verify.kernels.pack_products import Products
from si_verify.kernels.product_loss import blocks
from si_verify.kernels.triton_mixture import nearest_tf32

SPREADS = {"shared": 0, "isotropic": 1, "diagonal": 2}
QUANTITIES = ("log_density", "score", "velocity")


@triton.jit
def split(v):
    """hi, lo of any number; NaN in both."""
    hi = nearest_tf32(v)
    return hi, nearest_tf32(v - hi)


@triton.jit
def split_share(w):
    """hi, lo of numbers in [0, 1], two instructions each: ties away from 0. NaN may become 0: the total keeps it."""
    hi = ((w.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)
    lo = w - hi
    return hi, ((lo.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)


@triton.jit
def halves(at, lower):
    """Two tiles, hi and lo, of a factor of the law."""
    return tl.load(at), tl.load(at + lower)


@triton.jit
def centred(x, centre, rows, n, d0, dim, x_row, x_col, WIDTH: tl.constexpr):
    """x − c of a block of coordinates, (BN, WIDTH); 0 past the ends."""
    ds = d0 + tl.arange(0, WIDTH)
    mask = (rows < n)[:, None] & (ds < dim)[None, :]
    at = x + rows[:, None] * x_row + ds[None, :].to(tl.int64) * x_col
    return tl.where(mask, tl.load(at, mask=mask, other=0.0) - tl.load(centre + ds)[None, :], 0.0)


@triton.jit
def small_part(y_hi, y_lo, q_hi, q_lo, part):
    """part + y_hi·q_lo + y_lo·q_hi."""
    part = tl.dot(y_hi, tl.trans(q_lo), part, input_precision="tf32")
    return tl.dot(y_lo, tl.trans(q_hi), part, input_precision="tf32")


@triton.jit
def block(y_hi, y_lo, at, lower, BN: tl.constexpr, BK: tl.constexpr):
    """y·q of a block of coordinates, by itself: what is added to it is added in float32, outside of the tensor core."""
    q_hi, q_lo = halves(at, lower)
    part = small_part(y_hi, y_lo, q_hi, q_lo, tl.zeros([BN, BK], tl.float32))
    return tl.dot(y_hi, tl.trans(q_hi), part, input_precision="tf32")


@triton.jit
def fold(total, shrink, w_hi, w_lo, at, lower):
    """total · shrink + w · v for a tile v (BK, BD) of values, stored turned."""
    v_hi, v_lo = halves(at, lower)
    v_hi = tl.trans(v_hi)
    v_lo = tl.trans(v_lo)
    part = tl.dot(w_hi, v_lo, input_precision="tf32")
    part = tl.dot(w_lo, v_hi, part, input_precision="tf32")
    part = tl.dot(w_hi, v_hi, part, input_precision="tf32")
    return total * shrink[:, None] + part


@triton.jit
def mixture_products(
    x, centre, reach, const, bend, reference, pull, pull_rate, drift, flow, flow_rate, log_density, score, velocity,
    shift, n, k, dim, x_row, x_col, SPREAD: tl.constexpr, DENSITY: tl.constexpr, SCORE: tl.constexpr,
    VELOCITY: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, BD: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """One program: rows [pid·BN, pid·BN + BN). k: as padded, a multiple of BK; BD: one or four blocks of WIDTH."""
    rows = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN).to(tl.int64)
    y = centred(x, centre, rows, n, 0, dim, x_row, x_col, WIDTH)
    y_hi, y_lo = split(y)
    if SPREAD == 1:
        far = tl.sum(y * y, axis=1)
    if SPREAD == 2:
        far_hi, far_lo = split(y * y)
    if BD > WIDTH:
        y = centred(x, centre, rows, n, WIDTH, dim, x_row, x_col, WIDTH)
        y1_hi, y1_lo = split(y)
        if SPREAD == 1:
            far += tl.sum(y * y, axis=1)
        y = centred(x, centre, rows, n, 2 * WIDTH, dim, x_row, x_col, WIDTH)
        y2_hi, y2_lo = split(y)
        if SPREAD == 1:
            far += tl.sum(y * y, axis=1)
        y = centred(x, centre, rows, n, 3 * WIDTH, dim, x_row, x_col, WIDTH)
        y3_hi, y3_lo = split(y)
        if SPREAD == 1:
            far += tl.sum(y * y, axis=1)
    ds = tl.arange(0, BD)
    lower = k.to(tl.int64) * BD
    top = tl.full([BN], -3.0e38, tl.float32)
    total = tl.zeros([BN], tl.float32)
    score_sum = tl.zeros([BN, BD], tl.float32)
    velocity_sum = tl.zeros([BN, BD], tl.float32)
    score_rates = tl.zeros([BN, BD], tl.float32)
    velocity_rates = tl.zeros([BN, BD], tl.float32)
    score_rate = tl.zeros([BN], tl.float32)
    velocity_rate = tl.zeros([BN], tl.float32)
    for k0 in range(0, k, BK):
        ks = k0 + tl.arange(0, BK)
        at_k = ks[:, None].to(tl.int64) * BD + tl.arange(0, WIDTH)[None, :]
        turned = ds[:, None].to(tl.int64) * k + ks[None, :]
        # One block: small parts and what is negative first, for the great part then goes from below zero to above it.
        q_hi, q_lo = halves(reach + at_k, lower)
        logits = small_part(y_hi, y_lo, q_hi, q_lo, tl.zeros([BN, BK], tl.float32))
        if BD > WIDTH:
            logits = tl.dot(y_hi, tl.trans(q_hi), logits, input_precision="tf32")
        if SPREAD == 2:
            b_hi, b_lo = halves(bend + at_k, lower)
            logits = small_part(far_hi, far_lo, b_hi, b_lo, logits)
            logits = tl.dot(far_hi, tl.trans(b_hi), logits, input_precision="tf32")
        logits += tl.load(const + ks)[None, :]
        if SPREAD == 1:
            logits += far[:, None] * tl.load(bend + ks)[None, :]
        if BD == WIDTH:
            logits = tl.dot(y_hi, tl.trans(q_hi), logits, input_precision="tf32")
        if BD > WIDTH:
            logits += block(y1_hi, y1_lo, reach + at_k + WIDTH, lower, BN, BK)
            logits += block(y2_hi, y2_lo, reach + at_k + 2 * WIDTH, lower, BN, BK)
            logits += block(y3_hi, y3_lo, reach + at_k + 3 * WIDTH, lower, BN, BK)
        new_top = tl.maximum(top, tl.max(logits, axis=1))
        w = tl.exp2(logits - new_top[:, None])
        shrink = tl.exp2(top - new_top)
        total = total * shrink + tl.sum(w, axis=1)
        top = new_top
        if SPREAD == 1:
            if SCORE:
                score_rate = score_rate * shrink + tl.sum(w * tl.load(pull_rate + ks)[None, :], axis=1)
            if VELOCITY:
                velocity_rate = velocity_rate * shrink + tl.sum(w * tl.load(flow_rate + ks)[None, :], axis=1)
        if SCORE or VELOCITY:
            # The order of ``turned``: as factors the weights stay with the threads that have them.
            w = tl.permute(tl.reshape(w, [BN, BK // 8, 4, 2]), [0, 1, 3, 2])
            w_hi, w_lo = split_share(tl.reshape(w, [BN, BK]))
        if SCORE:
            score_sum = fold(score_sum, shrink, w_hi, w_lo, pull + turned, lower)
            if SPREAD == 2:
                score_rates = fold(score_rates, shrink, w_hi, w_lo, pull_rate + turned, lower)
        if VELOCITY:
            velocity_sum = fold(velocity_sum, shrink, w_hi, w_lo, flow + turned, lower)
            if SPREAD == 2:
                velocity_rates = fold(velocity_rates, shrink, w_hi, w_lo, flow_rate + turned, lower)
    share = 1.0 / total
    to = rows[:, None] * dim + ds[None, :]
    mask = (rows < n)[:, None] & (ds < dim)[None, :]
    y = centred(x, centre, rows, n, 0, dim, x_row, x_col, BD)  # again, not to hold it through the loop
    if DENSITY:
        common = 0.5 * tl.sum(tl.load(reference + ds)[None, :] * y * y, axis=1)
        highest = 0.6931471805599453 * (top + tl.log2(total)) + shift
        tl.store(log_density + rows, highest - common, mask=rows < n)
    if SCORE:
        rate = tl.load(reference + ds)[None, :] + (score_rates + score_rate[:, None]) * share[:, None]
        tl.store(score + to, score_sum * share[:, None] - y * rate, mask=mask)
    if VELOCITY:
        rate = tl.load(drift + ds)[None, :] + (velocity_rates + velocity_rate[:, None]) * share[:, None]
        tl.store(velocity + to, velocity_sum * share[:, None] - y * rate, mask=mask)


def tiles(dim: int, spread: str, sm: int = 90) -> tuple[int, int, int]:
    """(BN, BK, stages) for the coordinates as padded. BN: 64 is the least that Hopper's warp groups multiply."""
    if dim <= 32:
        rows = 64 if sm >= 90 or dim == 16 else 32
        return rows, 64 if rows == 64 else 32, 3 if dim == 16 and spread != "diagonal" else 2
    return (64, 32, 2) if sm >= 90 else (32, 32 if dim == 64 else 16, 2)


def evaluate(
    law: Products,
    x: Tensor,
    quantities: tuple[str, ...] = QUANTITIES,
    *,
    tile: tuple[int, int, int] | None = None,
    out: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The quantities asked for at x (N, D) float32, of any strides; answers are contiguous float32.

    tile  (BN, BK, stages): powers of two, BK from 16 to 64; out: contiguous tensors to write into, whatever they hold
    """
    if x.ndim != 2 or x.shape[1] != law.dim:
        raise ValueError(f"x: expected shape (N, {law.dim}), got {tuple(x.shape)}")
    if x.dtype != torch.float32 or x.device != law.const.device:
        raise ValueError(f"x: expected float32 on {law.const.device}, got {x.dtype} on {x.device}")
    n, padded = len(x), len(law.centre)
    answer = dict(out or {})
    for quantity in quantities:
        shape = (n,) if quantity == "log_density" else (n, law.dim)
        answer.setdefault(quantity, torch.empty(shape, dtype=x.dtype, device=x.device))
    if n == 0:
        return answer
    sm = torch.cuda.get_device_capability(x.device)[0] * 10 if x.is_cuda else 90
    bn, bk, stages = tile or tiles(padded, law.spread, sm)
    # Two sums of 128 coordinates are more than a thread's registers hold.
    together = [quantities] if padded < 128 else [(quantity,) for quantity in quantities]
    for group in together:
        mixture_products[(triton.cdiv(n, bn),)](
            x, law.centre, law.reach, law.const, law.bend, law.reference, law.pull, law.pull_rate, law.drift, law.flow,
            law.flow_rate, *(answer.get(q, law.const) for q in QUANTITIES), law.shift, n, law.n_components, law.dim,
            x.stride(0), x.stride(1), SPREAD=SPREADS[law.spread], DENSITY="log_density" in group,
            SCORE="score" in group, VELOCITY="velocity" in group, BN=bn, BK=bk, BD=padded,
            WIDTH=padded // blocks(law.dim), num_warps=4, num_stages=stages,
        )  # fmt: skip
    return answer
