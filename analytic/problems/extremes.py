"""Scales and weights near what float64 holds: where exponentials overflow, differences cancel, weights vanish."""

from __future__ import annotations

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule

_LINE = tagged("1d", "mixture", "multimodal", "product", "exact-flow", "independent", "extreme")


def _from_normal(target: GaussianMixture, schedule: Schedule) -> Interpolant:
    base = GaussianMixture([1.0], np.zeros((1, target.dim)), [1.0])
    return Interpolant(Coupling.independent(base, target), schedule)


def far_modes() -> Interpolant:
    """Modes at −40 and 40 with standard deviation 1."""
    return _from_normal(GaussianMixture([0.5, 0.5], [[-40.0], [40.0]], [1.0, 1.0]), Schedule.linear("brownian"))


def tiny_variance() -> Interpolant:
    """Modes −1 and 1 with standard deviation 1e-4."""
    return _from_normal(GaussianMixture([0.5, 0.5], [[-1.0], [1.0]], [1e-8, 1e-8]), Schedule.one_sided_linear())


def tiny_weights() -> Interpolant:
    """Weights 1, 1e-4, 1e-8 and 1e-12 (normalised) on modes −6, −2, 2 and 6."""
    weights = np.array([1.0, 1e-4, 1e-8, 1e-12])
    modes = np.array([[-6.0], [-2.0], [2.0], [6.0]])
    return _from_normal(GaussianMixture(weights / weights.sum(), modes, np.full(4, 0.25)), Schedule.linear("brownian"))


def many_components() -> Interpolant:
    """1024 components on a 32 x 32 grid jittered so that the law is no product, unequal weights."""
    rng = np.random.default_rng(1024)
    side = np.linspace(-8.0, 8.0, 32)
    means = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    weights = rng.uniform(0.5, 1.5, 1024)
    target = GaussianMixture(
        weights / weights.sum(), means + rng.uniform(-0.1, 0.1, means.shape), rng.uniform(0.02, 0.05, 1024)
    )
    return _from_normal(target, Schedule.linear("brownian"))


FAR_MODES = Problem(
    "1d-far-modes",
    "extremes",
    tagged(_LINE, "latent", "sde-ok"),
    "modes 40 standard deviations out: densities underflow between them and only logarithms survive",
    far_modes,
    1,
    2,
    ((-46.0, 46.0),),
)
TINY_VARIANCE = Problem(
    "1d-tiny-variance",
    "extremes",
    tagged(_LINE, "one-sided", "no-latent", "stiff"),
    "standard deviation 1e-4 at t = 1: a boundary layer that uniform steps do not see",
    tiny_variance,
    1,
    2,
    ((-3.0, 3.0),),
)
TINY_WEIGHTS = Problem(
    "1d-tiny-weights",
    "extremes",
    tagged(_LINE, "latent", "sde-ok"),
    "weights down to 1e-12: modes no sample finds and a dropped log-weight invents",
    tiny_weights,
    1,
    4,
    ((-9.0, 9.0),),
)
MANY_COMPONENTS = Problem(
    "2d-1024-components",
    "extremes",
    tagged("2d", "mixture", "multimodal", "independent", "latent", "extreme", "many-components", "sde-ok", "costly"),
    "1024 components: blocked sums, the softmax over the right axis, memory that must not grow as N K D",
    many_components,
    2,
    1024,
    ((-9.5, 9.5), (-9.5, 9.5)),
)
