"""Triton: fields, divergences and products with a vector of isotropic and diagonal mixtures in one pass.

A program owns BN points. A tile of BK components gives its weights, its own means ū, ḡ and its own centred sums; tiles
merge as covariances do (T. F. Chan, G. H. Golub, R. J. LeVeque 1979),

    C ← f C + C' + W f W' / (W f + W') (ū' − ū)(ḡ' − ḡ)ᵀ,    ū ← ū + W' / (W f + W') (ū' − ū),   f = e^(top − new top)

of C only the trace and the product with v (si_verify/fields/derivatives.py). The answers are their own accumulators:
score and velocity hold running means, ready at any time; the products are divided by the total with the last tile.
Nothing of size N × K or N × D × D exists anywhere. This module imports triton: import it late.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_derivatives import Probe, probed, traces

SCALARS = ("log_density", "divergence", "laplacian_log_density", "divergence_estimate", "laplacian_estimate")
VECTORS = ("score", "velocity", "score_jvp", "velocity_jvp")
_TILE = 1024  # elements of a (BN, BK, BD) tile, of which several are held: of twice as many registers spill


@triton.jit
def _probe_block(
    probe, rows, row_ok, ds, d_ok, d0, dim, seed, draw, first_row, DRAWN: tl.constexpr, DTYPE: tl.constexpr
):
    """v of a block of coordinates, (BN, BD), given or drawn (probes.py); 0 past the ends."""
    mask = row_ok[:, None] & d_ok[None, :]
    if DRAWN:
        row = (rows + first_row).to(tl.uint32)
        turn = (row * 0 + draw).to(tl.uint32)
        block = (row * 0 + d0 // 128).to(tl.uint32)
        a, b, c, d = tl.philox(seed, row, turn, block, (row * 0 + 0x50726F62).to(tl.uint32))
        # A block of at most 32 coordinates that starts at a multiple of its size has one word.
        which = d0 % 128 // 32
        word = tl.where(which == 0, a, tl.where(which == 1, b, tl.where(which == 2, c, d)))
        bit = (word[:, None] >> (ds % 32).to(tl.uint32)[None, :]) & 1
        v = 1.0 - 2.0 * bit.to(DTYPE)
        return tl.where(mask, v, 0.0).to(DTYPE)
    return tl.load(probe + rows[:, None] * dim + ds[None, :], mask=mask, other=0.0)


@triton.jit
def mixture_derivatives(
    x, log_weight, mean, precision, slope, offset, traces, probe, scalars, score, velocity, hess, turn, n, k, dim,
    x_row, x_col, seed, draw, first_row,
    ISO: tl.constexpr, PROBING: tl.constexpr, DRAWN: tl.constexpr, LOWEST: tl.constexpr,
    BN: tl.constexpr, BK: tl.constexpr, BD: tl.constexpr,
):  # fmt: skip
    """One program: rows [pid·BN, pid·BN + BN). scalars (3 or 5, N) as named; hess, turn with a probe."""
    dtype = log_weight.dtype.element_ty
    rows = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN).to(tl.int64)
    row_ok = rows < n
    top = tl.full([BN], LOWEST, dtype)
    total = tl.zeros([BN], dtype)
    about_s = tl.zeros([BN], dtype)
    about_b = tl.zeros([BN], dtype)
    bend_s = tl.zeros([BN], dtype)
    bend_b = tl.zeros([BN], dtype)
    for k0 in range(0, k, BK):
        ks = k0 + tl.arange(0, BK).to(tl.int64)
        k_ok = ks < k
        square = tl.zeros([BN, BK], dtype)
        for d0 in range(0, dim, BD):
            ds = d0 + tl.arange(0, BD).to(tl.int64)
            d_ok = ds < dim
            at_k = ks[:, None] * dim + ds[None, :]
            k_mask = k_ok[:, None] & d_ok[None, :]
            at_x = rows[:, None] * x_row + ds[None, :] * x_col
            points = tl.load(x + at_x, mask=row_ok[:, None] & d_ok[None, :], other=0.0)
            delta = points[:, None, :] - tl.load(mean + at_k, mask=k_mask, other=0.0)[None, :, :]
            if ISO:
                square += tl.sum(delta * delta, axis=2)
            else:
                square += tl.sum(delta * delta * tl.load(precision + at_k, mask=k_mask, other=0.0)[None, :, :], axis=2)
        if ISO:
            square = square * tl.load(precision + ks, mask=k_ok, other=0.0)[None, :]
        # A component past the end has the logit of a zero weight, never that of a zero logit.
        logits = tl.load(log_weight + ks, mask=k_ok, other=float("-inf"))[None, :] - 0.5 * square
        new_top = tl.maximum(top, tl.max(logits, axis=1))
        w = tl.exp(logits - new_top[:, None])
        shrink = tl.exp(top - new_top)
        top = new_top
        part = tl.sum(w, axis=1)
        before = total * shrink
        total = before + part
        mine = part / total
        cross = before * mine
        # A tile of which nothing is left has no means; its share is 0.
        each = w / tl.where(part == 0.0, 1.0, part)[:, None]
        about_s = about_s * shrink + tl.sum(w * tl.load(traces + 2 * ks, mask=k_ok, other=0.0)[None, :], axis=1)
        about_b = about_b * shrink + tl.sum(w * tl.load(traces + 2 * ks + 1, mask=k_ok, other=0.0)[None, :], axis=1)
        along = tl.zeros([BN, BK], dtype)
        reach = tl.zeros([BN], dtype)
        if k0 > 0:
            tl.debug_barrier()  # what this tile reads, another thread of the program may have written
        # Once for traces and what is needed of v; once more, if there is a v, for the products.
        for again in tl.static_range(2 if PROBING else 1):
            bend_s = tl.zeros([BN], dtype)
            bend_b = tl.zeros([BN], dtype)
            for d0 in range(0, dim, BD):
                ds = d0 + tl.arange(0, BD).to(tl.int64)
                d_ok = ds < dim
                at_k = ks[:, None] * dim + ds[None, :]
                k_mask = k_ok[:, None] & d_ok[None, :]
                mask = row_ok[:, None] & d_ok[None, :]
                at = rows[:, None] * dim + ds[None, :]
                points = tl.load(x + rows[:, None] * x_row + ds[None, :] * x_col, mask=mask, other=0.0)
                delta = points[:, None, :] - tl.load(mean + at_k, mask=k_mask, other=0.0)[None, :, :]
                if ISO:
                    p = tl.load(precision + ks, mask=k_ok, other=0.0)[:, None]
                    a = tl.load(slope + ks, mask=k_ok, other=0.0)[:, None]
                else:
                    p = tl.load(precision + at_k, mask=k_mask, other=0.0)
                    a = tl.load(slope + at_k, mask=k_mask, other=0.0)
                pull = -p[None, :, :] * delta
                flow = tl.load(offset + at_k, mask=k_mask, other=0.0)[None, :, :] + a[None, :, :] * delta
                mean_s = tl.sum(each[:, :, None] * pull, axis=1)
                mean_b = tl.sum(each[:, :, None] * flow, axis=1)
                pull = pull - mean_s[:, None, :]
                flow = flow - mean_b[:, None, :]
                old_s = tl.zeros([BN, BD], dtype)
                old_b = tl.zeros([BN, BD], dtype)
                if k0 > 0:
                    old_s = tl.load(score + at, mask=mask, other=0.0)
                    old_b = tl.load(velocity + at, mask=mask, other=0.0)
                step_s = mean_s - old_s
                step_b = mean_b - old_b
                if PROBING:
                    v = _probe_block(
                        probe, rows, row_ok, ds, d_ok, d0, dim, seed, draw, first_row, DRAWN, dtype
                    )  # fmt: skip
                if again == 0:
                    weighted = w[:, :, None] * pull
                    about_s += tl.sum(tl.sum(weighted * pull, axis=2), axis=1) + cross * tl.sum(step_s * step_s, axis=1)
                    about_b += tl.sum(tl.sum(weighted * flow, axis=2), axis=1) + cross * tl.sum(step_s * step_b, axis=1)
                    if PROBING:
                        along += tl.sum(weighted * v[:, None, :], axis=2)
                        reach += tl.sum(step_s * v, axis=1)
                else:
                    far = (cross * reach)[:, None]
                    own_p = tl.broadcast_to(p, [BK, BD])[None, :, :]
                    own_a = tl.broadcast_to(a, [BK, BD])[None, :, :]
                    # In one sum each: Triton makes Σ_k w_nk p_kd, where it stands alone, a product in TF32.
                    held = w[:, :, None] * v[:, None, :]
                    own_s = tl.sum(along[:, :, None] * pull - held * own_p, axis=1)
                    own_b = tl.sum(along[:, :, None] * flow + held * own_a, axis=1)
                    own_s += far * step_s
                    own_b += far * step_b
                    if k0 > 0:
                        own_s += shrink[:, None] * tl.load(hess + at, mask=mask, other=0.0)
                        own_b += shrink[:, None] * tl.load(turn + at, mask=mask, other=0.0)
                    finish = tl.where(k0 + BK >= k, 1.0 / total, tl.full([BN], 1.0, dtype))[:, None]
                    own_s = own_s * finish
                    own_b = own_b * finish
                    bend_s += tl.sum(v * own_s, axis=1)
                    bend_b += tl.sum(v * own_b, axis=1)
                    tl.store(hess + at, own_s, mask=mask)
                    tl.store(turn + at, own_b, mask=mask)
                if again == 1 or not PROBING:
                    tl.store(score + at, old_s + mine[:, None] * step_s, mask=mask)
                    tl.store(velocity + at, old_b + mine[:, None] * step_b, mask=mask)
    to = rows
    tl.store(scalars + to, top + tl.log(total), mask=row_ok)
    to += n
    tl.store(scalars + to, about_b / total, mask=row_ok)
    to += n
    tl.store(scalars + to, about_s / total, mask=row_ok)
    if PROBING:
        to += n
        tl.store(scalars + to, bend_b, mask=row_ok)
        to += n
        tl.store(scalars + to, bend_s, mask=row_ok)


@dataclass(frozen=True, eq=False)
class DeviceLaw:
    """An isotropic or diagonal law as tensors, and its traces (K, 2)."""

    packed: Packed
    traces: Tensor


def device_law(law: Packed, dtype: torch.dtype, device: torch.device) -> DeviceLaw:
    """ValueError for full covariances."""
    if law.kind == "full":
        raise ValueError("law: expected an isotropic or diagonal mixture, got full covariances")
    return DeviceLaw(law.to(dtype, device), torch.as_tensor(traces(law)).to(device, dtype).contiguous())


def tiles(k: int, dim: int) -> tuple[int, int, int]:
    """(BN, BK, BD), powers of two; BD at most 32, which the words of a probe need."""
    bd = min(triton.next_power_of_2(dim), 32)
    bk = min(triton.next_power_of_2(k), max(4, 64 // bd))
    return max(16, min(128, _TILE // (bk * bd))), bk, bd


def evaluate(
    law: DeviceLaw,
    x: Tensor,
    probe: Probe = None,
    *,
    tile: tuple[int, int, int] | None = None,
    out: tuple[Tensor, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The answers of pack_derivatives.py at x (N, D) of any strides; out: (scalars, vectors) to write into."""
    m = law.packed
    if x.ndim != 2 or x.shape[1] != m.dim:
        raise ValueError(f"x: expected shape (N, {m.dim}), got {tuple(x.shape)}")
    if x.dtype != m.mean.dtype or x.device != m.mean.device:
        raise ValueError(f"x: expected {m.mean.dtype} on {m.mean.device}, got {x.dtype} on {x.device}")
    n, probing = x.shape[0], probe is not None
    given, draw = probed(probe, x)
    bn, bk, bd = tile or tiles(m.n_components, m.dim)
    if bd > 32:
        raise ValueError(f"tile: expected at most 32 coordinates, got {bd}")
    scalars, vectors = out or (x.new_empty((5 if probing else 3, n)), x.new_empty((4 if probing else 2, n, m.dim)))
    if n:
        # Key and counter may pass 2³¹: they travel as signed numbers of 64 bits with the same bits.
        seed = draw.seed - 2**64 if draw.seed >= 2**63 else draw.seed
        mixture_derivatives[(triton.cdiv(n, bn),)](
            x, m.log_weight, m.mean, m.precision, m.slope, m.offset, law.traces, x if given is None else given,
            scalars, *(vectors[i % len(vectors)] for i in range(4)), n, m.n_components, m.dim, x.stride(0),
            x.stride(1), seed, draw.draw, draw.first_row,
            ISO=m.kind == "isotropic", PROBING=probing, DRAWN=given is None,
            LOWEST=float(torch.finfo(x.dtype).min), BN=bn, BK=bk, BD=bd,
        )  # fmt: skip
    return dict(zip(SCALARS, scalars, strict=False)) | dict(zip(VECTORS, vectors, strict=False))
