"""Affine errors on the fields of a Gaussian path: the learned law, its KL and the bounds on it, all known exactly.

arXiv:2303.08797, Section 2.4 (Lemmas 2.21 and 2.22, Theorem 2.23): what an L2 error of b, v or s does to the law
at t = 1, by the flow and by the SDE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.affine import AffineField, AffineSDE, Epsilon, GaussianPath, as_function, isotropic_noise, laws
from analytic.gaussian import Gaussian, kl
from analytic.propagator import check_grid

Array = NDArray[np.floating[Any]]


def zero_field(dim: int) -> AffineField:
    """f = 0."""
    return AffineField(lambda t: np.zeros((t.size, dim, dim)), lambda t: np.zeros((t.size, dim)))


@dataclass(frozen=True, eq=False)
class PerturbedFields:
    """b-hat = b + db and s-hat = s + ds on a Gaussian path, db and ds affine in x.

    The learned laws start from the exact rho(0) and stay Gaussian, so their KL from rho(1) is known to rounding.
    """

    path: GaussianPath
    velocity_error: AffineField
    score_error: AffineField

    @classmethod
    def of(
        cls, path: GaussianPath, velocity_error: AffineField | None = None, score_error: AffineField | None = None
    ) -> PerturbedFields:
        """With no error where none is given."""
        zero = zero_field(path.dim)
        return cls(path, velocity_error or zero, score_error or zero)

    @property
    def velocity(self) -> AffineField:
        """b-hat."""
        return self.path.velocity() + self.velocity_error

    @property
    def score(self) -> AffineField:
        """s-hat."""
        return self.path.score() + self.score_error

    def drift_error(self, epsilon: Epsilon) -> AffineField:
        """b-hat_F − b_F = db + eps ds."""
        return self.velocity_error + self.score_error.scaled(epsilon)

    def interpolant_velocity_error(self) -> AffineField:
        """v-hat − v = db + gamma gamma' ds, for learners of (v, s) whose b-hat is v-hat − gamma gamma' s-hat."""
        return self.velocity_error + self.score_error.scaled(lambda t: self.path.schedule.at(t).gamma_gamma_dot)

    def sde(self, epsilon: Epsilon) -> AffineSDE:
        """dX = (b-hat + eps s-hat) dt + sqrt(2 eps) dW; eps = 0 is the learned flow."""
        drift = self.path.drift(epsilon) + self.drift_error(epsilon)
        return AffineSDE(drift, isotropic_noise(epsilon, self.path.dim))

    def laws(self, epsilon: Epsilon, times: Array) -> list[Gaussian]:
        """rho-hat at rising times, started from the exact law at times[0]."""
        return laws(self.sde(epsilon), self.path.law(float(times[0])), times)

    def kl(self, epsilon: Epsilon, span: tuple[float, float] = (0.0, 1.0)) -> float:
        """KL(rho‖rho-hat) at the end of the span, rho-hat started exact at its beginning; eps = 0: of the flow."""
        return float(self.kl_along(epsilon, np.array(span))[-1])

    def kl_along(self, epsilon: Epsilon, times: Array) -> Array:
        """KL(rho(t)‖rho-hat(t)) at rising times, (T,)."""
        learned = self.laws(epsilon, times)
        return np.array([kl(self.path.law(float(t)), law) for t, law in zip(times, learned, strict=True)])

    def kl_rate(self, epsilon: Epsilon, times: Array) -> Array:
        """d/dt KL(rho(t)‖rho-hat(t)) at rising times, (T,), from the densities and not by differencing.

        E[(s-hat_law − s)·(b-hat_F − b_F)] − eps E|s-hat_law − s|², s-hat_law = ∇log rho-hat; for eps = 0 the
        transport identity of MATH.md section 6.
        """
        error, eps = self.drift_error(epsilon), as_function(epsilon, "epsilon")(times)
        out = []
        for i, (t, law) in enumerate(zip(times, self.laws(epsilon, times), strict=True)):
            truth, now = self.path.law(float(t)), np.array([float(t)])
            inverse, learned = np.linalg.inv(truth.cov), np.linalg.inv(law.cov)
            gap, shift = inverse - learned, learned @ law.mean - inverse @ truth.mean
            both = expected_product(truth, (gap, shift), (error.matrix(now)[0], error.offset(now)[0]))
            out.append(both - eps[i] * expected_product(truth, (gap, shift), (gap, shift)))
        return np.array(out)

    def excess(self, field: AffineField, weight: Epsilon = 1.0, span: tuple[float, float] = (0.0, 1.0)) -> float:
        """½ ∫ weight(t) E|field(t, x_t)|² dt over the exact law: the excess of a quadratic objective."""
        scale = as_function(weight, "weight")
        return 0.5 * integrate(lambda t: scale(t) * mean_square(self.path, field, t), span)

    def bound_drift(self, epsilon: Epsilon, span: tuple[float, float] = (0.0, 1.0)) -> float:
        """∫ (1/4 eps) E|b-hat_F − b_F|² dt, eps > 0: the sharp bound on `kl(epsilon)`."""
        eps = as_function(epsilon, "epsilon")
        return 0.5 * self.excess(self.drift_error(epsilon), lambda t: 1.0 / eps(t), span)

    def bound_velocity_score(self, epsilon: float, span: tuple[float, float] = (0.0, 1.0)) -> float:
        """(1/eps) (L_b − min) + eps (L_s − min) for constant eps > 0."""
        return self.excess(self.velocity_error, span=span) / epsilon + epsilon * self.excess(
            self.score_error, span=span
        )

    def bound_interpolant_score(self, epsilon: float, span: tuple[float, float] = (0.0, 1.0)) -> float:
        """(1/eps) (L_v − min) + sup_t (gamma gamma' − eps)²/eps (L_s − min) for constant eps > 0.

        gamma gamma' of every named latent is monotone between a few turning points; the sup is over 4097 times,
        ends included.
        """
        times = np.linspace(*span, 4097)
        largest = float(np.max((self.path.schedule.at(times).gamma_gamma_dot - epsilon) ** 2)) / epsilon
        return self.excess(self.interpolant_velocity_error(), span=span) / epsilon + largest * self.excess(
            self.score_error, span=span
        )


def expected_product(law: Gaussian, f: tuple[Array, Array], g: tuple[Array, Array]) -> float:
    """E[(F x + f)·(G x + g)] over N(m, C) = tr(F C Gᵀ) + (F m + f)·(G m + g)."""
    (fm, fo), (gm, go) = f, g
    return float(np.sum((fm @ law.cov) * gm) + (fm @ law.mean + fo) @ (gm @ law.mean + go))


def mean_square(path: GaussianPath, field: AffineField, t: Array) -> Array:
    """E|field(t, x_t)|² over the exact law at many times, (T,)."""
    matrix, offset = field.matrix(t), field.offset(t)
    centre = np.einsum("tij,tj->ti", matrix, path.mean(t)) + offset
    return np.einsum("tij,tjk,tik->t", matrix, path.cov(t), matrix) + np.sum(centre**2, axis=1)


def integrate(f: Callable[[Array], Array], span: tuple[float, float], max_panels: int = 1 << 14) -> float:
    """∫ f over the span by composite 20-point Gauss-Legendre, panels doubled until two answers agree to rounding."""
    check_grid(np.array(span))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    previous, panels = np.inf, 4
    while panels <= max_panels:
        edges = np.linspace(*span, panels + 1)
        half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
        values = f((middle[:, None] + half[:, None] * nodes).reshape(-1)).reshape(panels, -1)
        total, size = float(half @ values @ weights), float(np.abs(half) @ np.abs(values) @ weights)
        if abs(total - previous) <= 64.0 * np.finfo(np.float64).eps * size:
            return total
        previous, panels = total, 2 * panels
    raise ArithmeticError(f"the integral over {span} does not settle with {max_panels} panels: a singular integrand?")


def tightness_witness(epsilon: float, schedule: Any) -> PerturbedFields:
    """The errors for which the Fokker-Planck bound is all but reached: KL / bound = 1 − e^(−2 eps).

    N(0, 1) to N(0, 1) independent in one dimension with gamma² = 2t(1 − t), hence C = 1 throughout (pass
    `Schedule.linear("brownian", scale=2.0)`); db = c, ds = c / eps with c(t) = e^(−eps (1 − t)). A bound with
    half the constants would be violated.
    """
    zero, one = np.zeros(1), np.eye(1)
    path = GaussianPath(schedule, zero, zero, one, one, 0.0 * one)

    def constant(scale: float) -> AffineField:
        return AffineField(lambda t: np.zeros((t.size, 1, 1)), lambda t: scale * np.exp(-epsilon * (1.0 - t))[:, None])

    return PerturbedFields(path, constant(1.0), constant(1.0 / epsilon))
