"""The yardstick: closed-form laws and fields of stochastic interpolants between Gaussian mixtures.

Array-API code (NumPy, torch, CuPy alike), computed in float64 whatever the dtype of the points.
Source: Albergo, Boffi, Vanden-Eijnden, arXiv:2303.08797.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from analytic.coupling import Coupling
from analytic.errors import FieldUndefinedError
from analytic.interpolant import Interpolant
from analytic.mixture import GaussianMixture
from analytic.schedule import Coefficients, Schedule

__all__ = ["Coefficients", "Coupling", "FieldUndefinedError", "GaussianMixture", "Interpolant", "Schedule", "problems"]


def __getattr__(name: str) -> Any:
    if name == "problems":  # late: the catalogue reads data files that few users need
        return import_module("analytic.problems")
    raise AttributeError(f"module 'analytic' has no attribute {name!r}")
