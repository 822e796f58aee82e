"""Velocity and score of an interpolant with everything that depends on t alone computed once.

A solver's run asks for the same few hundred times over and over, for every subject, with few rows: the fields of
`analytic.Interpolant` then spend their time on schedules and factorisations. Per component (MATH.md sections 2, 3):

    g_k = −C_k⁻¹ (x − m_k),   u_k = ṁ_k − A_k g_k,   s = Σ r_k g_k,   b = Σ r_k u_k
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

# Beyond these the cached inverse would cost digits, or (K, N, D) memory: the interpolant's own fields are used.
_LARGEST_CONDITION = 1e5
_LARGEST_SIZE = 64
# Adaptive solvers ask for every time once.
_MOST_TIMES = 20_000


@dataclass(frozen=True, eq=False)
class _Moment:
    """One time: log weights minus half log determinants (K, 1), means and their rates (K, D, 1), C⁻¹, A (K, D, D)."""

    log_factor: torch.Tensor
    mean: torch.Tensor
    rate: torch.Tensor
    precision: torch.Tensor
    cross: torch.Tensor


@dataclass(frozen=True, eq=False)
class CachedFields:
    """``fields(t, x) -> (velocity, score)``, each (N, D) in the dtype of x; t a number, a 0-d tensor or (N,)."""

    interpolant: Any
    _moments: dict[tuple[float, str], _Moment | None] = field(default_factory=dict, repr=False)

    def __call__(self, t: float | torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        time = as_time(t)
        moment = None if time is None else self._moment(time, x.device)
        if moment is None:
            at = t if time is None else time
            return self.interpolant.velocity(at, x), self.interpolant.score(at, x)
        # Rows last: sums over components and coordinates then run along memory, several times faster for small D.
        away = x.to(torch.float64).T - moment.mean
        times = torch.mul if x.shape[-1] == 1 else torch.matmul
        pull = -times(moment.precision, away)
        flow = moment.rate - times(moment.cross, pull)
        if pull.shape[0] == 1:
            return _rows(flow[0], x), _rows(pull[0], x)
        share = torch.softmax(moment.log_factor + 0.5 * (away * pull).sum(1), dim=0)[:, None]
        return _rows((share * flow).sum(0), x), _rows((share * pull).sum(0), x)

    def velocity(self, t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self(t, x)[0]

    def score(self, t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self(t, x)[1]

    def _moment(self, t: float, device: torch.device) -> _Moment | None:
        key = (t, str(device))
        if key not in self._moments:
            if len(self._moments) >= _MOST_TIMES:
                self._moments.clear()
            self._moments[key] = self._make(t, device)
        return self._moments[key]

    def _make(self, t: float, device: torch.device) -> _Moment | None:
        coupling = self.interpolant.coupling
        if coupling.n_components * coupling.dim > _LARGEST_SIZE:
            return None
        moments = self.interpolant.moments(t)
        cov, cross = (dense_blocks(np.asarray(a), coupling.dim) for a in (moments.cov, moments.cross))
        if not np.isfinite(cross).all() or np.linalg.cond(cov).max() > _LARGEST_CONDITION:
            return None
        weights = np.asarray(coupling.weights, dtype=float)
        with np.errstate(divide="ignore"):
            factor = np.log(weights) - 0.5 * np.linalg.slogdet(cov)[1]
        parts = (
            factor[:, None], np.asarray(moments.mean)[..., None], np.asarray(moments.mean_dot)[..., None],
            np.linalg.inv(cov), cross,
        )  # fmt: skip
        return _Moment(*(torch.tensor(p, dtype=torch.float64, device=device) for p in parts))


def _rows(columns: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return columns.T.to(like.dtype).contiguous()


def as_time(t: float | torch.Tensor) -> float | None:
    """One number for a time however it came; None where the rows have times of their own. TypeError otherwise."""
    if isinstance(t, torch.Tensor):
        if t.numel() == 1:
            return float(t)
        first = float(t.reshape(-1)[0])
        return first if bool((t == first).all()) else None
    if isinstance(t, (int, float, np.floating)):
        if not math.isfinite(t):
            raise ValueError(f"t: expected a finite time, got {t!r}")
        return float(t)
    raise TypeError(f"t: expected a number or a tensor, got {type(t).__name__}")


def dense_blocks(blocks: np.ndarray, dim: int) -> np.ndarray:
    """(K,) isotropic, (K, D) diagonal or (K, D, D) as (K, D, D)."""
    if blocks.ndim == 1:
        return blocks[:, None, None] * np.eye(dim)
    if blocks.ndim == 2:
        return blocks[:, :, None] * np.eye(dim)
    return blocks
