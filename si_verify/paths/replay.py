"""One step of a path from the yardstick's drift and noise drawn outside, and what rounding may change of it.

    dX = (b ± ε s) dt + √(2ε) dW (arXiv:2303.08797, Theorem 2.9; + on a rising, − on a falling grid)

A stage's drift within eps·K of the exact one at a state that is off by eps·E is off by eps·(K + |∇f| E) to first order:
carried through the stages this gives the step's own condition number, from those of the fields (fields/conditioning.py)
and the closed-form Jacobians.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.fields.conditioning import sensitivity
from si_verify.paths.schemes import SCHEMES


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=1)


def _drift(
    law: Interpolant, t: float, x: Tensor, gain: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """b + gain · s (N, D), its condition number (N,) and the norm of its Jacobian (N,)."""
    scale = sensitivity(law, t, x, generator)
    value, units = torch.as_tensor(law.velocity(t, x)), scale["velocity"]
    jacobian = torch.as_tensor(law.velocity_jacobian(t, x))
    if gain:
        value = value + gain * torch.as_tensor(law.score(t, x))
        units = units + abs(gain) * scale["score"]
        jacobian = jacobian + gain * torch.as_tensor(law.score_jacobian(t, x))
    return value, units, torch.linalg.matrix_norm(jacobian)


def step(
    law: Interpolant, method: str, t: float, u: float, epsilon: float, x: Tensor, z: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """State after one step from t to u, (N, D) float64, and its condition number (N,): an implementation within
    c·eps·that is right. x, z (N, D) float64: the state and the step's standard normals (zeros where ε = 0).
    """
    h = u - t
    gain, noise = (epsilon if h > 0 else -epsilon), (2.0 * epsilon * abs(h)) ** 0.5 * z
    # Normals are made by a logarithm, a root and a circular function: a unit of theirs is one of 1 + |z|.
    of_noise = (2.0 * epsilon * abs(h)) ** 0.5 * (1.0 + _norm(z))
    state, off = x, torch.zeros_like(of_noise)
    total, units = x + noise, _norm(x) + of_noise
    for c, b, a, n in SCHEMES[method]:
        f, scale, steep = _drift(law, t + c * h, state, gain, generator)
        moved = scale + steep * off + _norm(f)
        total, units = total + b * h * f, units + abs(b * h) * moved
        state, off = x + a * h * f + n * noise, _norm(x) + abs(a * h) * moved + n * of_noise
    return total, units
