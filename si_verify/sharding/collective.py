"""Shares over the processes of a torch.distributed group: of components, of rows."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from si_verify.kernels.pack import Packed
from si_verify.sharding.posterior import Fields, Partial, at_level, fields, partial, share


def slice_of(total: int, rank: int, world: int) -> slice:
    """The rank-th of ``world`` contiguous pieces of [0, total), which differ by at most one; may be empty."""
    if not 0 <= rank < world:
        raise ValueError(f"rank: expected 0 ≤ rank < {world}, got {rank}")
    return slice(total * rank // world, total * (rank + 1) // world)


def merge_over(own: Partial, group: dist.ProcessGroup | None = None) -> Partial:
    """The whole from every process's share, on every process: an all-reduce of N maxima and one of N (1 + 2D) sums."""
    level = own.top.clone()
    dist.all_reduce(level, op=dist.ReduceOp.MAX, group=group)
    scaled, dim = at_level(own, level), own.pull.shape[1]
    sums = torch.cat([scaled.total[:, None], scaled.pull, scaled.flow], dim=1)
    dist.all_reduce(sums, op=dist.ReduceOp.SUM, group=group)
    return Partial(level, sums[:, 0], *sums[:, 1:].split(dim, dim=1))


def over_components(law: Packed, x: Tensor, group: dist.ProcessGroup | None = None) -> Fields:
    """All rows on every process; each sees its share of the components. For K·D too large, or N too small."""
    ks = slice_of(law.n_components, dist.get_rank(group), dist.get_world_size(group))
    return fields(merge_over(partial(share(law, ks), x), group))


def over_rows(law: Packed, x: Tensor, group: dist.ProcessGroup | None = None) -> Fields:
    """This process's rows of x alone; nothing is sent. ``gather`` puts them together where they are wanted."""
    return fields(partial(law, x[slice_of(len(x), dist.get_rank(group), dist.get_world_size(group))]))


def gather(own: Fields, n: int, group: dist.ProcessGroup | None = None) -> Fields:
    """The answers of all n rows on every process, from ``over_rows``: one all-gather of equal pieces."""
    world = dist.get_world_size(group)
    dim, room = own.score.shape[1], -(-n // world)
    mine = own.score.new_zeros(room, 1 + 2 * dim)
    mine[: len(own.score)] = torch.cat([own.log_density[:, None], own.score, own.velocity], dim=1)
    pieces = [torch.empty_like(mine) for _ in range(world)]
    dist.all_gather(pieces, mine, group=group)
    counts = [s.stop - s.start for s in (slice_of(n, rank, world) for rank in range(world))]
    table = torch.cat([piece[:count] for piece, count in zip(pieces, counts, strict=True)])
    score, velocity = table[:, 1:].split(dim, dim=1)
    return Fields(table[:, 0], score, velocity)
