"""A tile kernel in torch, so that its mistakes run everywhere: addresses, masks, tiles, the online softmax.

What a GPU does in parallel over rows is done for all tiles of rows at once; components and coordinates come in tiles,
one after another. Memory is flat: points are read at offset + row · stride + column · stride from the storage behind x.
Every step that a seeded fault replaces is a field of ``Steps``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from si_verify.faults.fault import Fault
from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_fields import QUANTITIES, Build, fields_by
from si_verify.subject import Claims, Subject, Unavailable

BN, BK, BD = 16, 8, 8


def flat(x: Tensor) -> Tensor:
    """The whole storage behind x, as one row."""
    return torch.empty(0, dtype=x.dtype, device=x.device).set_(x.untyped_storage())  # type: ignore[call-overload, no-any-return]


def addresses(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Where x[row, column] lies in its storage."""
    return int(x.storage_offset()) + rows[:, None] * x.stride(0) + columns * x.stride(1)


def component_rows(law: Packed, name: str, ks: Tensor, ds: Tensor) -> Tensor:
    """Numbers of a (K, D) array; 0 where the tile reaches past its end."""
    array = getattr(law, name)
    inside = (ks < law.n_components)[:, None] & (ds < law.dim)
    at = ks.clamp(max=law.n_components - 1)[:, None] * law.dim + ds.clamp(max=law.dim - 1)
    return torch.where(inside, array.reshape(-1)[at], 0.0)


def tiles(total: int, size: int) -> range:
    """Where tiles start; the last may be partial."""
    return range(0, total, size)


@dataclass(frozen=True)
class Steps:
    """The steps of the kernel; each default is right.

    rows(n, BN) -> rows that each program takes, in the order of the answer; addresses(x, rows, columns)
    component(law, name, ks, ds); metric: the same for precisions; log_weight(law) (K,)
    component_tiles, coordinate_tiles(total, size) -> starts
    tail        logit of a component past the end
    start       of the running maximum
    maximum(top, logits) -> new top; shrink_total, shrink_sums(top, new top)
    hold        what an accumulator goes through after every tile
    begin(shape, like) -> the accumulator that sums start from
    """

    rows: Callable[[int, int], Tensor] = lambda n, size: torch.arange(n)
    addresses: Callable[[Tensor, Tensor, Tensor], Tensor] = addresses
    component: Callable[[Packed, str, Tensor, Tensor], Tensor] = component_rows
    metric: Callable[[Packed, str, Tensor, Tensor], Tensor] = component_rows
    log_weight: Callable[[Packed], Tensor] = lambda law: law.log_weight
    component_tiles: Callable[[int, int], range] = tiles
    coordinate_tiles: Callable[[int, int], range] = tiles
    tail: float = -torch.inf
    start: float = -1e300
    maximum: Callable[[Tensor, Tensor], Tensor] = lambda top, logits: torch.maximum(top, logits.amax(1))
    shrink_total: Callable[[Tensor, Tensor], Tensor] = lambda top, new: torch.exp(top - new)
    shrink_sums: Callable[[Tensor, Tensor], Tensor] = lambda top, new: torch.exp(top - new)
    hold: Callable[[Tensor], Tensor] = lambda a: a
    begin: Callable[[tuple[int, ...], Tensor], Tensor] = field(
        default=lambda shape, like: torch.zeros(shape, dtype=like.dtype)
    )


def run(law: Packed, x: Tensor, quantity: str, steps: Steps) -> Tensor:
    """The quantity at x (N, D), a diagonal law."""
    memory, (n, dim), k = flat(x), x.shape, law.n_components
    rows = steps.rows(n, BN)
    every = torch.arange(dim)
    points = memory[steps.addresses(x, rows, every).clamp(0, len(memory) - 1)]
    top = torch.full((n,), max(steps.start, torch.finfo(x.dtype).min), dtype=x.dtype)
    total = torch.zeros(n, dtype=x.dtype)
    sums = steps.begin((n, dim), x)
    for k0 in steps.component_tiles(k, BK):
        ks = torch.arange(k0, k0 + BK)
        square = torch.zeros(n, BK, dtype=x.dtype)
        for d0 in steps.coordinate_tiles(dim, BD):
            ds = torch.arange(d0, min(d0 + BD, dim))
            delta = points[:, None, ds] - steps.component(law, "mean", ks, ds)
            square = square + (steps.metric(law, "precision", ks, ds) * delta * delta).sum(-1)
        weights = steps.log_weight(law)[ks.clamp(max=k - 1)]
        logits = torch.where(ks < k, weights - 0.5 * square, steps.tail)
        new = steps.maximum(top, logits)
        w = torch.exp(logits - new[:, None])
        shrink = steps.shrink_sums(top, new)
        total = steps.hold(total * steps.shrink_total(top, new) + w.sum(1))
        top = new
        if quantity != "log_density":
            delta = points[:, None, :] - steps.component(law, "mean", ks, every)
            if quantity == "score":
                own = -steps.metric(law, "precision", ks, every) * delta
            else:
                own = steps.component(law, "offset", ks, every) + steps.component(law, "slope", ks, every) * delta
            sums = steps.hold(sums * shrink[:, None] + (w[..., None] * own).sum(1))
    if quantity == "log_density":
        return top + torch.log(total)
    return sums / total[:, None]


def right_law(law: Packed, dtype: torch.dtype, device: torch.device) -> Packed:
    """The law as the kernel takes it."""
    if law.kind == "full":
        raise Unavailable("the emulated kernel takes isotropic and diagonal covariances")
    return law.as_diagonal().to(dtype, device)


def build_with(steps: Steps, prepare: Callable[..., Packed] = right_law) -> Build:
    """``build`` of the emulated kernel with these steps."""
    return fields_by(lambda law, x, quantity: run(law, x, quantity, steps), prepare)


def emulated(name: str, build: Any, story: str = "", prefix: str = "fault/kernel-") -> Subject:
    """The subject of a build, under the claims of a right kernel."""
    return Subject(
        name=f"{prefix}{name}",
        kind="field",
        load=lambda: build,
        claims=Claims(quantities=QUANTITIES),
        tags=frozenset({"fault", "kernel"}),
        summary=story,
    )


def kernel_fault(name: str, steps: Steps, story: str, source: str = "issue 6: the work of a GPU kernel") -> Fault:
    """A kernel with one step wrong, which kernel-robustness must reject."""
    return Fault(emulated(name, build_with(steps), story), ("kernel-robustness",), story, source)
