"""Two dimensions: checkerboards and rings, the pictures people draw."""

from __future__ import annotations

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule

_COMMON = tagged("2d", "mixture", "multimodal", "independent", "latent", "order", "sde-ok")


def standard(dim: int) -> GaussianMixture:
    """N(0, I)."""
    return GaussianMixture([1.0], np.zeros((1, dim)), [1.0])


def checkerboard() -> GaussianMixture:
    """Eight isotropic components on the black squares of a 4 x 4 board of side 8, standard deviation 0.45."""
    means = [[-3.0 + 2.0 * i, -3.0 + 2.0 * j] for i in range(4) for j in range(4) if (i + j) % 2 == 0]
    return GaussianMixture(np.full(8, 1 / 8), np.array(means), np.full(8, 0.45**2))


def ring(count: int, radius: float) -> GaussianMixture:
    """`count` components around a circle, each longer along it than across (standard deviations 0.7 and 0.25)."""
    angle = 2.0 * np.pi * np.arange(count) / count
    out = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    across = np.einsum("ki,kj->kij", out, out)
    covariances = 0.25**2 * across + 0.7**2 * np.einsum("ki,kj->kij", along, along)
    return GaussianMixture(np.full(count, 1.0 / count), radius * out, covariances)


def normal_to_checkerboard() -> Interpolant:
    """N(0, I) to the checkerboard."""
    return Interpolant(Coupling.independent(standard(2), checkerboard()), Schedule.linear("brownian"))


def normal_to_ring() -> Interpolant:
    """N(0, I) to a ring of twelve."""
    return Interpolant(Coupling.independent(standard(2), ring(12, 4.0)), Schedule.trigonometric("quadratic"))


def ring_to_checkerboard() -> Interpolant:
    """A ring of eight to the checkerboard: 64 joint components."""
    return Interpolant(Coupling.independent(ring(8, 3.0), checkerboard()), Schedule.linear("brownian"))


CHECKERBOARD = Problem(
    "2d-checkerboard",
    "two-dimensional",
    _COMMON,
    "a Gaussian breaks into eight squares: many modes at one scale",
    normal_to_checkerboard,
    2,
    8,
    ((-5.0, 5.0), (-5.0, 5.0)),
)
RING = Problem(
    "2d-ring",
    "two-dimensional",
    tagged(_COMMON, "trigonometric"),
    "mass on a circle: full covariances that do not commute, a hole in the middle",
    normal_to_ring,
    2,
    12,
    ((-6.0, 6.0), (-6.0, 6.0)),
)
RING_TO_CHECKERBOARD = Problem(
    "2d-ring-to-checkerboard",
    "two-dimensional",
    _COMMON,
    "two non-Gaussian ends: 64 joint components, crossings everywhere",
    ring_to_checkerboard,
    2,
    64,
    ((-5.5, 5.5), (-5.5, 5.5)),
)
