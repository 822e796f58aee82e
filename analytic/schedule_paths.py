"""The formulas behind the named schedules, each in the form that keeps its relative accuracy at both ends.

A path maps (namespace, t) to alpha, beta, their derivatives and finite products; a latent maps it to
(gamma^2, gamma gamma_dot). MATH notation: arXiv:2303.08797, Table 8.
"""

from __future__ import annotations

import math
from typing import Any

from analytic.arrays import Array

PI = math.pi


def _products(values: dict[str, Array]) -> dict[str, Array]:
    alpha, beta, alpha_dot, beta_dot = (values[k] for k in ("alpha", "beta", "alpha_dot", "beta_dot"))
    return {
        "alpha_alpha_dot": alpha * alpha_dot,
        "beta_beta_dot": beta * beta_dot,
        "alpha_dot_beta": alpha_dot * beta,
        "beta_dot_alpha": beta_dot * alpha,
    } | values


def linear(xp: Any, t: Array) -> dict[str, Array]:
    """alpha = 1 - t, beta = t."""
    one = xp.ones_like(t)
    return _products(
        {
            "alpha": 1.0 - t,
            "beta": t,
            "alpha_dot": -one,
            "beta_dot": one,
            "one_minus_alpha": t,
            "one_minus_beta": 1.0 - t,
        }
    )


def trigonometric(xp: Any, t: Array) -> dict[str, Array]:
    """alpha = cos(pi t / 2), beta = sin(pi t / 2); past t = 1/2 both are read from 1 - t."""
    late, rest = t > 0.5, 1.0 - t
    alpha = xp.where(late, xp.sin(0.5 * PI * rest), xp.cos(0.5 * PI * t))
    beta = xp.where(late, xp.cos(0.5 * PI * rest), xp.sin(0.5 * PI * t))
    return _products(
        {
            "alpha": alpha,
            "beta": beta,
            "alpha_dot": -0.5 * PI * beta,
            "beta_dot": 0.5 * PI * alpha,
            "one_minus_alpha": 2.0 * xp.sin(0.25 * PI * t) ** 2,
            "one_minus_beta": 2.0 * xp.sin(0.25 * PI * rest) ** 2,
        }
    )


def _half_turn(xp: Any, t: Array) -> tuple[Array, Array]:
    """(sin pi t, cos pi t), each to a few ulp: the sine from the nearer end, the cosine from 1/2."""
    return xp.sin(PI * xp.where(t > 0.5, 1.0 - t, t)), xp.sin(PI * (0.5 - t))


def encoding_decoding(xp: Any, t: Array) -> dict[str, Array]:
    """alpha = cos^2(pi t) on t < 1/2 and 0 after; beta = cos^2(pi t) on t > 1/2 and 0 before."""
    sine, cosine = _half_turn(xp, t)
    square, slope = cosine**2, -2.0 * PI * sine * cosine
    zero, one = xp.zeros_like(t), xp.ones_like(t)
    early, late = t < 0.5, t > 0.5
    return _products(
        {
            "alpha": xp.where(early, square, zero),
            "beta": xp.where(late, square, zero),
            "alpha_dot": xp.where(early, slope, zero),
            "beta_dot": xp.where(late, slope, zero),
            "one_minus_alpha": xp.where(early, sine**2, one),
            "one_minus_beta": xp.where(late, sine**2, one),
        }
    )


def variance_preserving(xp: Any, t: Array) -> dict[str, Array]:
    """alpha = sqrt(1 - t^2), beta = t; alpha alpha_dot = -t although alpha_dot(1) = -inf."""
    alpha = xp.sqrt((1.0 - t) * (1.0 + t))
    one = xp.ones_like(t)
    inside = alpha > 0.0
    divisor = xp.where(inside, alpha, one)
    infinite = -math.inf * one
    values = {
        "alpha": alpha,
        "beta": t,
        "alpha_dot": xp.where(inside, -t / divisor, infinite),
        "beta_dot": one,
        "alpha_alpha_dot": -t,
        "alpha_dot_beta": xp.where(inside, -(t**2) / divisor, infinite),
        "one_minus_alpha": t**2 / (1.0 + alpha),
        "one_minus_beta": 1.0 - t,
    }
    return values | {"beta_beta_dot": t, "beta_dot_alpha": alpha}


def brownian(xp: Any, t: Array) -> tuple[Array, Array]:
    """gamma^2 = t (1 - t), gamma gamma_dot = 1/2 - t."""
    return t * (1.0 - t), 0.5 - t


def quadratic(xp: Any, t: Array) -> tuple[Array, Array]:
    """gamma = t (1 - t), gamma gamma_dot = t (1 - t) (1 - 2t)."""
    gamma = t * (1.0 - t)
    return gamma**2, 2.0 * gamma * (0.5 - t)


def sine_squared(xp: Any, t: Array) -> tuple[Array, Array]:
    """gamma = sin^2(pi t), gamma gamma_dot = 2 pi sin^3(pi t) cos(pi t)."""
    sine, cosine = _half_turn(xp, t)
    return sine**4, 2.0 * PI * sine**3 * cosine


def none(xp: Any, t: Array) -> tuple[Array, Array]:
    """gamma = 0."""
    return xp.zeros_like(t), xp.zeros_like(t)


LATENTS = {"brownian": brownian, "quadratic": quadratic, "sine_squared": sine_squared, "none": none}
