"""The law that affine errors carry, at any time, and the density along paths of its SDE (likelihood form ``path``).

The law ρ̂ of dX = b̂_F dt + √(2ε) dW is that of an interpolant of its own, with score ŝ* = ∇log ρ̂ and velocity
b̂* = b̂_F − ε ŝ*, so that along a path (MATH.md section 4)

    d log ρ̂(t, X) = [−∇·b̂* − b̂*·ŝ* + ε ∇·ŝ*] dt + ŝ*·dX  (Itô).

A learned ŝ that is not ∇log ρ̂ gives another number: the formula is one of (b̂*, ŝ*).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from analytic.affine import AffineField, GaussianPath, laws
from analytic.gaussian import Gaussian
from analytic.mixture import GaussianMixture
from analytic.perturbation import PerturbedFields
from si_verify.likelihood.cases import Field, affine_errors, exact_case, torch_affine

Tensor = torch.Tensor
Array = NDArray[np.floating]


class CarriedLaw:
    """ρ̂(t) of perturbed fields, started from the exact law at ``start``; ε = 0 is the flow's."""

    def __init__(self, fields: PerturbedFields, epsilon: float, start: float) -> None:
        self.fields, self.epsilon = fields, epsilon
        self.kept: dict[float, Gaussian] = {start: fields.path.law(start)}

    def at(self, t: float) -> Gaussian:
        """ρ̂(t), t ≥ start; carried on from the nearest time before it that was asked for."""
        if t not in self.kept:
            since = max(u for u in self.kept if u < t)
            self.kept[t] = laws(self.fields.sde(self.epsilon), self.kept[since], np.array([since, t]))[-1]
        return self.kept[t]

    def score(self) -> AffineField:
        """∇log ρ̂ = −C⁻¹(x − m)."""

        def matrix(t: Array) -> Array:
            return np.stack([-np.linalg.inv(self.at(float(u)).cov) for u in t])

        def offset(t: Array) -> Array:
            found = [self.at(float(u)) for u in t]
            return np.stack([np.linalg.solve(law.cov, law.mean) for law in found])

        return AffineField(matrix, offset)

    def velocity(self) -> AffineField:
        """b̂_F − ε ∇log ρ̂."""
        drift = self.fields.path.drift(self.epsilon) + self.fields.drift_error(self.epsilon)
        return drift + self.score().scaled(-self.epsilon)

    def log_density(self, t: float, x: Tensor) -> Tensor:
        """log ρ̂(t, x), (N,)."""
        law = self.at(t)
        return GaussianMixture([1.0], law.mean[None], law.cov[None]).log_density(x)


@dataclass(frozen=True, eq=False)
class PathCase:
    """Fields of a law with log ρ known at all times; paths of dX = (b + ε s) dt + √(2ε) dW start at span[0]."""

    label: str
    span: tuple[float, float]
    epsilon: float
    velocity: Field
    score: Field
    log_density: Callable[[float, Tensor], Tensor]
    draw: Callable[[int, int], NDArray[np.floating]]


def path_cases(problem: object, epsilon: float, seed: int, device: torch.device | str) -> list[PathCase]:
    """Exact fields; for a problem of one Gaussian also the fields of the law that affine errors carry."""
    exact, interpolant = exact_case(problem, device), problem.interpolant  # type: ignore[attr-defined]

    def draw(n: int, s: int) -> NDArray[np.floating]:
        return np.asarray(interpolant.sample(exact.span[0], n, s))

    cases = [PathCase("exact fields", exact.span, epsilon, exact.velocity, exact.score, interpolant.log_density, draw)]
    if problem.n_components == 1:  # type: ignore[attr-defined]
        fields = affine_errors(GaussianPath.of(interpolant), np.random.default_rng(seed))
        law = CarriedLaw(fields, epsilon, exact.span[0])
        cases.append(
            PathCase(
                "affine errors", exact.span, epsilon,
                torch_affine(law.velocity(), device), torch_affine(law.score(), device), law.log_density, draw,
            )
        )  # fmt: skip
    return cases
