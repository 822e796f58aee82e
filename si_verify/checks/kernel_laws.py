"""The laws and inputs that break kernels: ragged shapes, kinds of covariance, extreme weights, strides, offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from analytic import Coupling, GaussianMixture, Interpolant, Schedule

ROWS = (1, 7, 33, 1000)
SHAPES = ((1, 1), (7, 33), (33, 7), (130, 3), (1000, 1), (3, 130))  # (K, D): about every tile's edge
KINDS = ("isotropic", "diagonal", "full")
TINY = 1e-12


class Law(NamedTuple):
    """A named interpolant to look at at time t."""

    name: str
    interpolant: Interpolant
    t: float


def kind_of(law: Law) -> str:
    """The kind of covariance that the law of x_t has: what a kernel may take or leave."""
    return KINDS[np.asarray(law.interpolant.moments(law.t).cov).ndim - 1]


def _covariance(rng: np.random.Generator, kind: str, k: int, dim: int) -> Any:
    if kind == "isotropic":
        return rng.uniform(0.2, 1.5, k)
    if kind == "diagonal":
        return rng.uniform(0.2, 1.5, (k, dim))
    root = rng.normal(size=(k, dim, dim)) / np.sqrt(dim)
    return 0.3 * np.eye(dim) + root @ np.swapaxes(root, 1, 2)


def _target(rng: np.random.Generator, kind: str, k: int, dim: int, weights: Any = None) -> GaussianMixture:
    chosen = rng.dirichlet(np.full(k, 2.0)) if weights is None else weights
    return GaussianMixture(chosen, 2.0 * rng.normal(size=(k, dim)), _covariance(rng, kind, k, dim))


def shaped(seed: int, effort: int) -> Iterator[Law]:
    """Fresh laws of every shape, their kinds taken in turn (every kind of every shape in the full profile)."""
    for i, (k, dim) in enumerate(SHAPES):
        for kind in KINDS if effort > 1 else (KINDS[i % 3],):
            if kind == "full" and max(k, dim) > 200:
                continue  # K·D² numbers: the diagonal kinds see this edge
            rng = np.random.default_rng([seed, i, KINDS.index(kind)])
            base = GaussianMixture(np.ones(1), np.zeros((1, dim)), np.ones(1))
            coupling = Coupling.independent(base, _target(rng, kind, k, dim))
            yield Law(f"{kind} K = {k}, D = {dim}", Interpolant(coupling, Schedule.linear()), 0.6)


def paired(seed: int) -> Law:
    """3 × 11 components over independent endpoints with one shared variance each: logits that factorise."""
    rng = np.random.default_rng([seed, 100])
    ends = [
        GaussianMixture(rng.dirichlet(np.ones(k)), 3.0 * rng.normal(size=(k, 2)), np.full(k, v))
        for k, v in ((3, 0.5), (11, 0.1))
    ]
    return Law("3 × 11 endpoints", Interpolant(Coupling.independent(*ends), Schedule.trigonometric()), 0.4)


def uneven(seed: int) -> Law:
    """Weights of 1, 1e-6 and 1e-12 on modes far apart: points at each mode see what its weight is."""
    rng = np.random.default_rng([seed, 101])
    weights = np.array([1.0, TINY, 1e-6, TINY, 1.0, 1e-6, TINY])
    target = GaussianMixture(weights / weights.sum(), 6.0 * rng.normal(size=(7, 2)), np.full((7, 2), 0.3))
    base = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones(1))
    return Law("weights to 1e-12", Interpolant(Coupling.independent(base, target), Schedule.linear()), 0.9)


def rows(law: Law, n: int, seed: int, spread: float = 1.0) -> Tensor:
    """n points around the components in turn, so that each is visited, ``spread`` times as far as a draw; float64."""
    moments = law.interpolant.moments(law.t)
    rng = np.random.default_rng([seed, n])
    mean, cov = np.asarray(moments.mean), np.asarray(moments.cov)
    which = (np.arange(n) + rng.integers(len(mean))) % len(mean)
    z = rng.standard_normal((n, mean.shape[1]))
    if cov.ndim == 3:
        step = np.einsum("nij,nj->ni", np.linalg.cholesky(cov[which]), z)
    else:
        step = np.sqrt(cov[which] if cov.ndim == 2 else cov[which][:, None]) * z
    return torch.as_tensor(mean[which] + spread * step)


def layouts(x: Tensor) -> dict[str, Tensor]:
    """The same numbers behind other strides and offsets; what lies between them is NaN."""
    n, dim = x.shape
    nan = float("nan")
    wide = torch.full((2 * n + 5, 3 * dim + 4), nan, dtype=x.dtype, device=x.device)
    every_other = wide[3 : 3 + 2 * n : 2, 1 : 1 + 3 * dim : 3]
    padded = torch.full((n, dim + 3), nan, dtype=x.dtype, device=x.device)[:, :dim]
    late = torch.full((n * dim + 7,), nan, dtype=x.dtype, device=x.device)[7:].view(n, dim)
    for view in (every_other, padded, late):
        view.copy_(x)
    return {
        "columns first": x.T.contiguous().T,
        "every other row and third column": every_other,
        "rows padded": padded,
        "behind an offset": late,
    }


def poisoned(call: Callable[[], Tensor], like: Tensor) -> Tensor:
    """The answer of ``call`` after memory of its size has been filled with NaN and given back to the allocator."""
    for shape in ((like.shape[0],), tuple(like.shape)):
        for _ in range(2):
            waste = torch.full(shape, float("nan"), dtype=like.dtype, device=like.device)
            del waste
    return call()
