"""Residual of a candidate density, any callable, in the transport and in the Fokker–Planck equation.

    transport       ∂_t l + ∇·b + b·∇l
    Fokker–Planck   ∂_t l + ∇·b_F + b_F·∇l − ε (Δl + |∇l|²),   b_F = b + ε s

with l = log ρ̂ (MATH.md section 4, both divided by ρ̂). They vanish together exactly for ρ̂ = ρ up to a constant factor;
where ρ̂ is off, they differ by −ε (Δl − Δ log ρ + ∇l·(∇l − s)), which is why both are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from si_verify.fields.finite_difference import derivative, gradient

Tensor = torch.Tensor
LogDensity = Callable[[float, Tensor], Tensor]
# Roundings of a second difference of fourth order: Σ|weights| = 64/12, a few units of each value's own.
_ROUNDING = 3 * 64 / 12


@dataclass(frozen=True)
class Residual:
    """Residuals (N,) in units of 1/time, each with a bound on what the differences alone leave of an exact density."""

    transport: Tensor
    transport_bound: Tensor
    fokker_planck: Tensor
    fokker_planck_bound: Tensor


def density_residual(
    log_density: LogDensity,
    interpolant: Any,
    t: float,
    x: Tensor,
    epsilon: float,
    span: tuple[float, float] = (0.0, 1.0),
) -> Residual:
    """Residuals of ``log_density(t, x) -> (N,)`` at x (N, D) float64, t inside ``span``, by differences in t and x.

    Fourth order; bounds are the disagreement of two step sizes plus the rounding of the differences. The drift is the
    yardstick's. Raises ValueError for t outside of ``span`` or ε < 0.
    """
    if not span[0] < t < span[1]:
        raise ValueError(f"t: expected a time inside {span}, got {t!r}")
    if not epsilon >= 0:
        raise ValueError(f"epsilon: expected a number ≥ 0, got {epsilon!r}")
    eps = torch.finfo(x.dtype).eps
    cov = np.asarray(interpolant.moments(t).cov)
    width = float(np.sqrt(np.min(np.linalg.eigvalsh(cov) if cov.ndim == 3 else cov)))
    # What a log-density is rounded to: it is a sum of terms as large as the Mahalanobis distance, however small it is.
    noise = eps * (8.0 + float((x * x).sum(1).max()) / width**2)
    pace = min(min(t - span[0], span[1] - t) / 8, 0.1 * eps**0.2)
    # A relative rounding of l is all that ``derivative`` knows of: where l is small, its terms are not.
    rate, rate_bound = derivative(lambda s: log_density(t + s, x), pace, noise)
    slope, slope_bound = gradient(lambda y: log_density(t, y), x, width * eps**0.2, noise)
    bend, bend_bound = _laplacian(lambda y: log_density(t, y), x, width * eps ** (1 / 6), noise)
    b, s = interpolant.velocity(t, x), interpolant.score(t, x)
    divergence, own_bend = interpolant.divergence(t, x), interpolant.laplacian_log_density(t, x)
    transport = rate + divergence + (b * slope).sum(1)
    slope_bound = slope_bound + 8 * noise / (width * eps**0.2)
    bound = rate_bound + 8 * noise / pace + (b.abs() * slope_bound).sum(1)
    bound = bound + 16 * noise * (1 + rate.abs() + divergence.abs() + (b * slope).abs().sum(1))
    drift = b + epsilon * s
    spread = bend + (slope * slope).sum(1)
    forward = rate + divergence + epsilon * own_bend + (drift * slope).sum(1) - epsilon * spread
    more = bend_bound + ((2 * slope - s).abs() * slope_bound).sum(1)
    size = own_bend.abs() + bend.abs() + (slope * slope).sum(1) + (s * s).sum(1)
    return Residual(transport, bound, forward, bound + epsilon * (more + 16 * noise * size))


def _laplacian(f: Callable[[Tensor], Tensor], x: Tensor, h: float, noise: float) -> tuple[Tensor, Tensor]:
    """Δf and a bound on its error."""
    here = f(x)
    total, bound = torch.zeros_like(here), torch.zeros_like(here)
    for j in range(x.shape[1]):
        axis = torch.zeros_like(x)
        axis[:, j] = 1.0

        def second(step: float, axis: Tensor = axis) -> Tensor:
            near = f(x + step * axis) + f(x - step * axis)
            far = f(x + 2 * step * axis) + f(x - 2 * step * axis)
            return (16 * near - far - 30 * here) / (12 * step**2)

        fine = second(h)
        total = total + fine
        bound = bound + (fine - second(2 * h)).abs() + _ROUNDING * noise * (1 + here.abs()) / h**2
    return total, bound
