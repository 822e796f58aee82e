"""Streaming posterior averages over mixture components: the softmax that never sees all of them at once.

For points x the responsibility of component k is r_k = w_k N(x; m_k, C_k) / rho(x). Sums over k run in
blocks with a running maximum of the log terms, so memory does not grow with K and nothing is
exponentiated before its maximum is taken away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from array_api_compat import array_namespace

from analytic.arrays import Array
from analytic.covariance import Factor

LOG_TWO_PI = math.log(2.0 * math.pi)


class Components(Protocol):
    """A block of k components at B times."""

    @property
    def log_weight(self) -> Array:
        """(k,), -inf for a weight of zero."""

    @property
    def anchor(self) -> Array:
        """(1 or B, k, D)."""

    @property
    def offset(self) -> Array | None:
        """(B, k, D), where x - m = (x - anchor) + offset."""

    @property
    def factor(self) -> Factor:
        """C, ready to be solved with."""
        ...


class Source(Protocol):
    """Where blocks of components come from."""

    @property
    def n_components(self) -> int:
        """K."""
        ...

    @property
    def dim(self) -> int:
        """D."""
        ...

    @property
    def kind(self) -> str:
        """Storage of the covariances."""
        ...

    def components(self, times: slice, ks: slice) -> Components:
        """The components `ks` at the times `times`."""
        ...


@dataclass(frozen=True, eq=False)
class Block:
    """Components (B, k) seen from points (B, P): x - m, slope g = -C^-1 (x - m) and log term."""

    components: Any
    residual: Array  # (B, k, P, D)
    slope: Array  # (B, k, P, D)
    log_term: Array  # (B, k, P)
    times: slice
    where: slice  # which of the P points


Accumulate = Callable[[Array, Block], tuple[Array, ...]]
"""(weights (B, k, P), block) -> arrays (B, P, ...), each linear in the weights."""


def average(source: Source, x: Array, accumulate: Accumulate, block_elements: int) -> tuple[Array, tuple[Array, ...]]:
    """(log rho (B, P), posterior averages) for points x (B, P, D)."""
    xp = array_namespace(x)
    n_times, n_points, dim = x.shape
    per_component = dim * dim if source.kind == "full" else dim
    k_size = max(1, min(source.n_components, block_elements // (64 * dim), block_elements // per_component))
    b_size = max(1, min(n_times, block_elements // (k_size * per_component)))
    p_size = max(1, block_elements // (b_size * k_size * dim))
    logs, averages = [], []
    for times in slices(n_times, b_size):
        parts = list(slices(n_points, p_size))
        states: list[Any] = [None] * len(parts)
        for ks in slices(source.n_components, k_size):
            components = source.components(times, ks)
            for i, part in enumerate(parts):
                block = see(components, x[times, part, :], times, part)
                states[i] = _merge(xp, states[i], block, accumulate)
        finished = [_finish(xp, state) for state in states]
        logs.append(_join(xp, [log for log, _ in finished], 1))
        averages.append([_join(xp, column, 1) for column in zip(*(a for _, a in finished), strict=True)])
    return _join(xp, logs, 0), tuple(_join(xp, column, 0) for column in zip(*averages, strict=True))


def see(components: Components, x: Array, times: slice, where: slice) -> Block:
    """The block of `components` seen from x (B, P, D), from the exact differences x - m."""
    delta = differences(x, components.anchor, components.offset)
    square, solved = components.factor.solve(delta)
    constant = components.log_weight[None, :] - 0.5 * (x.shape[-1] * LOG_TWO_PI + components.factor.logdet)
    return Block(components, delta, -solved, constant[:, :, None] - 0.5 * square, times, where)


def differences(x: Array, centres: Array, offsets: Array | None = None) -> Array:
    """(x (B, P, D) - centres (1 or B, k, D)) + offsets -> (B, k, P, D), laid out in memory with the points innermost.

    D is often 1 or 2: elementwise loops, which follow the layout of what they read, would be that short.
    """
    xp = array_namespace(x)
    n_times, n_points, dim = x.shape
    # Flattening is what copies to the new order in every library.
    columns = xp.reshape(xp.reshape(xp.permute_dims(x, (0, 2, 1)), (-1,)), (n_times, 1, dim, n_points))
    apart = columns - centres[:, :, :, None]
    return xp.permute_dims(apart if offsets is None else apart + offsets[:, :, :, None], (0, 1, 3, 2))


def log_terms(source: Source, x: Array) -> Array:
    """All log w_k N(x; m_k, C_k), (B, K, P), materialised."""
    everything = slice(0, x.shape[0])
    block = see(source.components(everything, slice(0, source.n_components)), x, everything, slice(0, x.shape[1]))
    return block.log_term


def slices(total: int, size: int) -> Iterator[slice]:
    """[0, total) in pieces of `size`; one empty piece for total = 0."""
    for start in range(0, max(total, 1), size):
        yield slice(start, min(start + size, total))


def weigh(weights: Array, values: Array) -> Array:
    """sum_k weights (B, k, P) values (B, k, P, F) -> (B, P, F)."""
    return array_namespace(values).sum(weights[..., None] * values, axis=1)


def weigh_constants(weights: Array, values: Array) -> Array:
    """sum_k weights (B, k, P) values (B, k, F) -> (B, P, F), for values that no point changes."""
    xp = array_namespace(values)
    return xp.matmul(xp.matrix_transpose(weights), values)


def _merge(xp: Any, state: Any, block: Block, accumulate: Accumulate) -> Any:
    peak = xp.max(block.log_term, axis=1)
    if state is not None:
        peak = xp.maximum(peak, state[0])
    # Only where every weight so far is zero is the peak -inf; any finite stand-in then gives exp(-inf) = 0.
    level = xp.where(peak > -math.inf, peak, xp.zeros_like(peak))
    weights = xp.exp(block.log_term - level[:, None, :])
    total = xp.sum(weights, axis=1)
    sums = accumulate(weights, block)
    if state is not None:
        old_peak, old_total, old_sums = state
        shrink = xp.exp(old_peak - level)
        total = total + shrink * old_total
        sums = tuple(new + _trailing(shrink, new) * old for new, old in zip(sums, old_sums, strict=True))
    return peak, total, sums


def _finish(xp: Any, state: Any) -> tuple[Array, list[Array]]:
    peak, total, sums = state
    return peak + xp.log(total), [value / _trailing(total, value) for value in sums]


def _trailing(a: Array, like: Array) -> Array:
    """`a` (B, P) with trailing axes added until it has as many as `like`."""
    return array_namespace(a).reshape(a, tuple(a.shape) + (1,) * (like.ndim - a.ndim))


def _join(xp: Any, parts: Sequence[Array], axis: int) -> Array:
    return parts[0] if len(parts) == 1 else xp.concat(list(parts), axis=axis)
