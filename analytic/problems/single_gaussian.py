"""One Gaussian to another: affine fields, exact flows and laws; none has zero divergence or a flow linear in t."""

from __future__ import annotations

from functools import partial

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule

_COMMON = tagged("gaussian", "exact-flow", "independent", "order", "sde-ok")
_PLANE = ((-5.0, 5.0), (-5.0, 5.0))


def one_dimension() -> Interpolant:
    """N(−1, 2) to N(2, 1/4)."""
    base, target = GaussianMixture([1.0], [[-1.0]], [2.0]), GaussianMixture([1.0], [[2.0]], [0.25])
    return Interpolant(Coupling.independent(base, target), Schedule.linear("brownian"))


def commuting() -> Interpolant:
    """Axis-aligned ellipses of different shape on the trigonometric path."""
    base = GaussianMixture([1.0], [[-1.0, 0.5]], [[1.5, 0.4]])
    target = GaussianMixture([1.0], [[1.0, -1.0]], [[0.2, 2.0]])
    return Interpolant(Coupling.independent(base, target), Schedule.trigonometric("quadratic"))


def crossed(path: str, latent: str) -> Interpolant:
    """Two long ellipses at 60 degrees to each other: C00 and C11 do not commute."""
    schedule = Schedule.linear(latent) if path == "linear" else Schedule.trigonometric(latent)
    base = GaussianMixture([1.0], [[-1.0, 0.5]], ellipse(0.3, 2.0, 0.3)[None])
    target = GaussianMixture([1.0], [[1.5, 1.0]], ellipse(0.3 + np.pi / 3.0, 1.5, 0.2)[None])
    return Interpolant(Coupling.independent(base, target), schedule)


def ellipse(angle: float, along: float, across: float) -> np.ndarray:
    """Variances `along` and `across` in a frame turned by `angle` radians, (2, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    return turn @ np.diag([along, across]) @ turn.T


def eight_dimensions() -> Interpolant:
    """Random covariances with spectra in [0.2, 3]."""
    rng = np.random.default_rng(20230315)
    laws = []
    for _ in range(2):
        turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
        cov = (turn * np.geomspace(0.2, 3.0, 8)) @ turn.T
        laws.append(GaussianMixture([1.0], rng.standard_normal((1, 8)), 0.5 * (cov + cov.T)[None]))
    return Interpolant(Coupling.independent(*laws), Schedule.linear("brownian"))


GAUSSIAN_1D = Problem(
    "gaussian-1d",
    "single-gaussian",
    tagged(_COMMON, "1d", "product", "latent"),
    "the smallest affine problem: mean and variance both move, flow a square root in t",
    one_dimension,
    1,
    1,
    ((-5.5, 5.0),),
)
COMMUTING = Problem(
    "gaussian-2d-commuting",
    "single-gaussian",
    tagged(_COMMON, "2d", "product", "latent", "trigonometric"),
    "diagonal covariances: M = C(t)^1/2 C(s)^-1/2 exactly",
    commuting,
    2,
    1,
    _PLANE,
)
CROSSED = Problem(
    "gaussian-2d-crossed",
    "single-gaussian",
    tagged(_COMMON, "2d", "latent"),
    "covariances that do not commute: the flow rotates and has no closed square root",
    partial(crossed, "linear", "brownian"),
    2,
    1,
    _PLANE,
)
CROSSED_QUADRATIC = Problem(
    "gaussian-2d-crossed-quadratic",
    "single-gaussian",
    tagged(_COMMON, "2d", "latent"),
    "non-commuting covariances, latent gamma = t(1−t)",
    partial(crossed, "linear", "quadratic"),
    2,
    1,
    _PLANE,
)
CROSSED_SINE_SQUARED = Problem(
    "gaussian-2d-crossed-sine-squared",
    "single-gaussian",
    tagged(_COMMON, "2d", "latent"),
    "non-commuting covariances, latent gamma = sin²(pi t)",
    partial(crossed, "linear", "sine_squared"),
    2,
    1,
    _PLANE,
)
CROSSED_NO_LATENT = Problem(
    "gaussian-2d-crossed-no-latent",
    "single-gaussian",
    tagged(_COMMON, "2d", "no-latent"),
    "non-commuting covariances, no latent: the rectified flow of two Gaussians",
    partial(crossed, "linear", "none"),
    2,
    1,
    _PLANE,
)
CROSSED_TRIGONOMETRIC = Problem(
    "gaussian-2d-crossed-trigonometric",
    "single-gaussian",
    tagged(_COMMON, "2d", "latent", "trigonometric"),
    "non-commuting covariances on the trigonometric path",
    partial(crossed, "trigonometric", "brownian"),
    2,
    1,
    _PLANE,
)
EIGHT = Problem(
    "gaussian-8d",
    "single-gaussian",
    tagged(_COMMON, "high-dimensional", "latent"),
    "eight dimensions, random non-commuting covariances: indices cannot be confused unseen",
    eight_dimensions,
    8,
    1,
    _PLANE,
)
