"""Brownian paths that a solver may query anywhere: the noise is ours, so that a run can be repeated and probed.

``brownian(t0, t1) = W(t1) − W(t0)``, (N, M), additive over subintervals, also with t1 < t0 (a falling grid: W is one
path, read downwards). A time that was never asked for before is drawn from the exact conditional law given what is
known and is remembered: two solvers with different steps see the same path. ``brownian.area(t0, t1)`` is
∫ (W_u − W_{t0}) |du| between the two times, for schemes of strong order above one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch


def time_rounding(dtype: torch.dtype) -> float:
    """Two times closer than this are the same: some roundings of a sum of steps on [-1, 1] in the state's dtype."""
    return 32.0 * float(torch.finfo(dtype).eps)


class Brownian(Protocol):
    """What a solver is handed."""

    def __call__(self, t0: float, t1: float) -> torch.Tensor: ...
    def area(self, t0: float, t1: float) -> torch.Tensor: ...
    @property
    def shape(self) -> tuple[int, int]: ...


class BrownianPath:
    """N rows of an M-channel Brownian path on [knots[0], knots[-1]]; values (K, N, M) of W at the knots, float64.

    integrals (K, N, M): S(t) = ∫ W from the first knot, drawn when first asked for if not given. ``bridged`` counts
    the times that were filled in after construction. Not for use by several threads.
    """

    def __init__(
        self,
        knots: Sequence[float],
        values: torch.Tensor,
        integrals: torch.Tensor | None = None,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self._times = [float(t) for t in knots]
        if any(b <= a for a, b in zip(self._times, self._times[1:], strict=False)) or len(self._times) < 2:
            raise ValueError(f"knots: expected at least two rising times, got {self._times[:4]} ...")
        if values.ndim != 3 or values.shape[0] != len(self._times):
            raise ValueError(f"values: expected shape ({len(self._times)}, N, M), got {tuple(values.shape)}")
        self._w = dict(zip(self._times, values.unbind(0), strict=True))
        self._s = None if integrals is None else dict(zip(self._times, integrals.unbind(0), strict=True))
        self._seed = seed
        self._dtype = dtype
        self._same = time_rounding(dtype)
        self.shape: tuple[int, int] = (values.shape[1], values.shape[2])
        self.bridged = 0

    @classmethod
    def sample(
        cls,
        times: Iterable[float],
        rows: int,
        channels: int,
        seed: int,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
    ) -> BrownianPath:
        """Independent paths with W = 0 at the lowest of ``times`` (in any order)."""
        knots = distinct(times, dtype)
        steps = torch.tensor(np.diff(knots)).sqrt().reshape(-1, 1, 1)
        normal = torch.randn(len(knots) - 1, rows, channels, generator=_generator(seed, 0), dtype=torch.float64)
        values = torch.zeros(len(knots), rows, channels, dtype=torch.float64)
        torch.cumsum(normal.mul_(steps), dim=0, out=values[1:])
        return cls(knots, values.to(device), seed=seed, dtype=dtype)

    def __call__(self, t0: float, t1: float) -> torch.Tensor:
        """W(t1) − W(t0), (N, M). ValueError beyond the ends of the path."""
        start, end = self._know(t0), self._know(t1)
        return (self._w[end] - self._w[start]).to(self._dtype)

    def area(self, t0: float, t1: float) -> torch.Tensor:
        """∫ (W_u − W_{t0}) |du| over the interval between t0 and t1, (N, M)."""
        start, end = self._know(t0), self._know(t1)
        s = self._integrals()
        sign = 1.0 if end >= start else -1.0
        return (sign * (s[end] - s[start]) - self._w[start] * abs(end - start)).to(self._dtype)

    def _know(self, t: float) -> float:
        """The knot at t, filled in if it was not there."""
        time = float(t)
        i = bisect_left(self._times, time)
        near = [self._times[j] for j in (i - 1, i) if 0 <= j < len(self._times)]
        closest = min(near, key=lambda knot: abs(knot - time))
        if abs(closest - time) <= self._same:
            return closest
        if not 0 < i < len(self._times):
            ends = f"[{self._times[0]:g}, {self._times[-1]:g}]"
            raise ValueError(f"brownian: expected times in {ends}, the interval of the run, got {time!r}")
        self._bridge(self._times[i - 1], time, self._times[i])
        self.bridged += 1
        insort(self._times, time)
        return time

    def _bridge(self, a: float, u: float, b: float) -> None:
        """Draw (W, S) at u given both at a and b: (W, S) is a Markov process with Gaussian transitions."""
        h, theta = b - a, (u - a) / (b - a)
        near = self._w[a]
        noise = torch.randn(4, *self.shape, generator=_generator(self._seed, *_words(u)), dtype=torch.float64).to(
            near.device
        )
        dw = self._w[b] - near
        if self._s is None:
            self._w[u] = near + theta * dw + math.sqrt(h * theta * (1 - theta)) * noise[0]
            return
        # In units of h = 1: two free pieces, then conditioned on what their sums are known to be.
        w1, s1 = _piece(theta, noise[0], noise[1])
        w2, s2 = _piece(1 - theta, noise[2], noise[3])
        area = self._s[b] - self._s[a] - near * h
        miss_w = dw / math.sqrt(h) - (w1 + w2)
        miss_s = area / h**1.5 - (s1 + w1 * (1 - theta) + s2)
        x, y = 4 * miss_w - 6 * miss_s, 12 * miss_s - 6 * miss_w
        w1 = w1 + theta * x + (theta - theta**2 / 2) * y
        s1 = s1 + theta**2 / 2 * x + (theta**2 / 2 - theta**3 / 6) * y
        self._w[u] = near + math.sqrt(h) * w1
        self._s[u] = self._s[a] + near * (u - a) + h**1.5 * s1

    def _integrals(self) -> dict[float, torch.Tensor]:
        if self._s is None:
            t = self._times
            w = torch.stack([self._w[k] for k in t])
            h = torch.tensor(np.diff(t), device=w.device).reshape(-1, 1, 1)
            normal = torch.randn(len(t) - 1, *self.shape, generator=_generator(self._seed, 1), dtype=torch.float64).to(
                w.device
            )
            cells = h * (w[1:] + w[:-1]) / 2 - h**1.5 / (2 * math.sqrt(3)) * normal
            sums = torch.cat([torch.zeros_like(w[:1]), torch.cumsum(cells, dim=0)])
            self._s = dict(zip(t, sums.unbind(0), strict=True))
        return self._s


@dataclass
class Rows:
    """The same path seen by a subset, a permutation or a repetition of its rows."""

    path: Brownian
    index: torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        return (int(self.index.numel()), self.path.shape[1])

    def __call__(self, t0: float, t1: float) -> torch.Tensor:
        return self.path(t0, t1)[self.index]

    def area(self, t0: float, t1: float) -> torch.Tensor:
        return self.path.area(t0, t1)[self.index]


@dataclass
class Recorder:
    """A path that remembers what it was asked: ``increments`` and ``areas`` are the (t0, t1) in order."""

    path: Brownian
    increments: list[tuple[float, float]] = field(default_factory=list)
    areas: list[tuple[float, float]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int]:
        return self.path.shape

    @property
    def times(self) -> list[float]:
        """Every time that was named, rising."""
        return sorted({t for pair in (*self.increments, *self.areas) for t in pair})

    def __call__(self, t0: float, t1: float) -> torch.Tensor:
        self.increments.append((float(t0), float(t1)))
        return self.path(t0, t1)

    def area(self, t0: float, t1: float) -> torch.Tensor:
        self.areas.append((float(t0), float(t1)))
        return self.path.area(t0, t1)


def _piece(length: float, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Increment and area of a free path over a length, from two independent normals."""
    w = math.sqrt(length) * first
    return w, length / 2 * w - length**1.5 / (2 * math.sqrt(3)) * second


def distinct(times: Iterable[float], dtype: torch.dtype = torch.float64) -> list[float]:
    """Rising, with times that differ by rounding in the state's dtype only taken as one; both ends kept."""
    ordered = sorted(float(t) for t in times)
    last, same = ordered[-1], time_rounding(dtype)
    out: list[float] = []
    for t in ordered:
        if not out or (t > out[-1] and t == last) or (t - out[-1] > same and last - t > same):
            out.append(t)
    return out


def _words(t: float) -> tuple[int, int]:
    bits = int(np.float64(t).view(np.uint64))
    return bits >> 32, bits & 0xFFFFFFFF


def _generator(*words: int) -> torch.Generator:
    state = np.random.SeedSequence([abs(w) for w in words]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))
