"""Finite data sets: every sample a point mass, so the fields are those of the ideal denoiser that memorises them."""

from __future__ import annotations

import numpy as np

from analytic.coupling import Coupling
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.problems.problem import Problem, tagged
from analytic.schedule import Schedule

# At t the posterior has width (1 − t)/t: at 1 − 1e-3 it is a hundredth of the digits' nearest-neighbour distance,
# and every sample has chosen its datum. At t = 1 itself neither density nor score exists.
_SPAN = (0.0, 1.0 - 1e-3)
_COMMON = tagged("mixture", "multimodal", "independent", "one-sided", "no-latent", "dataset", "stiff")


def spiral() -> Interpolant:
    """Forty points on a spiral of radius 1 to 3, one-sided linear schedule."""
    angle = np.linspace(0.0, 3.0 * np.pi, 40)
    radius = np.linspace(1.0, 3.0, 40)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    base = GaussianMixture([1.0], [[0.0, 0.0]], [1.0])
    return Interpolant(Coupling.dataset(base, points), Schedule.one_sided_linear())


def digits() -> Interpolant:
    """scikit-learn's 1797 handwritten digits, 8 x 8 pixels mapped from 0..16 to −1..1."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as err:
        raise ImportError(
            "the problem 'digits' needs scikit-learn: install the extra `data` (pip install 'si-verify[data]')"
        ) from err
    points = np.asarray(load_digits().data, dtype=np.float64) / 8.0 - 1.0
    base = GaussianMixture([1.0], np.zeros((1, points.shape[1])), [1.0])
    return Interpolant(Coupling.dataset(base, points), Schedule.one_sided_linear())


SPIRAL = Problem(
    "dataset-spiral-2d",
    "datasets",
    tagged(_COMMON, "2d"),
    "forty samples as point masses: the field sharpens without limit as t nears 1",
    spiral,
    2,
    40,
    ((-4.0, 4.0), (-4.0, 4.0)),
    t_span=_SPAN,
)
DIGITS = Problem(
    "digits",
    "datasets",
    tagged(_COMMON, "high-dimensional", "many-components", "data-extra", "costly"),
    "the ideal denoiser of 1797 real images in 64 dimensions: what a perfectly trained network would compute",
    digits,
    64,
    1797,
    ((-3.0, 3.0), (-3.0, 3.0)),
    t_span=_SPAN,
)
