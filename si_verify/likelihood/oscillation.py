"""A drift error that vanishes in L2 while the flow's KL does not: the "more stringent" control of deterministic models.

One dimension, N(0, 1) to itself, so that b = 0. The error b̂ − b = (c/k) sin(kx) has ∫E|b̂ − b|² ≤ c²/k², but its slope
c cos(kx) does not fall with k: the flow squeezes mass within each of its cells. In u = kx the flow is u' = c sin u,

    tan(u(t)/2) = e^{ct} tan(u(0)/2),   du(0)/du(1) = 1 / (cosh c + sinh c · cos u(1))

so that KL(ρ‖ρ̂) is a quadrature, and tends to 2 log cosh(c/2) as k → ∞ (arXiv:2303.08797, Section 2.4).
The SDE of the same error has KL ≤ ∫E|b̂ − b|²/4ε → 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Tensor = torch.Tensor
Array = NDArray[np.float64]
HALF_WIDTH = 9.0  # of the domain, in standard deviations: 2e-19 of the mass is beyond


def oscillating(c: float, k: int) -> Any:
    """b̂(t, x) = (c/k) sin(kx), (N, 1) -> (N, 1)."""
    return lambda t, x: (c / k) * torch.sin(k * x)


def limit(c: float) -> float:
    """lim KL of the flow as k → ∞: 2 log cosh(c/2)."""
    return 2.0 * math.log(math.cosh(0.5 * c))


def grid(k: int, per_wave: int = 48) -> Array:
    """Points on [−9, 9] that resolve every wave, (N,)."""
    return np.linspace(-HALF_WIDTH, HALF_WIDTH, max(400, math.ceil(HALF_WIDTH * k / math.pi) * per_wave) + 1)


def normal(x: Array) -> Array:
    """log N(x; 0, 1)."""
    return -0.5 * x * x - 0.5 * math.log(2.0 * math.pi)


def flow_log_density(c: float, k: int, x: Array) -> Array:
    """log ρ̂(1, x) of the flow in closed form, (N,)."""
    u = k * x
    turns = 2.0 * math.pi * np.round(u / (2.0 * math.pi))
    before = 2.0 * np.arctan(math.exp(-c) * np.tan(0.5 * (u - turns))) + turns
    return normal(before / k) - np.log(math.cosh(c) + math.sinh(c) * np.cos(u))


def kl_on_grid(x: Array, log_q: Array) -> float:
    """KL(N(0, 1)‖q) by the trapezoidal rule."""
    log_p = normal(x)
    return float(np.sum(np.exp(log_p) * (log_p - log_q)) * (x[1] - x[0]))


def mean_square(c: float, k: int) -> float:
    """E|b̂ − b|² = (c/k)² (1 − e^(−2k²))/2."""
    return (c / k) ** 2 * -0.5 * math.expm1(-2.0 * k * k)


def sde_kl(c: float, k: int, epsilon: float) -> float:
    """KL(ρ(1)‖ρ̂(1)) of dX = (b̂ + ε s) dt + √(2ε) dW, s = −x, on a fine grid.

    Scharfetter–Gummel fluxes (second order, positive, conservative) and the exponential of their matrix: no error of
    time steps. A sixth of the usual points a wave suffices here, where diffusion smooths them.
    """
    from scipy.sparse import diags
    from scipy.sparse.linalg import expm_multiply

    x = grid(k, 16)
    x = x[np.abs(x) <= 6.5]
    h = x[1] - x[0]
    face = 0.5 * (x[1:] + x[:-1])
    peclet = ((c / k) * np.sin(k * face) - epsilon * face) * h / epsilon
    up, down = epsilon / h**2 * _bernoulli(-peclet), epsilon / h**2 * _bernoulli(peclet)
    out = np.zeros_like(x)
    out[:-1] -= up
    out[1:] -= down
    start = np.exp(normal(x))
    end = expm_multiply(diags([up, out, down], [-1, 0, 1], format="csr"), start)
    return float(np.sum(start * np.log(start / end) - start + end) * h)


def _bernoulli(z: Array) -> Array:
    """z/(e^z − 1)."""
    small = np.abs(z) < 1e-5
    safe = np.where(small, 1.0, z)
    return np.where(small, 1.0 - 0.5 * z, safe / np.expm1(safe))
