"""The closed forms once more, in any NumPy dtype and with exchangeable parts.

Two uses, neither of which judges the yardstick's values: in extended precision it says how much a perturbation of
the inputs moves a field (`condition`), and in float64, with one part exchanged for a wrong or careless one, it is
the mutant that the accuracy suite must turn down (`mutants`). Arrays carry a leading axis P of perturbations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
SCHEDULE = ("alpha", "beta", "gamma2", "alpha_dot", "beta_dot", "gamma_gamma_dot")


@dataclass(frozen=True)
class Inputs:
    """Floats as stored. weights (P, K); means (P, K, D); blocks (P, K, D) or (P, K, D, D); x (P, D).

    coefficients: the names of SCHEDULE, each (P,).
    """

    weights: Array
    mean0: Array
    mean1: Array
    cov00: Array
    cov11: Array
    cov01: Array
    x: Array
    coefficients: dict[str, Array]
    inflation: Array | float = 1.0  # (P, K), a factor of each C_k(t)

    @property
    def full(self) -> bool:
        return self.cov00.ndim == 4


@dataclass(frozen=True)
class Parts:
    """The steps in which an implementation can go wrong; `mutants` exchanges one at a time."""

    factor: Callable[[Array, bool], Any]
    squares: Callable[[Inputs, Array, Any], Array]
    log_weights: Callable[[Array], Array]
    normalise: Callable[[Array], tuple[Array, Array]]
    cross: Callable[[Array, bool], Array]


class Cholesky:
    """Solves with C (..., D, D) by its Cholesky factor, written out because NumPy has none in long double."""

    def __init__(self, matrix: Array) -> None:
        dim = matrix.shape[-1]
        low = np.zeros_like(matrix)
        for j in range(dim):
            column = matrix[..., j:, j] - (low[..., j:, :j] @ low[..., j, :j, None])[..., 0]
            low[..., j:, j] = column / np.sqrt(column[..., :1])
        self.low = low

    def logdet(self) -> Array:
        return 2 * np.log(np.diagonal(self.low, axis1=-2, axis2=-1)).sum(-1)

    def half(self, right: Array) -> Array:
        """L⁻¹ right, right (..., D, R)."""
        y = np.empty(np.broadcast_shapes(right.shape, (*self.low.shape[:-1], right.shape[-1])), dtype=self.low.dtype)
        for i in range(y.shape[-2]):
            rest = (self.low[..., i : i + 1, :i] @ y[..., :i, :])[..., 0, :]
            y[..., i, :] = (right[..., i, :] - rest) / self.low[..., i, i, None]
        return y

    def solve(self, right: Array) -> Array:
        y = self.half(right)
        for i in reversed(range(y.shape[-2])):
            rest = (np.swapaxes(self.low, -1, -2)[..., i : i + 1, i + 1 :] @ y[..., i + 1 :, :])[..., 0, :]
            y[..., i, :] = (y[..., i, :] - rest) / self.low[..., i, i, None]
        return y

    def apply(self, vector: Array) -> Array:
        """C⁻¹ v."""
        return self.solve(vector[..., None])[..., 0]

    def ratio(self, matrix: Array) -> Array:
        """A C⁻¹."""
        return np.swapaxes(self.solve(np.swapaxes(matrix, -1, -2)), -1, -2)


class Diagonal:
    """The same for variances (..., D)."""

    def __init__(self, variances: Array) -> None:
        self.variances = variances

    def logdet(self) -> Array:
        return np.log(self.variances).sum(-1)

    def apply(self, vector: Array) -> Array:
        return vector / self.variances

    def ratio(self, matrix: Array) -> Array:
        return matrix / self.variances


def factor(covariance: Array, full: bool) -> Any:
    return Cholesky(covariance) if full else Diagonal(covariance)


def squares(inputs: Inputs, mean: Array, law: Any) -> Array:
    """(x − m)ᵀ C⁻¹ (x − m), (P, K)."""
    rest = inputs.x[:, None] - mean
    return (rest * law.apply(rest)).sum(-1)


def normalise(terms: Array) -> tuple[Array, Array]:
    """log Σ e^terms and the softmax, over the components."""
    top = terms.max(-1, keepdims=True)
    shares = np.exp(terms - top)
    total = shares.sum(-1, keepdims=True)
    return (top + np.log(total))[..., 0], shares / total


SOUND = Parts(factor, squares, np.log, normalise, lambda cross, full: cross)


def evaluate(inputs: Inputs, parts: Parts = SOUND) -> dict[str, Array]:
    """Every field of MATH section 3 at every perturbation: (P, 1), (P, D) or (P, D·D)."""
    full, dim = inputs.full, inputs.x.shape[-1]
    c = {name: value[:, None, None] for name, value in inputs.coefficients.items()}
    a, b, da, db, gg = (c[n] for n in ("alpha", "beta", "alpha_dot", "beta_dot", "gamma_gamma_dot"))

    def block(coefficient: Array, value: Array) -> Array:
        return (coefficient[..., None] if full else coefficient) * value

    def turn(value: Array) -> Array:
        return np.swapaxes(value, -1, -2) if full else value

    eye = np.eye(dim, dtype=inputs.x.dtype) if full else np.ones(dim, dtype=inputs.x.dtype)
    c00, c11, c01 = inputs.cov00, inputs.cov11, inputs.cov01
    mean, mean_dot = a * inputs.mean0 + b * inputs.mean1, da * inputs.mean0 + db * inputs.mean1
    sides = block(a * b, c01)
    covariance = block(a * a, c00) + block(b * b, c11) + sides + turn(sides) + block(c["gamma2"], eye)
    if not isinstance(inputs.inflation, float):
        covariance = block(inputs.inflation[..., None], covariance)
    ends = block(a * da, c00) + block(b * db, c11) + block(da * b, c01) + turn(block(db * a, c01))
    cross = parts.cross(ends + block(gg, eye), full)

    law = parts.factor(covariance, full)
    g = -law.apply(inputs.x[:, None] - mean)
    terms = parts.log_weights(inputs.weights) - 0.5 * (
        parts.squares(inputs, mean, law) + law.logdet() + dim * np.log(2 * _pi(inputs.x.dtype))
    )
    log_density, shares = parts.normalise(terms)

    def act(matrix: Array, vector: Array) -> Array:
        return (matrix @ vector[..., None])[..., 0] if full else matrix * vector

    def trace(matrix: Array) -> Array:
        return np.trace(matrix, axis1=-2, axis2=-1) if full else matrix.sum(-1)

    def average(values: Array) -> Array:
        return (shares.reshape(shares.shape + (1,) * (values.ndim - 2)) * values).sum(1)

    u = mean_dot - act(cross, g)
    s, ratio = average(g), law.ratio(cross)
    inverse = law.ratio(np.broadcast_to(eye, covariance.shape))
    square = ratio if full else ratio[..., None] * np.eye(dim, dtype=ratio.dtype)
    spread = g - s[:, None]
    fields = {
        "log_density": log_density,
        "score": s,
        "velocity": average(u),
        "denoiser": -np.sqrt(c["gamma2"][:, 0]) * s,
        "interpolant_velocity": average(mean_dot - act(ends, g)),
        "base_denoiser": average(inputs.mean0 - act(block(a, c00) + block(b, c01), g)),
        "target_denoiser": average(inputs.mean1 - act(turn(block(a, c01)) + block(b, c11), g)),
        "velocity_jacobian": average(square + (u - average(u)[:, None])[..., :, None] * spread[..., None, :]),
        "divergence": average(trace(ratio) + ((u - average(u)[:, None]) * spread).sum(-1)),
        "laplacian_log_density": average((spread * spread).sum(-1) - trace(inverse)),
        "dt_log_density": -average(trace(ratio) + (g * u).sum(-1)),
    }
    return {name: value.reshape(inputs.x.shape[0], -1) for name, value in fields.items()}


def _pi(dtype: Any) -> Any:
    return 4 * np.arctan(np.ones((), dtype=dtype))
