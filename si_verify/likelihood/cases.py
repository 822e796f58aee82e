"""Fields whose law is known exactly, exact or with an error of known consequence, as torch functions for estimators."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from analytic.affine import AffineField, GaussianPath
from analytic.mixture import GaussianMixture
from analytic.perturbation import PerturbedFields
from si_verify.fields.mixture import held
from si_verify.likelihood.bounds import FieldErrors
from si_verify.subject import SubjectError

Tensor = torch.Tensor
Field = Callable[[float, Tensor], Tensor]
LogDensity = Callable[[Tensor], Tensor]
# An estimator that asks for the field more often than this at a tolerance of 1e-8 on a smooth field never settles.
MOST_EVALUATIONS = 5000


@dataclass(frozen=True, eq=False)
class LikelihoodCase:
    """b̂ and ŝ, and the laws that dX = b̂_F dt + √(2ε) dW carries from the exact ρ at span[0] to span[1].

    first, last: log densities (N,) at both ends of the span; draw(n, seed): points of the last law, (n, D) NumPy.
    """

    label: str
    dim: int
    span: tuple[float, float]
    velocity: Field
    score: Field
    first: LogDensity
    last: LogDensity
    draw: Callable[[int, int], np.ndarray]

    def times(self, steps: int, down: bool = True) -> list[float]:
        """``steps`` equal steps from where the density is wanted to where it is known."""
        start, end = self.span[::-1] if down else self.span
        return [float(t) for t in np.linspace(start, end, steps + 1)]


def exact_case(problem: Any, device: torch.device | str) -> LikelihoodCase:
    """The problem's own fields: log ρ(1) at the end, whatever ε."""
    fast, interpolant, (start, end) = held(problem, torch.device(device)), problem.interpolant, problem.t_span
    return LikelihoodCase(
        "exact fields", problem.dim, problem.t_span,
        lambda t, x: fast.points(float(t), x.to(torch.float64), 0.0).to(x.dtype),
        lambda t, x: fast.all(float(t), x.to(torch.float64)).score.to(x.dtype),
        lambda x: interpolant.log_density(start, x), lambda x: interpolant.log_density(end, x),
        lambda n, seed: np.asarray(interpolant.sample(end, n, seed)),
    )  # fmt: skip


def affine_errors(path: GaussianPath, rng: np.random.Generator, size: float = 0.4) -> PerturbedFields:
    """Random errors of b and s, affine in x and smooth in t; matrices need be neither symmetric nor commuting."""
    dim = path.dim

    def error(scale: float) -> AffineField:
        still, moving = rng.standard_normal((2, dim, dim)) * scale / math.sqrt(dim)
        shift, drift = rng.standard_normal((2, dim)) * scale
        phase = rng.uniform(0, 2 * math.pi)
        return AffineField(
            lambda t: still + np.sin(3.0 * t + phase)[:, None, None] * moving,
            lambda t: shift + np.cos(2.0 * t + phase)[:, None] * drift,
        )

    return PerturbedFields.of(path, error(size), error(size))


def torch_affine(field: AffineField, device: torch.device | str) -> Field:
    """An affine field on tensors; coefficients are computed once a time."""
    kept: dict[float, tuple[Tensor, Tensor]] = {}

    def at(t: float, x: Tensor) -> Tensor:
        t = float(t)
        if t not in kept:
            now = np.array([t])
            kept[t] = tuple(torch.as_tensor(a, device=device) for a in (field.matrix(now)[0], field.offset(now)[0]))  # type: ignore[assignment]
        matrix, offset = kept[t]
        return x @ matrix.to(x.dtype).mT + offset.to(x.dtype)

    return at


def perturbed_case(problem: Any, epsilon: float, seed: int, device: torch.device | str) -> LikelihoodCase:
    """Affine errors on a problem of one Gaussian: ρ̂(1) is a Gaussian known to rounding."""
    path = GaussianPath.of(problem.interpolant)
    fields = affine_errors(path, np.random.default_rng(seed))
    ends = fields.laws(epsilon, np.array(problem.t_span))
    first, last = (GaussianMixture([1.0], law.mean[None], law.cov[None]) for law in ends)
    return LikelihoodCase(
        f"affine errors, ε = {epsilon:g}", path.dim, problem.t_span,
        torch_affine(fields.velocity, device), torch_affine(fields.score, device),
        first.log_density, last.log_density, lambda n, s: np.asarray(last.sample(n, s)),
    )  # fmt: skip


def wavy(case: LikelihoodCase, size: float = 0.3) -> LikelihoodCase:
    """The case with a nonlinear error of b that is no gradient; its law is not known, but is a law."""

    def velocity(t: float, x: Tensor) -> Tensor:
        return case.velocity(t, x) + size * torch.sin(1.7 * x.roll(1, dims=1) + 0.6 * x + 2.0 * float(t))

    return LikelihoodCase(
        "a nonlinear error", case.dim, case.span, velocity, case.score, case.first, case.last, case.draw
    )


def field_errors(fields: PerturbedFields, span: tuple[float, float]) -> FieldErrors:
    """Mean squares of the errors over the exact law, in closed form."""
    from analytic.perturbation import mean_square

    path = fields.path
    return FieldErrors(
        velocity=lambda t: mean_square(path, fields.velocity_error, t),
        score=lambda t: mean_square(path, fields.score_error, t),
        interpolant_velocity=lambda t: mean_square(path, fields.interpolant_velocity_error(), t),
        drift=lambda t, epsilon: mean_square(path, fields.drift_error(epsilon), t),
        gamma_gamma_dot=lambda t: np.asarray(path.schedule.at(t).gamma_gamma_dot),
        span=span,
    )


class Counted:
    """A field that counts its calls, and ends a solve that would never settle with a SubjectError.

    Outside the span, where adaptive solvers look when they step past the end, it stays as it is at that end.
    """

    def __init__(self, field: Field, span: tuple[float, float], most: int = MOST_EVALUATIONS) -> None:
        self.field, self.span, self.most, self.calls = field, span, most, 0

    def __call__(self, t: Any, x: Tensor) -> Tensor:
        """The field at one time."""
        self.calls += 1
        if self.calls > self.most:
            raise SubjectError(f"more than {self.most} evaluations of a smooth field in one solve")
        return self.field(min(max(float(t), self.span[0]), self.span[1]), x)
