"""Covariances of condition number 1e6: what rounding and step size do when scales differ a thousandfold."""

from __future__ import annotations

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule


def thin_gaussian() -> Interpolant:
    """N(0, I) to a Gaussian with variances 1 and 1e-6 on the axes."""
    base = GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    target = GaussianMixture([1.0], [[1.0, -1.0]], [[1.0, 1e-6]])
    return Interpolant(Coupling.independent(base, target), Schedule.linear("brownian"))


def thin_mixture() -> Interpolant:
    """Four components in eight dimensions, spectra from 1e-5 to 10 in random frames."""
    rng = np.random.default_rng(1000)
    covariances = []
    for _ in range(4):
        turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
        cov = (turn * np.geomspace(1e-5, 10.0, 8)) @ turn.T
        covariances.append(0.5 * (cov + cov.T))
    target = GaussianMixture([0.1, 0.2, 0.3, 0.4], 2.0 * rng.standard_normal((4, 8)), np.array(covariances))
    base = GaussianMixture([1.0], np.zeros((1, 8)), [1.0])
    return Interpolant(Coupling.independent(base, target), Schedule.linear("brownian"))


GAUSSIAN = Problem(
    "anisotropic-gaussian-2d",
    "anisotropic",
    tagged("2d", "gaussian", "product", "exact-flow", "independent", "latent", "anisotropic", "stiff"),
    "condition 1e6 at t = 1: one direction collapses a thousandfold in the last moments",
    thin_gaussian,
    2,
    1,
    ((-3.0, 4.5), (-4.0, 3.0)),
)
MIXTURE = Problem(
    "anisotropic-mixture-8d",
    "anisotropic",
    tagged("high-dimensional", "mixture", "multimodal", "independent", "latent", "anisotropic", "stiff"),
    "condition 1e6 in four random frames: a covariance, its inverse and its factor cannot be confused unseen",
    thin_mixture,
    8,
    4,
    ((-9.0, 9.0), (-9.0, 9.0)),
)
