"""Refinement ladders for SDE checks: which step counts, which variations, and the probed map on every rung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from analytic.affine import AffineSDE, GaussianPath
from analytic.gaussian import Gaussian
from si_verify.check import Context, Inapplicable
from si_verify.sde.affine_probe import AffineMap, probe
from si_verify.sde.equation import Equation, grid
from si_verify.stats import geometric_steps

# A coarsest step this many times shorter than the drift's fastest time scale is stable for every explicit scheme and
# near its asymptotic regime.
_RESOLVE = 2.0
# A probe has a row for every cell and coordinate: beyond this many cells on the finest rung the ladder is too dear.
_MOST_STEPS = 2048


@dataclass(frozen=True)
class Rung:
    """One step count and what the scheme does there."""

    steps: int
    step: float
    found: AffineMap


@cache
def gaussian_path(problem: Any) -> GaussianPath:
    return GaussianPath.of(problem.interpolant)


@cache
def _rate(problem: Any, epsilon_at: tuple[float, ...], sign: float) -> float:
    """The fastest rate of the drift's Jacobian over t_span (spectral norm)."""
    path = gaussian_path(problem)
    times = np.linspace(problem.t_span[0], problem.t_span[1], len(epsilon_at))
    jacobian = path.rate(times) - sign * np.array(epsilon_at)[:, None, None] * np.linalg.inv(path.cov(times))
    return float(np.linalg.norm(jacobian, 2, axis=(1, 2)).max())


def affine_sde(problem: Any, equation: Equation) -> AffineSDE:
    """The equation as the yardstick has it."""
    return AffineSDE.of(gaussian_path(problem), _on_arrays(equation), equation.direction)


def _on_arrays(equation: Equation) -> Any:
    return lambda t: np.array([equation.epsilon(float(u)) for u in np.atleast_1d(t)])


def start_law(equation: Equation) -> Gaussian:
    return Gaussian.from_mixture(equation.law(equation.span[0]))


def end_law(equation: Equation) -> Gaussian:
    return Gaussian.from_mixture(equation.law(equation.span[1]))


def step_counts(problem: Any, equation: Equation, rungs: int, ratio: float) -> Sequence[int]:
    """Step counts, not powers of two, whose coarsest resolves the drift. Inapplicable where that is too dear.

    All are even: the error of a two-step scheme has a part that changes sign from step to step.
    """
    times = np.linspace(problem.t_span[0], problem.t_span[1], 33)
    fastest = _rate(problem, tuple(equation.epsilon(float(t)) for t in times), equation.sign)
    span = abs(equation.span[1] - equation.span[0])
    first = max(8, int(np.ceil(_RESOLVE * fastest * span)))
    if first * ratio > _MOST_STEPS:
        raise Inapplicable(f"the drift's fastest rate is {fastest:.3g}: too stiff for a ladder of explicit steps")
    counts = geometric_steps(first, round(first * ratio), rungs)
    return sorted({n + n % 2 for n in counts})


def climb(ctx: Context, equation: Equation, counts: Sequence[int], bend: float, stream: int) -> list[Rung]:
    """Probe the subject on every rung."""
    rungs = []
    initial = start_law(equation)
    for number, steps in enumerate(counts):
        times = grid(equation.span, steps, ctx.dtype, ctx.device, bend)

        def run(x0: torch.Tensor, brownian: Any, times: torch.Tensor = times) -> torch.Tensor:
            return equation.solve(ctx.implementation, ctx.subject.claims, x0, times, brownian)

        generator = ctx.generator(stream * 64 + number)
        found = probe(run, initial, times, equation.channels, ctx.seed & 0xFFFFFFFF, generator, number == 0)
        rungs.append(Rung(steps, abs(equation.span[1] - equation.span[0]) / steps, found))
    return rungs
