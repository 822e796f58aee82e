"""Posterior averages over a share of the components, and how shares become the whole, exactly.

Of the components in share S, with logits l_k = log w_k N(x; m_k, C_k) (weights as they are, not renormalised):

    m_S = max_{k∈S} l_k,   z_S = Σ_{k∈S} e^{l_k − m_S},   g_S = Σ_{k∈S} e^{l_k − m_S} g_k,   u_S likewise

and for disjoint shares m = max_S m_S, z = Σ_S e^{m_S − m} z_S, and so on: no approximation, only rounding. At the end
log ρ = m + log z, s = g / z, b = u / z. The maximum and the sum are kept apart: log ρ far from the modes is −10³ and
more, and a share's weight from a difference of two such numbers, rounded at every merge, would lose the digits. The
same merge serves blocks of components within a process, so nothing of size N × K is formed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from si_verify.kernels.pack import Packed

BLOCK = 64  # components seen at once


class Fields(NamedTuple):
    """log ρ (N,), s and b (N, D)."""

    log_density: Tensor
    score: Tensor
    velocity: Tensor


class Partial(NamedTuple):
    """Maximum and total (N,), weighted sums of g and u (N, D) of a share; −inf and zeros for an empty one."""

    top: Tensor
    total: Tensor
    pull: Tensor
    flow: Tensor


def empty(x: Tensor) -> Partial:
    """What no component contributes."""
    return Partial(x.new_full((len(x),), -torch.inf), x.new_zeros(len(x)), torch.zeros_like(x), torch.zeros_like(x))


def at_level(part: Partial, level: Tensor) -> Partial:
    """The same share with its weights relative to ``level`` ≥ its own maximum."""
    # Where every share is empty the level is −inf, and any finite stand-in leaves weights of zero.
    finite = torch.where(level > -torch.inf, level, torch.zeros_like(level))
    shrink = torch.exp(part.top - finite)
    return Partial(level, part.total * shrink, part.pull * shrink[:, None], part.flow * shrink[:, None])


def merge_two(a: Partial, b: Partial) -> Partial:
    """The share that holds the components of both."""
    level = torch.maximum(a.top, b.top)
    left, right = at_level(a, level), at_level(b, level)
    return Partial(level, left.total + right.total, left.pull + right.pull, left.flow + right.flow)


def merge(parts: Iterable[Partial]) -> Partial:
    """The union of any number of shares."""
    return functools.reduce(merge_two, parts)


def fields(whole: Partial) -> Fields:
    """The fields, once every component is in."""
    share = whole.total[:, None]
    return Fields(whole.top + torch.log(whole.total), whole.pull / share, whole.flow / share)


def share(law: Packed, ks: slice) -> Packed:
    """The components ``ks`` of a law, their logits untouched."""
    return law.map(lambda a: a[ks])


def partial(law: Packed, x: Tensor) -> Partial:
    """The sums over all components of ``law`` (tensors) at x (N, D), a block of components at a time."""
    blocks = [slice(k, k + BLOCK) for k in range(0, law.n_components, BLOCK)]
    return merge([empty(x), *(_block(share(law, ks), x) for ks in blocks)])


def _block(law: Packed, x: Tensor) -> Partial:
    delta = x[:, None, :] - law.mean
    if law.kind == "full":
        white = torch.einsum("kij,nkj->nki", law.whiten, delta)
        square, pull = (white * white).sum(-1), -torch.einsum("kji,nkj->nki", law.whiten, white)
        own = law.offset + torch.einsum("kij,nkj->nki", law.slope, white)
    else:
        precision, slope = (a if a.ndim == 2 else a[:, None] for a in (law.precision, law.slope))
        square, pull, own = (precision * delta * delta).sum(-1), -precision * delta, law.offset + slope * delta
    logits = law.log_weight - 0.5 * square
    top = logits.amax(1)
    weights = torch.exp(logits - top[:, None])
    return Partial(top, weights.sum(1), (weights[..., None] * pull).sum(1), (weights[..., None] * own).sum(1))
