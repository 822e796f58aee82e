"""The four quadratic objectives, one loss a row, with antithetic pairs (arXiv:2303.08797, equations 2.13, 2.15; MATH.md
section 5):

    velocity              ½|f|² − (α̇x0 + β̇x1 + γ̇z)·f      minimiser b
    interpolant_velocity  ½|f|² − (α̇x0 + β̇x1)·f             minimiser v
    score                 ½|f|² + γ⁻¹ z·f                     minimiser s
    denoiser              ½|f|² − z·f                         minimiser η_z

Every one is ½|f|² − target·f. Near t = 0, 1 the targets of velocity and score grow as 1/γ; the mean over a pair
x± = αx0 + βx1 ± γz stays bounded, because the targets' singular parts have opposite signs and nearly the same f.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
Field = Callable[[Tensor, Tensor], Tensor]  # (t (N,), x (N, D)) -> (N, D)
QUANTITIES = ("velocity", "interpolant_velocity", "score", "denoiser")


@dataclass(frozen=True)
class QuadraticObjective:
    """loss(field, interpolant, t, x0, x1, z) -> (N,): t (N,), x0, x1, z (N, D); in the dtype of x0."""

    quantity: str
    antithetic: bool = True

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise ValueError(f"quantity: expected one of {', '.join(QUANTITIES)}, got {self.quantity!r}")

    def __call__(self, field: Field, interpolant: Any, t: Tensor, x0: Tensor, x1: Tensor, z: Tensor) -> Tensor:
        """The loss of every row; ValueError where a score or denoiser has no latent to learn from."""
        c = interpolant.schedule.at(t.to(torch.float64))
        gamma = column(c.gamma, x0)
        if self.quantity in ("score", "denoiser") and not bool((gamma > 0).all()):
            raise ValueError(f"quantity: {self.quantity} needs γ(t) > 0, but the latent vanishes at some t given")
        centre = column(c.alpha, x0) * x0 + column(c.beta, x0) * x1
        steady = column(c.alpha_dot, x0) * x0 + column(c.beta_dot, x0) * x1
        signs = (1.0, -1.0) if self.antithetic else (1.0,)
        points = torch.cat([centre + sign * gamma * z for sign in signs])
        targets = torch.cat([self._target(c, x0, steady, sign * z) for sign in signs])
        values = field(t.repeat(len(signs)), points)
        losses = (0.5 * values**2 - targets * values).sum(1)
        return losses.reshape(len(signs), len(t)).mean(0)

    def _target(self, c: Any, like: Tensor, steady: Tensor, z: Tensor) -> Tensor:
        if self.quantity == "interpolant_velocity":
            return steady
        if self.quantity == "denoiser":
            return z
        if self.quantity == "score":
            return -z / column(c.gamma, like)
        gamma = column(c.gamma, like)
        # γ̇ = γγ̇/γ; where there is no latent at all both vanish.
        rate = torch.where(
            gamma > 0, column(c.gamma_gamma_dot, like) / gamma.clamp(min=1e-300), torch.zeros_like(gamma)
        )
        return steady + rate * z


def column(values: Any, like: Tensor) -> Tensor:
    """(N,) coefficients as (N, 1), in the dtype and on the device of ``like``."""
    return torch.as_tensor(values, device=like.device).to(like.dtype)[:, None]
