"""Couplings that are not independent: correlated with a non-symmetric C01, mirror, and the Schroedinger bridge."""

from __future__ import annotations

from functools import partial

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.problems.single_gaussian import ellipse
from analytic.problems.two_dimensional import ring
from analytic.schedule import Schedule

_PLANE = ((-5.0, 5.0), (-5.0, 5.0))


def turned_pair() -> Interpolant:
    """x1 is x0 turned by a right angle plus noise: Cov(x0, x1) is far from symmetric."""
    cov01 = np.array([[0.1, 0.7], [-0.6, 0.2]])
    coupling = Coupling.correlated([1.0], [[-1.0, 0.0]], [[1.0, 0.5]], [np.eye(2)], [[[0.9, 0.1], [0.1, 0.7]]], [cov01])
    return Interpolant(coupling, Schedule.linear("brownian"))


def correlated_mixture() -> Interpolant:
    """Three correlated pairs of modes, each turned by its own angle."""
    angles = 2.0 * np.pi * np.arange(3) / 3.0
    mean0 = 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    turns = np.array([[[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]] for a in (0.8, 1.6, -1.2)])
    eye = np.tile(np.eye(2), (3, 1, 1))
    coupling = Coupling.correlated([0.2, 0.3, 0.5], mean0, -1.5 * mean0, 0.4 * eye, 0.5 * eye, 0.35 * turns)
    return Interpolant(coupling, Schedule.trigonometric("quadratic"))


def mirror_ring() -> Interpolant:
    """A ring resampled with itself: x_t = x0 + gamma z."""
    return Interpolant(Coupling.mirror(ring(6, 3.0)), Schedule.mirror("brownian", scale=4.0))


def mirror_line() -> Interpolant:
    """The one-dimensional case, exact flow included."""
    law = GaussianMixture([0.4, 0.6], [[-2.0], [2.0]], [0.3, 0.5])
    return Interpolant(Coupling.mirror(law), Schedule.mirror("sine_squared", scale=2.0))


def bridge(sigma: float) -> Interpolant:
    """The Schroedinger bridge between two crossed ellipses."""
    base = GaussianMixture([1.0], [[-1.0, 0.5]], ellipse(0.3, 1.5, 0.4)[None])
    target = GaussianMixture([1.0], [[1.5, 1.0]], ellipse(1.4, 1.2, 0.3)[None])
    return Interpolant(Coupling.entropic(base, target, sigma), Schedule.linear("brownian", scale=sigma**2))


_CORRELATED = tagged("2d", "correlated", "latent", "order", "sde-ok")
CORRELATED = Problem(
    "correlated-2d",
    "couplings",
    tagged(_CORRELATED, "gaussian", "exact-flow"),
    "C01 not symmetric: A is not ½ C', and the flow rotates against the one that ½ C' gives",
    turned_pair,
    2,
    1,
    _PLANE,
)
CORRELATED_MIXTURE = Problem(
    "correlated-mixture-2d",
    "couplings",
    tagged(_CORRELATED, "mixture", "multimodal", "trigonometric"),
    "three correlated modes with different rotations: the gauge cannot be removed by one frame",
    correlated_mixture,
    2,
    3,
    _PLANE,
)
MIRROR = Problem(
    "mirror-2d",
    "couplings",
    tagged(_CORRELATED - {"order"}, "mirror", "time-symmetric", "mixture", "multimodal"),
    "x0 = x1: the law returns to itself, b is all latent, out and back",
    mirror_ring,
    2,
    6,
    _PLANE,
)
MIRROR_1D = Problem(
    "mirror-1d",
    "couplings",
    tagged(
        "1d",
        "correlated",
        "latent",
        "time-symmetric",
        "sde-ok",
        "mirror",
        "mixture",
        "multimodal",
        "product",
        "exact-flow",
    ),
    "the flow must bring every point back to where it started",
    mirror_line,
    1,
    2,
    ((-5.0, 5.0),),
)
BRIDGE = Problem(
    "entropic-bridge-2d",
    "couplings",
    tagged(_CORRELATED, "entropic", "gaussian", "exact-flow"),
    "Schroedinger bridge, sigma = 1: the drift b + ½ sigma² s is a gradient and its SDE has the coupling's C01",
    partial(bridge, 1.0),
    2,
    1,
    _PLANE,
)
BRIDGE_SMALL = Problem(
    "entropic-bridge-2d-small-sigma",
    "couplings",
    tagged(_CORRELATED, "entropic", "gaussian", "exact-flow"),
    "sigma = 0.1, near optimal transport: paths almost straight",
    partial(bridge, 0.1),
    2,
    1,
    _PLANE,
)
