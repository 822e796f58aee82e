"""Products of one-dimensional mixtures: several dimensions, many modes, and still an exact flow."""

from __future__ import annotations

from itertools import product

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule

_COMMON = tagged("mixture", "multimodal", "product", "exact-flow", "independent", "latent", "order", "sde-ok")
Factor = tuple[list[float], list[float], list[float]]  # weights, means, variances


def product_mixture(*factors: Factor) -> GaussianMixture:
    """The mixture whose coordinates are independent one-dimensional mixtures."""
    choices = list(product(*(range(len(weights)) for weights, _, _ in factors)))
    weights = [np.prod([f[0][i] for f, i in zip(factors, c, strict=True)]) for c in choices]
    means = [[f[1][i] for f, i in zip(factors, c, strict=True)] for c in choices]
    variances = [[f[2][i] for f, i in zip(factors, c, strict=True)] for c in choices]
    return GaussianMixture(weights, means, variances)


_TWO: Factor = ([0.4, 0.6], [-2.0, 2.5], [0.4, 0.3])
_THREE: Factor = ([0.25, 0.5, 0.25], [-3.0, 0.0, 3.5], [0.3, 0.4, 0.35])
_ONE: Factor = ([1.0], [0.5], [0.7])


def two_by_three() -> Interpolant:
    """N(0, I) to a product of a bimodal and a trimodal law."""
    base = product_mixture(([1.0], [0.0], [1.0]), ([1.0], [0.0], [1.0]))
    return Interpolant(Coupling.independent(base, product_mixture(_TWO, _THREE)), Schedule.trigonometric("brownian"))


def rotated() -> Interpolant:
    """The same idea in a frame turned by 0.5 radians: full covariances, correlated coordinates."""
    c, s = np.cos(0.5), np.sin(0.5)
    turn = np.array([[c, -s], [s, c]])
    law = product_mixture(_THREE, _TWO)
    covariances = np.einsum("ij,kj,lj->kil", turn, law.covariances, turn)
    target = GaussianMixture(law.weights, law.means @ turn.T, 0.5 * (covariances + covariances.swapaxes(1, 2)))
    base = GaussianMixture([1.0], [[0.0, 0.0]], [1.0])
    return Interpolant(Coupling.independent(base, target), Schedule.linear("quadratic"))


def three_factors() -> Interpolant:
    """Bimodal x Gaussian x Gaussian to trimodal x bimodal x Gaussian."""
    base = product_mixture(_TWO, _ONE, _ONE)
    target = product_mixture(_THREE, _TWO, ([1.0], [-1.0], [0.3]))
    return Interpolant(Coupling.independent(base, target), Schedule.linear("sine_squared"))


TWO_BY_THREE = Problem(
    "product-2d",
    "products",
    tagged(_COMMON, "2d", "trigonometric"),
    "six modes with an exact flow in two dimensions",
    two_by_three,
    2,
    6,
    ((-5.0, 5.5), (-5.5, 6.0)),
)
ROTATED = Problem(
    "product-2d-rotated",
    "products",
    tagged(_COMMON, "2d"),
    "an exact multimodal flow whose Jacobian is nowhere diagonal",
    rotated,
    2,
    6,
    ((-6.0, 6.0), (-6.0, 6.0)),
)
THREE_FACTORS = Problem(
    "product-3d",
    "products",
    _COMMON,
    "three dimensions, both ends multimodal, 12 joint components",
    three_factors,
    3,
    12,
    ((-6.0, 6.0), (-5.0, 5.5)),
)
