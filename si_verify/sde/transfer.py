"""Expectations of a numerical solution in one dimension with no sampling noise, whatever the drift and the noise.

A one-step scheme is a map x' = F_k(x, n0, n1) of the state and of the step's normals (increment, area), so that

    u_k(x) = E[u_{k+1}(F_k(x, n0, n1))],   u_n = f,   E[f(X_n)] = ∫ u_0 dρ(start)

is a recursion of smooth functions: interpolated by quintic splines, averaged by Gauss–Hermite quadrature, and at the
start by the trapezoidal rule. Weak error is then measured to the accuracy of those, on mixtures and with noise that
depends on the state (Kloeden & Platen, section 8.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.interpolate import BSpline, make_interp_spline

from si_verify.check import Inapplicable
from si_verify.sde.affine_probe import path_of_normals
from si_verify.sde.brownian import Brownian, BrownianPath, Recorder

Step = Callable[[torch.Tensor, torch.Tensor, Brownian], torch.Tensor]  # (x0, times, brownian) -> x

# The law beyond so many standard deviations of its outermost component weighs 1e-10.
_REACH = 6.5
_DEGREE = 5
_ROUNDINGS = 256.0


@dataclass(frozen=True)
class Resolution:
    """Spline nodes in x, Gauss–Hermite nodes in the increment and in the area."""

    nodes: int
    normals: int
    areas: int

    def finer(self) -> Resolution:
        return Resolution(self.nodes + self.nodes // 2, self.normals + 6, self.areas + 2)


@dataclass(frozen=True, eq=False)
class Wave:
    """f(x) = cos(ω x) and sin(ω x) for each ω; expectations under a Gaussian mixture are closed form."""

    frequencies: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (...,) -> (..., 2 F)."""
        phase = x[..., None] * self.frequencies
        return np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)

    def expectation(self, law: Any) -> np.ndarray:
        """(2 F,): Σ w exp(iωm − ½ω²v)."""
        mean, variance = (np.asarray(a, dtype=float).reshape(-1, 1) for a in (law.means, law.covariances))
        value = np.asarray(law.weights) @ np.exp(1j * self.frequencies * mean - 0.5 * self.frequencies**2 * variance)
        return np.concatenate([value.real, value.imag])


def interval(laws: list[Any], reach: float = _REACH) -> tuple[float, float]:
    """An interval that holds every component of every law to ``reach`` standard deviations, and a little more."""
    ends = []
    for law in laws:
        mean, width = np.asarray(law.means)[:, 0], np.sqrt(np.asarray(law.covariances).reshape(-1))
        ends.append((float((mean - reach * width).min()), float((mean + reach * width).max())))
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def expectations(
    step: Step, times: torch.Tensor, start: Any, f: Wave, limits: tuple[float, float], at: Resolution
) -> np.ndarray:
    """E f(X_n), (2 F,), of the scheme on the grid. Inapplicable where its steps cannot be taken one by one."""
    nodes = np.linspace(*limits, at.nodes)
    knots, coefficients = _spline(*limits, at.nodes)
    u = BSpline(knots, coefficients @ f(nodes), _DEGREE)
    rule = _Rule.of(step, nodes, times, at)
    for k in range(len(times) - 2, -1, -1):
        images = rule.images(step, times[k : k + 2])
        mean = np.einsum("mqf,q->mf", u(_inside(images, limits)), rule.weights)
        u = BSpline(knots, coefficients @ mean, _DEGREE)
    points = np.linspace(*limits, 4 * at.nodes)
    shares = np.exp(np.asarray(start.log_density(points[:, None]))) * (points[1] - points[0])
    return shares @ u(_inside(points, limits))


@lru_cache(maxsize=8)
def _spline(low: float, high: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Knots, and the matrix (M, M) that makes coefficients of values at ``count`` even nodes: one solve for all."""
    unit = make_interp_spline(np.linspace(low, high, count), np.eye(count), k=_DEGREE)
    return unit.t, unit.c


def _inside(points: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Points beyond the interval stay at its ends; NaN stays NaN."""
    return np.clip(points, *limits)


@dataclass(frozen=True, eq=False)
class _Rule:
    """Every node x_i with every quadrature point of the step's normals: x0 (M Q, 1), normals (M Q, 2, 1, 1)."""

    x0: torch.Tensor
    normals: np.ndarray
    weights: np.ndarray
    areas: bool

    @classmethod
    def of(cls, step: Step, nodes: np.ndarray, times: torch.Tensor, at: Resolution) -> _Rule:
        areas = _asks_for_areas(step, nodes, times[:2])
        z0, w0 = np.polynomial.hermite_e.hermegauss(at.normals)
        z1, w1 = np.polynomial.hermite_e.hermegauss(at.areas if areas else 1)
        normals = np.stack(np.meshgrid(z0, z1, indexing="ij"), axis=-1).reshape(-1, 2)
        weights = np.outer(w0, w1).reshape(-1)
        rows = np.broadcast_to(normals, (nodes.size, *normals.shape)).reshape(-1, 2, 1, 1)
        x0 = torch.tensor(np.repeat(nodes, len(normals))[:, None], dtype=times.dtype, device=times.device)
        return cls(x0, rows, weights / weights.sum(), areas)

    def images(self, step: Step, pair: torch.Tensor) -> np.ndarray:
        """F(x_i, normals_q), (M, Q)."""
        path = _step_path(pair, self.normals, self.areas)
        images = step(self.x0, pair, path).detach().to(torch.float64).cpu().numpy()
        if path.bridged:
            raise Inapplicable("asks for its noise inside a step: a step is no function of one increment and area")
        return images.reshape(-1, self.weights.size)


def _asks_for_areas(step: Step, nodes: np.ndarray, pair: torch.Tensor) -> bool:
    few = torch.tensor(nodes[:2, None], dtype=pair.dtype, device=pair.device)
    recorder = Recorder(_step_path(pair, np.ones((2, 2, 1, 1)), True))
    step(few, pair, recorder)
    return bool(recorder.areas)


def _step_path(pair: torch.Tensor, normals: np.ndarray, areas: bool) -> BrownianPath:
    ends = sorted(float(t) for t in pair)
    return path_of_normals(ends, normals, areas, pair.dtype, pair.device)


def require_one_step(step: Step, times: torch.Tensor, start: Any, channels: int, seed: int) -> None:
    """See on a few paths that steps taken one by one give what the whole run gives. Inapplicable otherwise."""
    rng = np.random.default_rng(seed)
    x0 = torch.tensor(np.asarray(start.sample(4, rng)), dtype=times.dtype, device=times.device)
    path = BrownianPath.sample(times.tolist(), 4, channels, seed, times.dtype, times.device)
    whole, again = (step(x0, times, path).detach() for _ in range(2))
    if not torch.equal(whole.nan_to_num(), again.nan_to_num()):
        raise Inapplicable("two runs on the same increments differ: it draws its own noise or keeps state")
    x = x0
    for k in range(len(times) - 1):
        x = step(x, times[k : k + 2], path)
    rounding = _ROUNDINGS * len(times) * float(torch.finfo(times.dtype).eps) * (1.0 + float(whole.abs().max()))
    if not bool(((x.detach() - whole).abs() <= rounding).all()):
        raise Inapplicable("a run is not the same as its steps taken one by one: a scheme with memory")
