"""Velocities that are unbounded at an end of [0, 1]: methods lose their order there, and that is the right answer.

A Brownian latent alone does not do it: b holds gamma² and gamma gamma', both polynomials, and is smooth wherever the
end laws are regular. It takes a point mass at an end, or alpha' -> infinity that meets a mean or a correlation.
"""

from __future__ import annotations

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule


def point_start() -> Interpolant:
    """A point mass at 0 to two modes, Brownian latent (Foellmer's process under eps = ½)."""
    base = GaussianMixture([1.0], [[0.0]], [0.0])
    target = GaussianMixture([0.4, 0.6], [[-2.0], [1.5]], [0.25, 0.25])
    return Interpolant(Coupling.independent(base, target), Schedule.linear("brownian"))


def square_root_end() -> Interpolant:
    """N(2, 1) to N(0, ¼) with alpha = sqrt(1 − t²): alpha' m0 is infinite at t = 1, though integrable."""
    schedule = Schedule.custom(
        lambda t: np.sqrt((1.0 - t) * (1.0 + t)),
        lambda t: -t / np.sqrt((1.0 - t) * (1.0 + t)),
        lambda t: t,
        np.ones_like,
        np.zeros_like,
        np.zeros_like,
        alpha_alpha_dot=lambda t: -t,
        name="square-root-end",
    )
    base, target = GaussianMixture([1.0], [[2.0]], [1.0]), GaussianMixture([1.0], [[0.0]], [0.25])
    return Interpolant(Coupling.independent(base, target), schedule)


POINT_START = Problem(
    "1d-point-start",
    "singular",
    tagged("1d", "mixture", "multimodal", "product", "exact-flow", "independent", "latent", "singular-ends", "stiff"),
    "b ~ x / 2t near t = 0, where all mass sits in one point: the span starts at 1e-4, inside the singular layer",
    point_start,
    1,
    2,
    ((-4.0, 3.5),),
    t_span=(1e-4, 1.0),
)
SQUARE_ROOT_END = Problem(
    "gaussian-1d-square-root-end",
    "singular",
    tagged("1d", "gaussian", "product", "exact-flow", "independent", "no-latent", "singular-ends", "sde-ok"),
    "b ~ (1 − t)^-½ at t = 1: integrable, so the flow exists, but a step that looks at the end pays b(end) h",
    square_root_end,
    1,
    1,
    ((-2.5, 5.5),),
    # alpha' itself is infinite at 1; at 1 − 1e-6 it is 7e2, and the flow has 3e-3 left to go.
    t_span=(0.0, 1.0 - 1e-6),
)
