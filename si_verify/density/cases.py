"""The equations of a catalogue problem on grids: domain from quantiles, ε(t), direction, exact answer at every t."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch

from si_verify.density.exact import exact_values
from si_verify.density.grid import Grid
from si_verify.density.problem import DensityProblem
from si_verify.fields.mixture import MixtureFields, held

Tensor = torch.Tensor
Direction = Literal["forward", "backward"]
# Mass beyond each wall at any time. The walls are closed and the law has none: in L1 the two differ by at most the
# mass beyond, once where it started and once where it is compared, because both equations contract in L1.
TAIL = 1e-12
_DOMAIN_TIMES = 17
_SCAN = 4001


@lru_cache(maxsize=64)
def domain(problem: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The box outside of which every coordinate has probability at most TAIL on either side, at all times."""
    interpolant = problem.interpolant
    lower, upper = np.full(interpolant.dim, np.inf), np.full(interpolant.dim, -np.inf)
    for t in _times(problem):
        law = interpolant.marginal(float(t))
        for axis in range(interpolant.dim):
            low, high = _quantiles(law.marginal([axis]))
            lower[axis], upper[axis] = min(lower[axis], low), max(upper[axis], high)
    return tuple(float(v) for v in lower), tuple(float(v) for v in upper)


def _times(problem: Any) -> np.ndarray:
    start, end = problem.t_span
    return np.linspace(start, end, _DOMAIN_TIMES)


def _quantiles(law: Any) -> tuple[float, float]:
    means = np.asarray(law.means)[:, 0]
    scale = np.sqrt(np.asarray(law.covariances).reshape(-1))
    x = np.linspace((means - 8.5 * scale).min(), (means + 8.5 * scale).max(), _SCAN)
    below, above = np.asarray(law.log_cdf(x)), np.asarray(law.log_sf(x))
    floor = np.log(TAIL)
    return float(x[below <= floor].max()), float(x[above <= floor].min())


@lru_cache(maxsize=64)
def least_variance(problem: Any) -> float:
    """The least variance of a component in any direction at any time."""
    least = np.inf
    for t in _times(problem):
        cov = np.asarray(problem.interpolant.moments(float(t)).cov)
        least = min(least, float(np.linalg.eigvalsh(cov).min() if cov.ndim == 3 else cov.min()))
    return least


@dataclass(frozen=True, eq=False)
class DensityCase:
    """One equation of one problem: everything but the grid."""

    problem: Any
    epsilon: Callable[[float], float]
    direction: Direction
    label: str
    fields: MixtureFields
    ends: tuple[float, float]

    @property
    def sign(self) -> float:
        return 1.0 if self.direction == "forward" else -1.0

    def times(self, stored: int) -> list[float]:
        """``stored`` equally spaced times in the order of the run."""
        start, end = self.ends if self.direction == "forward" else self.ends[::-1]
        return [float(t) for t in np.linspace(start, end, stored)]

    def exact(self, grid: Grid, t: float, form: str) -> Tensor:
        """ρ(t) on the grid, float64."""
        return exact_values(self.problem.interpolant.marginal(t), grid, form, self.fields.device)

    def on(self, grid: Grid, form: str, dtype: torch.dtype, start: float | None = None) -> DensityProblem:
        """The problem that a solver is handed, started from the exact law."""
        first = self.times(2)[0] if start is None else start
        sign, epsilon, fields = self.sign, self.epsilon, self.fields
        return DensityProblem(
            grid=grid,
            initial=self.exact(grid, first, form).to(dtype),
            epsilon=epsilon,
            direction=self.direction,
            lattice_drift=lambda t, axes, axis: fields.on_lattice(t, axes, axis, sign * epsilon(t)),
            point_drift=lambda t, x: fields.points(t, x, sign * epsilon(t)),
        )


def box(problem: Any, cells: int) -> Grid:
    """The problem's domain with ``cells`` cells on its longest axis, the others in proportion (at least 8)."""
    lower, upper = domain(problem)
    lengths = [b - a for a, b in zip(lower, upper, strict=True)]
    longest = max(lengths)
    return Grid(lower, upper, tuple(max(8, round(cells * length / longest)) for length in lengths))


def density_case(
    problem: Any,
    amount: str,
    direction: Direction = "forward",
    device: torch.device | str = "cpu",
    span: tuple[float, float] | None = None,
) -> DensityCase:
    """``amount``: "zero" (transport), "constant" or "varying" in time, from 0 up.

    ε is in units of the least variance σ² that any component ever has, so that its pull on that component is of rate
    one. ``varying`` is σ²·3t(2 − t)/2 forward: it starts from no diffusion at all and grows.
    """
    least = least_variance(problem)
    amounts: dict[str, tuple[str, Callable[[float], float]]] = {
        "zero": ("ε = 0", lambda t: 0.0),
        "constant": (f"ε = {least:.3g}", lambda t: least),
        "varying": (f"ε(t) = {1.5 * least:.3g} t(2 − t)", lambda t: 1.5 * least * t * (2.0 - t)),
    }
    if amount not in amounts:
        raise ValueError(f"amount: expected one of {', '.join(amounts)}, got {amount!r}")
    label, epsilon = amounts[amount]
    fields = held(problem, torch.device(device))
    return DensityCase(problem, epsilon, direction, f"{direction}, {label}", fields, span or problem.t_span)
