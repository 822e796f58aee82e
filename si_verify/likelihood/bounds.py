"""What errors of fields do to a likelihood: the Fokker–Planck bounds, the transport identity, the best ε.

arXiv:2303.08797, Lemmas 2.21 and 2.22, Theorem 2.23; MATH.md section 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Square = Callable[[Array], Array]  # t (T,) -> E|error(t, x_t)|² (T,), the mean over the exact law
_PANELS, _POINTS = 64, 8


@dataclass(frozen=True)
class FieldErrors:
    """Mean squares of the errors of learned fields against t, over the exact law.

    velocity: of b̂ − b; score: of ŝ − s; interpolant_velocity: of v̂ − v; drift(t, ε): of b̂_F − b_F;
    gamma_gamma_dot: γγ̇ against t; span: the times over which they are taken, KL being that at its end.
    """

    velocity: Square
    score: Square
    interpolant_velocity: Square
    drift: Callable[[Array, float], Array]
    gamma_gamma_dot: Callable[[Array], Array]
    span: tuple[float, float] = (0.0, 1.0)


def quadrature(f: Square, span: tuple[float, float]) -> float:
    """∫ f dt by composite Gauss–Legendre, 64 panels of 8 points: rounding for anything smooth on 1/64."""
    nodes, weights = np.polynomial.legendre.leggauss(_POINTS)
    edges = np.linspace(*span, _PANELS + 1)
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    t = (middle[:, None] + half[:, None] * nodes).reshape(-1)
    return float((half[:, None] * weights).reshape(-1) @ f(t))


def drift_bound(errors: FieldErrors, epsilon: float) -> float:
    """∫ (1/4ε) E|b̂_F − b_F|² dt (Lemma 2.22)."""
    _positive(epsilon)
    return quadrature(lambda t: errors.drift(t, epsilon), errors.span) / (4.0 * epsilon)


def velocity_score_bound(errors: FieldErrors, epsilon: float) -> float:
    """(1/ε)(L_b − min) + ε (L_s − min) = ∫ E|b̂ − b|² dt / 2ε + ε ∫ E|ŝ − s|² dt / 2 (Theorem 2.23)."""
    _positive(epsilon)
    b, s = quadrature(errors.velocity, errors.span), quadrature(errors.score, errors.span)
    return b / (2.0 * epsilon) + epsilon * s / 2.0


def interpolant_score_bound(errors: FieldErrors, epsilon: float) -> float:
    """(1/ε)(L_v − min) + sup_t (γγ̇ − ε)²/ε (L_s − min) (Theorem 2.23 for learners of v and s)."""
    _positive(epsilon)
    v, s = quadrature(errors.interpolant_velocity, errors.span), quadrature(errors.score, errors.span)
    largest = float(np.max((errors.gamma_gamma_dot(np.linspace(*errors.span, 4097)) - epsilon) ** 2))
    return v / (2.0 * epsilon) + largest / epsilon * s / 2.0


def best_epsilon(velocity: float, score: float) -> tuple[float, float]:
    """The constant ε that makes ``velocity_score_bound`` least, and the bound there: √(E_b/E_s), √(E_b E_s).

    velocity, score: ∫ E|b̂ − b|² dt and ∫ E|ŝ − s|² dt. Infinite where the score is exact, zero where the velocity is:
    the bound then falls to 0 as ε grows, or shrinks.
    """
    for name, value in (("velocity", velocity), ("score", score)):
        if not value >= 0.0:
            raise ValueError(f"{name}: expected a mean square ≥ 0, got {value!r}")
    if score == 0.0:
        return (math.inf, 0.0) if velocity > 0.0 else (1.0, 0.0)
    return math.sqrt(velocity / score), math.sqrt(velocity * score)


Nodes = Callable[[float], tuple[Array, Array]]  # t -> points (N, D), weights (N,) summing to 1: the exact law at t
PointFunction = Callable[[float, Array], Array]  # (t, x (N, D)) -> (N, D)


def transport_kl(gap: PointFunction, error: PointFunction, nodes: Nodes, span: tuple[float, float]) -> float:
    """KL(ρ(1)‖ρ̂(1)) = ∫∫ (∇log ρ̂ − ∇log ρ)·(b̂ − b) ρ dx dt of the flow (Lemma 2.21), an identity.

    gap: ∇log ρ̂ − ∇log ρ, with ρ̂ the law that the flow of b̂ carries; error: b̂ − b.
    """

    def rate(t: Array) -> Array:
        out: list[Any] = []
        for u in t:
            x, w = nodes(float(u))
            out.append(w @ np.sum(gap(float(u), x) * error(float(u), x), axis=1))
        return np.array(out)

    return quadrature(rate, span)


def _positive(epsilon: float) -> None:
    if not epsilon > 0.0:
        raise ValueError(f"epsilon: expected ε > 0, got {epsilon!r}")
