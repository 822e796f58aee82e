"""The problem all packages get: a Gaussian mixture in the plane relaxing to N(0, I), known in closed form at every t.

    ∂_t ρ = ½ ∇·(x ρ) + ½ Δρ        mean e^{−t/2} m_k,   covariance e^{−t} C_k + (1 − e^{−t}) I

It is the forward equation of a variance-preserving diffusion: a drift that does not depend on t, which is all that
fplanck takes. Domain [−7, 7]², no flux through the walls, t from 0 to ½.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from analytic import GaussianMixture
from si_verify.density.exact import exact_values
from si_verify.density.grid import Grid
from si_verify.density.problem import DensityProblem

END, REACH, EPSILON = 0.5, 7.0, 0.5
# Cells a side so close that an error asked for is not undercut by much.
_RKL_CELLS = (40, 44, 48, 52, 56, 60, 64, 72, 80, 88, 96, 104, 112, 128, 144, 160, 192, 224)
_WEIGHTS = np.array([0.5, 0.3, 0.2])
_MEANS = np.array([[-2.0, -1.0], [2.0, -1.5], [0.5, 2.0]])
_VARIANCES = np.array([[0.30, 0.45], [0.40, 0.30], [0.35, 0.35]])


def law(t: float) -> GaussianMixture:
    """ρ(t)."""
    shrink = math.exp(-t)
    return GaussianMixture(_WEIGHTS, math.sqrt(shrink) * _MEANS, shrink * _VARIANCES + (1.0 - shrink))


def grid(n: int) -> Grid:
    """n × n cells."""
    return Grid((-REACH, -REACH), (REACH, REACH), (n, n))


def averages(n: int, t: float) -> np.ndarray:
    """Exact cell averages of ρ(t), (n, n)."""
    return exact_values(law(t), grid(n), "averages").numpy()


def error(answer: np.ndarray, form: str = "averages") -> float:
    """L1 distance from ρ(END) of an answer (n, n) in the form "averages" or "points"."""
    box = grid(len(answer))
    return float(np.abs(answer - exact_values(law(END), box, form).numpy()).sum()) * box.volume


def problem(n: int, form: str) -> DensityProblem:
    """The problem as our solvers take it."""

    def lattice_drift(t: float, axes: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
        shape = [1] * len(axes)
        shape[axis] = -1
        return (-0.5 * axes[axis].reshape(shape)).expand([len(a) for a in axes]).contiguous()

    initial = exact_values(law(0.0), grid(n), form)
    return DensityProblem(
        grid(n), initial, lambda t: EPSILON, "forward", lattice_drift, lambda t, x: -0.5 * x, steady=True
    )


@dataclass(frozen=True, eq=False)
class Attempt:
    """A package on a grid with its inputs made: ``run`` solves from 0 to END and answers (n, n) in ``form``."""

    package: str
    setting: str
    prepare: Callable[[], Callable[[], np.ndarray]]
    form: str = "averages"
    own: bool = False

    @cached_property
    def run(self) -> Callable[[], np.ndarray]:
        return self.prepare()


def ours() -> list[Attempt]:
    """Our solvers over their grids."""
    from si_verify.subjects.pde import fourier, fused, fused_implicit, fused_rkl

    settings: list[tuple[str, Callable[..., torch.Tensor], str, tuple[int, ...]]] = [
        ("pde/fused-blocked", fused.solve_blocked, "averages", (32, 48, 56, 64, 72, 96, 112, 128, 192)),
        ("pde/fused-rkl2", fused_rkl.solve, "averages", _RKL_CELLS),
        ("pde/fused-tr-bdf2", fused_implicit.solve, "averages", (64, 128, 256)),
        ("pde/fourier", fourier.solve, "points", (20, 24, 28, 32, 40)),
    ]

    def attempt(name: str, solve: Callable[..., torch.Tensor], form: str, n: int) -> Attempt:
        def prepare() -> Callable[[], np.ndarray]:
            given = problem(n, form)
            return lambda: solve(given, [0.0, END])[-1].numpy()

        return Attempt(name, f"{n} x {n}", prepare, form, own=True)

    return [attempt(name, solve, form, n) for name, solve, form, cells in settings for n in cells]
