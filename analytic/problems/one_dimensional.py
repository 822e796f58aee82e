"""One dimension: bimodal to trimodal, under every latent and both two-sided schedules."""

from __future__ import annotations

from functools import partial

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule

_COMMON = tagged("1d", "mixture", "multimodal", "product", "exact-flow", "independent", "order", "sde-ok")
_WINDOW = ((-9.0, 9.0),)


def bimodal() -> GaussianMixture:
    """Modes −3 and 3, variances 1/4."""
    return GaussianMixture([0.5, 0.5], [[-3.0], [3.0]], [0.25, 0.25])


def trimodal() -> GaussianMixture:
    """Modes −6, 0 and 6, variances 1/2, 0.33 and 1/2, equal weights."""
    return GaussianMixture([1 / 3, 1 / 3, 1 / 3], [[-6.0], [0.0], [6.0]], [0.5, 0.33, 0.5])


def bimodal_to_trimodal(path: str, latent: str) -> Interpolant:
    """`path` is "linear" or "trigonometric"."""
    schedule = Schedule.linear(latent) if path == "linear" else Schedule.trigonometric(latent)
    return Interpolant(Coupling.independent(bimodal(), trimodal()), schedule)


def normal_to_bimodal() -> Interpolant:
    """N(0, 1) to the bimodal law."""
    base = GaussianMixture([1.0], [[0.0]], [1.0])
    return Interpolant(Coupling.independent(base, bimodal()), Schedule.linear("brownian"))


BIMODAL = Problem(
    "1d-bimodal",
    "one-dimensional",
    tagged(_COMMON, "latent"),
    "a single mode splits in two: the smallest problem with a strongly curved velocity",
    normal_to_bimodal,
    1,
    2,
    ((-5.5, 5.5),),
)
BROWNIAN = Problem(
    "1d-bimodal-to-trimodal",
    "one-dimensional",
    tagged(_COMMON, "latent"),
    "two modes become three under the Brownian latent: mass crosses between wells",
    partial(bimodal_to_trimodal, "linear", "brownian"),
    1,
    6,
    _WINDOW,
)
QUADRATIC = Problem(
    "1d-bimodal-to-trimodal-quadratic",
    "one-dimensional",
    tagged(_COMMON, "latent"),
    "latent gamma = t(1−t), small next to Brownian: sharper ridges in the middle",
    partial(bimodal_to_trimodal, "linear", "quadratic"),
    1,
    6,
    _WINDOW,
)
SINE_SQUARED = Problem(
    "1d-bimodal-to-trimodal-sine-squared",
    "one-dimensional",
    tagged(_COMMON, "latent"),
    "latent gamma = sin²(pi t), flat at both ends and wide in the middle",
    partial(bimodal_to_trimodal, "linear", "sine_squared"),
    1,
    6,
    _WINDOW,
)
NO_LATENT = Problem(
    "1d-bimodal-to-trimodal-no-latent",
    "one-dimensional",
    tagged(_COMMON, "no-latent"),
    "rectified flow, gamma = 0: six narrow ridges that cross, the steepest velocity of this family",
    partial(bimodal_to_trimodal, "linear", "none"),
    1,
    6,
    _WINDOW,
)
TRIGONOMETRIC = Problem(
    "1d-bimodal-to-trimodal-trigonometric",
    "one-dimensional",
    tagged(_COMMON, "latent", "trigonometric"),
    "trigonometric path: nothing is polynomial in t",
    partial(bimodal_to_trimodal, "trigonometric", "brownian"),
    1,
    6,
    _WINDOW,
)
