"""One-sided schedules (the base is the noise) and encoding-decoding, on one five-mode law in the plane."""

from __future__ import annotations

from functools import partial

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.one_dimensional import bimodal, trimodal
from analytic.problems.problem import Problem, tagged
from analytic.problems.two_dimensional import ring, standard
from analytic.schedule import Schedule

_PLANE = ((-5.0, 5.0), (-5.0, 5.0))
_COMMON = tagged("2d", "mixture", "multimodal", "independent", "one-sided", "no-latent", "order", "sde-ok")


def petals() -> GaussianMixture:
    """Five modes of unequal weight around the origin, full covariances."""
    law = ring(5, 2.5)
    return GaussianMixture([0.1, 0.15, 0.2, 0.25, 0.3], law.means, law.covariances)


def one_sided(kind: str) -> Interpolant:
    """`kind` names the constructor of `Schedule`."""
    return Interpolant(Coupling.independent(standard(2), petals()), getattr(Schedule, kind)())


def variance_preserving_line() -> Interpolant:
    """N(0, 1) to an asymmetric bimodal law under the VP schedule: the exact flow of a diffusion model."""
    target = GaussianMixture([0.3, 0.7], [[-2.0], [1.5]], [0.3, 0.2])
    base = GaussianMixture([1.0], [[0.0]], [1.0])
    return Interpolant(Coupling.independent(base, target), Schedule.variance_preserving())


def encode_line() -> Interpolant:
    """A lopsided bimodal law to N(0, 1) at t = ½ to the trimodal one; equal weights would hide the kink."""
    base = GaussianMixture([0.3, 0.7], bimodal().means, bimodal().covariances)
    return Interpolant(Coupling.independent(base, trimodal()), Schedule.encoding_decoding())


def encode_plane() -> Interpolant:
    """A ring of four to five petals through N(0, I)."""
    base = GaussianMixture(np.full(4, 0.25), ring(4, 3.0).means, np.full(4, 0.3))
    return Interpolant(Coupling.independent(base, petals()), Schedule.encoding_decoding())


LINEAR = Problem(
    "one-sided-linear",
    "one-sided",
    _COMMON,
    "flow matching's schedule: noise to data on straight conditional paths",
    partial(one_sided, "one_sided_linear"),
    2,
    5,
    _PLANE,
)
TRIGONOMETRIC = Problem(
    "one-sided-trigonometric",
    "one-sided",
    tagged(_COMMON, "trigonometric"),
    "variance-preserving in angle: alpha² + beta² = 1 with smooth derivatives",
    partial(one_sided, "one_sided_trigonometric"),
    2,
    5,
    _PLANE,
)
VARIANCE_PRESERVING = Problem(
    "one-sided-vp",
    "one-sided",
    _COMMON,
    "a diffusion model's schedule: alpha' is infinite at t = 1 and only products of it may appear",
    partial(one_sided, "variance_preserving"),
    2,
    5,
    _PLANE,
)
VARIANCE_PRESERVING_1D = Problem(
    "one-sided-vp-1d",
    "one-sided",
    tagged(_COMMON - {"2d"}, "1d", "product", "exact-flow"),
    "a diffusion model in one dimension with its exact probability flow",
    variance_preserving_line,
    1,
    2,
    ((-4.5, 4.0),),
)
_ENCODE = tagged("mixture", "multimodal", "independent", "latent", "encoding-decoding", "kink", "sde-ok")
ENCODE_1D = Problem(
    "encoding-decoding-1d",
    "one-sided",
    tagged(_ENCODE, "1d", "product", "exact-flow"),
    "all mass passes through N(0, 1) at t = ½, where alpha'' jumps: orders fall unless a step ends there",
    encode_line,
    1,
    6,
    ((-9.0, 9.0),),
)
ENCODE_2D = Problem(
    "encoding-decoding-2d",
    "one-sided",
    tagged(_ENCODE, "2d"),
    "two non-Gaussian laws joined through pure noise: the two halves know nothing of each other",
    encode_plane,
    2,
    20,
    _PLANE,
)
