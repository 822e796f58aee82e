"""The mixture fields in dense torch, fused by torch.compile: what a compiler makes of the plain form."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
from torch import Tensor

from si_verify.kernels.pack import Packed
from si_verify.kernels.pack_fields import QUANTITIES, Build, fields_by
from si_verify.subject import VARIANT, Claims, Subject, Unavailable

_ELEMENTS = 4_000_000  # of the (N, K, D) temporary, where the compiler leaves one
_GRAPHS = 64  # quantities times kinds times dtypes, D = 1 apart: past torch's own limit
_BLOCK = 32
_LEAST = 2  # sizes of one would be compiled apart: rows and components are padded to two


def _dense(
    x: Tensor,
    log_weight: Tensor,
    mean: Tensor,
    metric: Tensor,
    slope: Tensor,
    offset: Tensor,
    quantity: str,
    block: int,
) -> Tensor:
    delta = x[:, None, :] - mean
    full = metric.ndim == 3
    if full:
        white = (metric * delta[:, :, None, :]).sum(-1)
        square = (white * white).sum(-1)
    else:
        square = (metric * delta * delta).sum(-1)
    logits = log_weight - 0.5 * square
    if quantity == "log_density":
        return torch.logsumexp(logits, dim=1)
    shares = torch.softmax(logits, dim=1)[..., None]
    if quantity == "score":
        own = -(metric * white[..., None]).sum(-2) if full else -metric * delta
    else:
        own = offset + ((slope * white[:, :, None, :]).sum(-1) if full else slope * delta)
    # In blocks: the compiler's loop adds one component after another, and 1,797 equal shares round the same way.
    return (shares * own).unflatten(1, (-1, block)).sum(2).sum(1)


@cache
def _compiled() -> Callable[..., Tensor]:
    return torch.compile(_dense, dynamic=True, fullgraph=True)  # type: ignore[no-any-return]


def _prepare(law: Packed, dtype: torch.dtype, device: torch.device) -> Packed:
    p = (law if law.kind == "full" else law.as_diagonal()).to(dtype, device)
    count = p.n_components
    more = max(_LEAST, -(-count // _block(count)) * _block(count)) - count
    if not more:
        return p
    padded = p.map(lambda a: torch.cat([a, a[:1].expand(more, *a.shape[1:])]))
    padded.log_weight[count:] = -torch.inf
    return padded


def _block(count: int) -> int:
    """Components that are summed by themselves."""
    return 1 if count < 2 * _BLOCK else _BLOCK


def _evaluate(law: Packed, x: Tensor, quantity: str) -> Tensor:
    run, metric = _compiled(), law.whiten if law.kind == "full" else law.precision
    arrays = (law.log_weight, law.mean, metric, law.slope, law.offset)
    chunk = max(_LEAST, _ELEMENTS // max(law.mean.numel(), metric.numel()))
    block = _block(law.n_components)
    padded = torch.cat([x, x[-1:]])  # contiguous, and never one row; nor is a last chunk
    parts = [padded[i : i + chunk + 1] for i in range(0, len(x), chunk)]
    with import_module("torch._dynamo.config").patch(recompile_limit=_GRAPHS):
        return torch.cat(
            [run(part.contiguous(), *arrays, quantity, block)[: min(chunk, len(part) - 1)] for part in parts]
        )


def _load() -> Build:
    if not torch.cuda.is_available() and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise Unavailable("torch.compile needs a C++ compiler on the CPU, and none is found")
    return fields_by(_evaluate, _prepare)


SUBJECT = Subject(
    name="torch/fields-compiled",
    kind="field",
    load=_load,
    claims=Claims(quantities=QUANTITIES),
    tags=frozenset({"kernel", "torch", "compile", VARIANT}),
    modules=("si_verify.kernels.pack",),
    dtypes=("float64", "float32"),
    summary="the dense form fused by torch.compile",
)
