"""Many dimensions: the paper's 128-dimensional mixtures, and one of 64 whose flow is still known exactly."""

from __future__ import annotations

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule


def five_modes(rng: np.random.Generator, dim: int = 128) -> GaussianMixture:
    """Five equal components, random means of norm about sqrt(dim), spectra in [0.5, 1.5] in random frames."""
    covariances = []
    for _ in range(5):
        turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        cov = (turn * rng.uniform(0.5, 1.5, dim)) @ turn.T
        covariances.append(0.5 * (cov + cov.T))
    return GaussianMixture(np.full(5, 0.2), rng.standard_normal((5, dim)), np.array(covariances))


def paper() -> Interpolant:
    """Two five-mode mixtures in 128 dimensions (arXiv:2303.08797, Section 7.1; seeds and spectra are ours)."""
    rng = np.random.default_rng(230308797)
    return Interpolant(Coupling.independent(five_modes(rng), five_modes(rng)), Schedule.linear("brownian"))


def two_modes() -> Interpolant:
    """N(0, I) to two isotropic modes along a random diagonal of 64 dimensions: a product in a hidden frame."""
    direction = np.random.default_rng(64).standard_normal(64)
    direction *= 3.0 / np.linalg.norm(direction)
    target = GaussianMixture([0.3, 0.7], np.stack([-direction, direction]), [0.5, 0.5])
    base = GaussianMixture([1.0], np.zeros((1, 64)), [1.0])
    return Interpolant(Coupling.independent(base, target), Schedule.trigonometric("brownian"))


PAPER = Problem(
    "paper-128d",
    "high-dimensional",
    tagged("high-dimensional", "mixture", "multimodal", "independent", "latent", "order", "sde-ok", "costly"),
    "the paper's experiment: five modes to five modes in 128 dimensions",
    paper,
    128,
    25,
    ((-4.0, 4.0), (-4.0, 4.0)),
)
TWO_MODES = Problem(
    "two-modes-64d",
    "high-dimensional",
    tagged(
        "high-dimensional",
        "mixture",
        "multimodal",
        "product",
        "exact-flow",
        "independent",
        "latent",
        "trigonometric",
        "order",
        "sde-ok",
    ),
    "64 dimensions with an exact flow: mode weights are decided along one hidden direction",
    two_modes,
    64,
    2,
    ((-4.0, 4.0), (-4.0, 4.0)),
)
