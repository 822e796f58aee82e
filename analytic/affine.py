"""Gaussian laws under affine drifts: fields as affine functions of x, exact moments, Kullback-Leibler along time.

Where the coupling has one component, every field of MATH.md section 3 is affine in x, every equation of section 4
keeps Gaussian laws Gaussian, and moments follow from a propagator (`analytic.propagator`) to rounding.
Albergo, Boffi, Vanden-Eijnden, arXiv:2303.08797, Section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.arrays import to_numpy
from analytic.gaussian import Gaussian, dense, kl
from analytic.propagator import MatrixFunction, check_grid, gauss_rule, panel_propagators, refine

Array = NDArray[np.floating[Any]]
VectorFunction = Callable[[Array], Array]  # t (T,) -> (T, D)
Epsilon = float | Callable[[Array], Array]  # a constant, or t (T,) -> (T,)


@dataclass(frozen=True, eq=False)
class AffineField:
    """f(t, x) = A(t) x + a(t); matrix: t (T,) -> (T, D, D), offset: t (T,) -> (T, D), both NumPy float64."""

    matrix: MatrixFunction
    offset: VectorFunction

    def __call__(self, t: float, x: Array) -> Array:
        """The field at one time on rows x (N, D) -> (N, D)."""
        time = np.array([float(t)])
        return np.asarray(x, dtype=np.float64) @ self.matrix(time)[0].T + self.offset(time)[0]

    def __add__(self, other: AffineField) -> AffineField:
        return AffineField(lambda t: self.matrix(t) + other.matrix(t), lambda t: self.offset(t) + other.offset(t))

    def scaled(self, factor: Epsilon) -> AffineField:
        """factor(t) f(t, x) for a number or a function of time."""
        f = as_function(factor, "factor")
        return AffineField(lambda t: f(t)[:, None, None] * self.matrix(t), lambda t: f(t)[:, None] * self.offset(t))


def as_function(value: Epsilon, name: str) -> Callable[[Array], Array]:
    """A number or a callable t (T,) -> (T,) as the latter."""
    if callable(value):
        return lambda t: np.broadcast_to(np.asarray(value(t), dtype=np.float64), t.shape)
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{name}: expected a finite number or a function of t, got {value!r}")
    return lambda t: np.full(t.shape, number)


@dataclass(frozen=True, eq=False)
class GaussianPath:
    """The law N(m(t), C(t)) of one component of an interpolant, and A = Cov(x_dot, x), at many times at once.

    mean0, mean1: (D,); cov00, cov11, cov01: (D, D); schedule: anything with `at(t)` -> coefficients.
    """

    schedule: Any
    mean0: Array
    mean1: Array
    cov00: Array
    cov11: Array
    cov01: Array

    @classmethod
    def of(cls, interpolant: Any) -> GaussianPath:
        """The path of an `Interpolant` with one component; ValueError if it has several."""
        coupling = interpolant.coupling
        if len(coupling.weights) != 1:
            raise ValueError(f"interpolant: expected one Gaussian component, got {len(coupling.weights)}")
        mean0, mean1 = (to_numpy(m)[0] for m in (coupling.mean0, coupling.mean1))
        blocks = (dense(to_numpy(c)[0], mean0.size) for c in (coupling.cov00, coupling.cov11, coupling.cov01))
        return cls(interpolant.schedule, mean0, mean1, *blocks)

    @property
    def dim(self) -> int:
        """D."""
        return int(self.mean0.size)

    def law(self, t: float) -> Gaussian:
        """The law of x_t."""
        time = np.array([float(t)])
        return Gaussian(self.mean(time)[0], self.cov(time)[0])

    def mean(self, t: Array) -> Array:
        """m = alpha m0 + beta m1, (T, D)."""
        c = self.schedule.at(t)
        return _times(c.alpha, self.mean0) + _times(c.beta, self.mean1)

    def mean_dot(self, t: Array) -> Array:
        """m' = alpha' m0 + beta' m1, (T, D)."""
        c = self.schedule.at(t)
        return _times(c.alpha_dot, self.mean0) + _times(c.beta_dot, self.mean1)

    def cov(self, t: Array) -> Array:
        """C = alpha² C00 + beta² C11 + alpha beta (C01 + C10) + gamma² I, (T, D, D)."""
        c = self.schedule.at(t)
        both = self.cov01 + self.cov01.T
        return (
            _times(c.alpha**2, self.cov00)
            + _times(c.beta**2, self.cov11)
            + _times(c.alpha * c.beta, both)
            + _times(c.gamma2, np.eye(self.dim))
        )

    def cross(self, t: Array) -> Array:
        """A = Cov(x_dot, x), (T, D, D); not ½ C' where C01 is not symmetric."""
        c = self.schedule.at(t)
        return (
            _times(c.alpha_alpha_dot, self.cov00)
            + _times(c.beta_beta_dot, self.cov11)
            + _times(c.alpha_dot_beta, self.cov01)
            + _times(c.beta_dot_alpha, self.cov01.T)
            + _times(c.gamma_gamma_dot, np.eye(self.dim))
        )

    def rate(self, t: Array) -> Array:
        """A C⁻¹, the Jacobian of the velocity, (T, D, D)."""
        return np.linalg.solve(self.cov(t), self.cross(t).swapaxes(-1, -2)).swapaxes(-1, -2)

    def velocity(self) -> AffineField:
        """b = m' + A C⁻¹ (x − m)."""
        return AffineField(self.rate, lambda t: self.mean_dot(t) - np.einsum("tij,tj->ti", self.rate(t), self.mean(t)))

    def score(self) -> AffineField:
        """s = −C⁻¹ (x − m)."""
        return AffineField(
            lambda t: -np.linalg.inv(self.cov(t)),
            lambda t: np.linalg.solve(self.cov(t), self.mean(t)[..., None])[..., 0],
        )

    def drift(self, epsilon: Epsilon, direction: str = "forward") -> AffineField:
        """b_F = b + eps s ("forward") or b_B = b − eps s ("backward")."""
        if direction not in ("forward", "backward"):
            raise ValueError(f"direction: expected 'forward' or 'backward', got {direction!r}")
        eps = as_function(epsilon, "epsilon")
        sign = 1.0 if direction == "forward" else -1.0
        return self.velocity() + self.score().scaled(lambda t: sign * eps(t))


def _times(coefficient: Array, block: Array) -> Array:
    """coefficient (T,) times a constant block; a zero block wins over an infinite coefficient."""
    if not np.any(block):
        return np.zeros((coefficient.size, *block.shape))
    return coefficient.reshape(-1, *(1,) * block.ndim) * block


@dataclass(frozen=True, eq=False)
class AffineSDE:
    """dX = (A(t) X + a(t)) dt + G(t) dW, run along a grid that rises, or falls (then dt < 0 and dW is backward).

    drift: the affine field; noise: t (T,) -> (T, D, M); a falling grid integrates the backward SDE of MATH.md
    section 4, whose noise adds variance as t falls.
    """

    drift: AffineField
    noise: MatrixFunction

    @classmethod
    def of(cls, path: GaussianPath, epsilon: Epsilon, direction: str = "forward") -> AffineSDE:
        """dX = (b ± eps s) dt + sqrt(2 eps) dW on the path's law; eps = 0 is the probability flow."""
        return cls(path.drift(epsilon, direction), isotropic_noise(epsilon, path.dim))


def isotropic_noise(epsilon: Epsilon, dim: int) -> MatrixFunction:
    """G(t) = sqrt(2 eps(t)) I; ValueError where eps < 0."""
    eps = as_function(epsilon, "epsilon")

    def noise(t: Array) -> Array:
        values = eps(t)
        if np.any(values < 0):
            raise ValueError(f"epsilon: expected eps(t) >= 0, got {values.min():.6g}")
        return np.sqrt(2.0 * values)[:, None, None] * np.eye(dim)

    return noise


@dataclass(frozen=True, eq=False)
class StepLaws:
    """The exact transition over each grid step: X_{i+1} = transition X_i + shift + xi_i, xi_i ~ N(0, cov).

    transition (N, D, D), shift (N, D), cov (N, D, D). kernel (Q, D, M) holds Phi(t_{i+1}, u) G(u) at quadrature
    nodes u = node (Q,) with weight (Q,) >= 0, owner (Q,) sorted: xi_i = ∫ kernel dW. error: stated relative error.
    """

    grid: Array
    transition: Array
    shift: Array
    cov: Array
    kernel: Array
    node: Array
    weight: Array
    owner: NDArray[np.intp]
    error: float


def step_laws(sde: AffineSDE, grid: Array) -> StepLaws:
    """Transitions over every step of a strictly monotone grid, refined inside each step to rounding."""
    grid = check_grid(grid)
    dim = sde.drift.offset(grid[:1]).shape[-1]
    panels = refine(lambda t: _augmented(sde, t), grid)
    count, size = panels.left.size, panels.propagators.shape[-1]
    rule, weights = gauss_rule()
    h = panels.right - panels.left
    node = (panels.left[:, None] + h[:, None] * rule).reshape(-1)
    tail = panel_propagators(sde.drift.matrix, node, np.repeat(panels.right, rule.size))
    # Products from each panel's right end to the end of its grid step.
    total = np.tile(np.eye(size), (grid.size - 1, 1, 1))
    after = np.empty((count, dim, dim))
    for p in range(count - 1, -1, -1):
        owner = panels.owner[p]
        after[p] = total[owner, :dim, :dim]
        total[owner] = total[owner] @ panels.propagators[p]
    kernel = np.repeat(after, rule.size, axis=0) @ tail @ sde.noise(node)
    weight = np.abs(np.repeat(h, rule.size) * np.tile(weights, count))
    owners = np.repeat(panels.owner, rule.size)
    cov = by_step(weight[:, None, None] * (kernel @ kernel.swapaxes(-1, -2)), owners)
    return StepLaws(grid, total[:, :dim, :dim], total[:, :dim, dim], cov, kernel, node, weight, owners, panels.error)


def by_step(values: Array, owner: NDArray[np.intp]) -> Array:
    """Sums of (Q, ...) values over the nodes of each grid step, (N, ...)."""
    return np.add.reduceat(values, np.flatnonzero(np.diff(owner, prepend=-1)), axis=0)


def laws(sde: AffineSDE, initial: Gaussian, times: Array) -> list[Gaussian]:
    """The exact law at every time of a monotone grid; `initial` is the law at times[0]."""
    steps = step_laws(sde, times)
    out = [initial]
    for phi, shift, cov in zip(steps.transition, steps.shift, steps.cov, strict=True):
        spread = phi @ out[-1].cov @ phi.T
        out.append(Gaussian(phi @ out[-1].mean + shift, 0.5 * (spread + spread.T) + cov))
    return out


def kl_along(p: AffineSDE, q: AffineSDE, initial: Gaussian, times: Array) -> Array:
    """KL(p(t)‖q(t)) at every time, both started from `initial`, (T,)."""
    pairs = zip(laws(p, initial, times), laws(q, initial, times), strict=True)
    return np.array([kl(a, b) for a, b in pairs])


def _augmented(sde: AffineSDE, t: Array) -> Array:
    """[[A, a, G], [0, 0, 0]]: its propagator holds Phi, ∫Phi a and ∫Phi G, so refining it resolves all three."""
    matrix, offset, noise = sde.drift.matrix(t), sde.drift.offset(t), sde.noise(t)
    dim, sources = matrix.shape[-1], noise.shape[-1]
    out = np.zeros((t.size, dim + 1 + sources, dim + 1 + sources))
    out[:, :dim, :dim], out[:, :dim, dim], out[:, :dim, dim + 1 :] = matrix, offset, noise
    return out
