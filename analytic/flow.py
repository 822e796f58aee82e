"""Exact flow maps X_{s->t} of the probability flow dX = b dt, and the choice among them.

arXiv:2303.08797, Theorem 2.6 (the flow's law is rho(t)); the closed forms are those of a single Gaussian, of a
one-dimensional mixture (monotone rearrangement) and of products of the latter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analytic.affine import GaussianPath
from analytic.arrays import points, restore, to_numpy, transfer
from analytic.flow_monotone import MonotoneFlow
from analytic.flow_numeric import NumericalFlow
from analytic.product_law import Line, common_basis, product_lines
from analytic.propagator import propagators

__all__ = [
    "Flow",
    "GaussianFlow",
    "MonotoneFlow",
    "NumericalFlow",
    "ProductFlow",
    "ReferenceFlow",
    "amplification",
    "reference_flow",
]

Array = NDArray[np.floating[Any]]
_EPS = float(np.finfo(np.float64).eps)


class Flow(Protocol):
    """A flow map on NumPy float64 rows."""

    @property
    def exact(self) -> bool:
        """Closed form (error is rounding only), or integrated numerically."""

    @property
    def error_bound(self) -> float:
        """Relative error: per rounding operation for closed forms, of the answer for integrated ones."""

    def __call__(self, x: Array, s: float, t: float) -> Array:
        """X_t (N, D) for X_s = x (N, D); t may lie before s."""

    def jacobian(self, x: Array, s: float, t: float) -> Array:
        """dX_t/dx, (N, D, D)."""

    def log_det(self, x: Array, s: float, t: float) -> Array:
        """log |det dX_t/dx|, (N,)."""

    def error(self, x: Array, s: float, t: float) -> Array:
        """A bound on the Euclidean error of each answer, (N,)."""


@dataclass(frozen=True, eq=False)
class GaussianFlow:
    """One Gaussian: X_t = m(t) + M (x − m(s)), M' = A C⁻¹ M.

    Where all covariances commute M = C(t)^½ C(s)^−½ (basis is then the common eigenbasis); elsewhere M is the
    propagator of A C⁻¹, integrated to rounding, and `error` states what was achieved.
    """

    path: GaussianPath
    basis: Array | None
    exact: bool = True

    @classmethod
    def of(cls, interpolant: Any) -> GaussianFlow:
        """The flow of an `Interpolant` with one component; ValueError if it has several."""
        path = GaussianPath.of(interpolant)
        return cls(path, common_basis(np.stack([path.cov00, path.cov11, path.cov01])))

    @property
    def error_bound(self) -> float:
        """Rounding per operation, relative."""
        return 16.0 * _EPS

    def matrix(self, s: float, t: float) -> tuple[Array, float]:
        """(M (D, D), its stated relative error)."""
        if s == t:
            return np.eye(self.path.dim), 0.0
        times = np.array([float(s), float(t)])
        if self.basis is None:
            steps, error = propagators(self.path.rate, times)
            return steps[0], error + self.error_bound
        basis = self.basis
        start, end = np.einsum("ia,tij,ja->ta", basis, self.path.cov(times), basis)
        if np.any(start <= 0.0) or np.any(end <= 0.0):
            raise ValueError(f"s, t: the law has a point mass at {s if np.any(start <= 0.0) else t:.17g}")
        # A rotation mixes the rounding of the largest variance into the smallest.
        spread = 1.0 if np.array_equal(basis, np.eye(self.path.dim)) else max(np.ptp(end) / end.min(), 1.0)
        spread = spread if spread == 1.0 else max(spread, start.max() / start.min(), end.max() / end.min())
        return (basis * np.sqrt(end / start)) @ basis.T, self.error_bound * self.path.dim * spread

    def __call__(self, x: Array, s: float, t: float) -> Array:
        if s == t:
            return np.array(x, dtype=np.float64)
        means = self.path.mean(np.array([float(s), float(t)]))
        return means[1] + (np.asarray(x, dtype=np.float64) - means[0]) @ self.matrix(s, t)[0].T

    def jacobian(self, x: Array, s: float, t: float) -> Array:
        return np.tile(self.matrix(s, t)[0], (len(x), 1, 1))

    def log_det(self, x: Array, s: float, t: float) -> Array:
        # From the covariances, C_t = M C_s Mᵀ: no integration enters.
        logs = np.linalg.slogdet(self.path.cov(np.array([float(s), float(t)])))[1]
        return np.full(len(x), 0.5 * (logs[1] - logs[0]))

    def error(self, x: Array, s: float, t: float) -> Array:
        matrix, relative = self.matrix(s, t)
        means = self.path.mean(np.array([float(s), float(t)]))
        moved = np.linalg.norm(matrix, 2) * (
            np.linalg.norm(np.asarray(x) - means[0], axis=1) + np.linalg.norm(means[0])
        )
        return max(relative, self.error_bound) * (moved + np.linalg.norm(means[1]))


@dataclass(frozen=True, eq=False)
class ProductFlow:
    """Independent one-dimensional mixtures along the columns of an orthonormal basis, each moved by its own flow."""

    basis: Array
    factors: tuple[MonotoneFlow, ...]
    exact: bool = True

    @classmethod
    def of(cls, interpolant: Any) -> ProductFlow:
        """The flow of an `Interpolant` whose law factorises; ValueError where it is not seen to."""
        found = product_lines(interpolant)
        if found is None:
            raise ValueError("interpolant: expected a product of one-dimensional mixtures, found no such basis")
        return cls.from_lines(*found)

    @classmethod
    def from_lines(cls, basis: Array, lines: list[Line]) -> ProductFlow:
        """The flow of the given factors along the columns of `basis` (D, D)."""
        return cls(basis, tuple(MonotoneFlow(line) for line in lines))

    @property
    def error_bound(self) -> float:
        """Rounding per operation, relative."""
        return self.factors[0].error_bound

    def _columns(self, x: Array, method: str, s: float, t: float) -> Array:
        coordinates = np.asarray(x, dtype=np.float64) @ self.basis
        columns = [getattr(f, method)(c, s, t) for f, c in zip(self.factors, coordinates.T, strict=True)]
        return np.stack(columns, axis=1)

    def __call__(self, x: Array, s: float, t: float) -> Array:
        if s == t:
            return np.array(x, dtype=np.float64)
        return self._columns(x, "__call__", s, t) @ self.basis.T

    def jacobian(self, x: Array, s: float, t: float) -> Array:
        slopes = np.exp(self._columns(x, "log_derivative", s, t))
        return np.einsum("ia,na,ja->nij", self.basis, slopes, self.basis)

    def log_det(self, x: Array, s: float, t: float) -> Array:
        return self._columns(x, "log_derivative", s, t).sum(axis=1)

    def error(self, x: Array, s: float, t: float) -> Array:
        # A rotation rounds every coordinate relative to the whole vector, on the way in and on the way out.
        own = np.linalg.norm(self._columns(x, "error", s, t), axis=1)
        if np.array_equal(self.basis, np.eye(len(self.factors))):
            return own
        slope = np.exp(self._columns(x, "log_derivative", s, t)).max(axis=1)
        size = slope * np.linalg.norm(x, axis=1) + np.linalg.norm(self(x, s, t), axis=1)
        return own + self.error_bound * len(self.factors) * size


@dataclass(frozen=True, eq=False)
class ReferenceFlow:
    """Any `Flow`, callable with points of any array library; answers come in the library and dtype of the points."""

    flow: Flow
    dim: int

    @property
    def exact(self) -> bool:
        """Whether the map is a closed form."""
        return self.flow.exact

    @property
    def error_bound(self) -> float:
        """Relative error, as the wrapped flow states it."""
        return self.flow.error_bound

    def __call__(self, x: Any, s: float, t: float) -> Any:
        """X_t (N, D) for X_s = x (N, D)."""
        return self._lifted(self.flow, x, s, t)

    def jacobian(self, x: Any, s: float, t: float) -> Any:
        """dX_t/dx (N, D, D)."""
        return self._lifted(self.flow.jacobian, x, s, t)

    def log_det(self, x: Any, s: float, t: float) -> Any:
        """log |det dX_t/dx| (N,)."""
        return self._lifted(self.flow.log_det, x, s, t)

    def error(self, x: Any, s: float, t: float) -> Any:
        """Bound on the Euclidean error of each answer (N,), in float64 before the cast to the dtype of x."""
        return self._lifted(self.flow.error, x, s, t)

    def _lifted(self, method: Any, x: Any, s: float, t: float) -> Any:
        _, wide = points(x, self.dim)
        return restore(transfer(method(to_numpy(wide), float(s), float(t)), x), x)


def reference_flow(interpolant: Any, error_bound: float = 1e-9) -> ReferenceFlow:
    """The exact flow where one is known (`.exact`), else two integrators that agree within `error_bound`."""
    dim = int(interpolant.dim)
    if len(interpolant.coupling.weights) == 1:
        return ReferenceFlow(GaussianFlow.of(interpolant), dim)
    found = product_lines(interpolant)
    if found is not None:
        return ReferenceFlow(ProductFlow.from_lines(*found), dim)
    # alpha and beta of encoding-decoding are cos² up to t = ½ and zero after (or before): b'' jumps there.
    breaks = (0.5,) if interpolant.schedule.name == "encoding_decoding" else ()
    return ReferenceFlow(NumericalFlow(interpolant, error_bound, breaks=breaks), dim)


def amplification(flow: Any, x: Array, s: float, t: float, count: int = 33) -> Array:
    """max over u in [s, t] of the spectral norm of dX_t/dX_u along the trajectory from each x, (N,).

    What a local error made anywhere on the way has grown to at t: an adaptive solver that commits at most `tol` per
    unit of time is off by at most |t − s| times this times `tol` (to first order). u runs over `count` times.
    """
    x = np.asarray(x, dtype=np.float64)
    worst = np.ones(len(x))
    whole = flow.jacobian(x, s, t)
    for u in np.linspace(s, t, count)[:-1]:
        part = flow.jacobian(x, s, float(u))
        # dX_t/dX_u = J_{s,t} J_{s,u}^{-1}
        onward = np.linalg.solve(part.swapaxes(-1, -2), whole.swapaxes(-1, -2)).swapaxes(-1, -2)
        worst = np.maximum(worst, np.linalg.norm(onward, 2, axis=(-2, -1)))
    return worst
