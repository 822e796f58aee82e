"""Seeded faults in objectives: the targets, the pairs and the points that a field is learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.learning.guard import Objective
from si_verify.learning.objectives import column
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


@dataclass(frozen=True)
class Parts:
    """Everything a target can be made of, (N, D) or (N, 1)."""

    x0: Tensor
    x1: Tensor
    z: Tensor
    steady: Tensor
    gamma: Tensor
    rate: Tensor  # γ̇


Target = Callable[[Parts, float], Tensor]


def _loss(target: Target, square: float = 1.0, late: bool = False, first_row: bool = False, mean: bool = False) -> Any:
    """½ square |f|² − target·f over the pair; the target is told the sign of its z."""

    def loss(field: Any, interpolant: Any, t: Tensor, x0: Tensor, x1: Tensor, z: Tensor) -> Tensor:
        c = interpolant.schedule.at(t.to(torch.float64))
        gamma = column(c.gamma, x0)
        steady = column(c.alpha_dot, x0) * x0 + column(c.beta_dot, x0) * x1
        parts = Parts(x0, x1, z, steady, gamma, column(c.gamma_gamma_dot, x0) / gamma)
        centre = column(c.alpha, x0) * x0 + column(c.beta, x0) * x1
        total = torch.zeros_like(t)
        for sign in (1.0, -1.0):
            f = field(1.0 - t if late else t, centre + sign * gamma * z)
            rows = 0.5 * square * f**2 - target(parts, sign) * f
            total = total + (rows.mean(1) if mean else rows.sum(1)) / 2.0
        return total[:1].expand(len(t)).clone() if first_row else total

    return loss


def _velocity(p: Parts, sign: float) -> Tensor:
    return p.steady + sign * p.rate * p.z


def _fault(name: str, quantity: str, loss: Any, story: str, source: str = "MATH.md section 5") -> Fault:
    claims = Claims(quantities=(quantity,), extra={"form": "objective"})
    subject = Subject(f"fault/drift-{name}", "drift", lambda: Objective(loss), claims)
    return Fault(subject, ("drift-objective",), story, source)


FAULTS = (
    _fault("antithetic-sign", "velocity", _loss(lambda p, s: p.steady + p.rate * p.z),
           "Both points of the pair get the target of the first: +γ̇z at x₋."),
    _fault("velocity-target-of-v", "velocity", _loss(lambda p, s: p.steady), "The target of v used for b: γ̇z dropped."),
    _fault("v-target-of-velocity", "interpolant_velocity", _loss(_velocity), "The target of b used for v."),
    _fault("gamma-rate-sign", "velocity", _loss(lambda p, s: p.steady - s * p.rate * p.z),
           "−γ̇z: time reversed in γ only."),
    _fault("gamma-rate-doubled", "velocity", _loss(lambda p, s: p.steady + 2.0 * s * p.rate * p.z),
           "2γγ̇ for γγ̇: the derivative of γ² taken for that of ½γ².", "deepinv/deepinv#1343"),
    _fault("score-without-gamma", "score", _loss(lambda p, s: -s * p.z),
           "1/γ dropped: the denoiser's target, of other sign."),
    _fault("score-sign", "score", _loss(lambda p, s: s * p.z / p.gamma), "The sign of the score.",
           "atong01/conditional-flow-matching#85"),
    _fault("score-gamma-squared", "score", _loss(lambda p, s: -s * p.z / p.gamma**2),
           "1/γ² for 1/γ: a variance passed as a deviation.", "sbi-dev/sbi#1782"),
    _fault("denoiser-of-score", "denoiser", _loss(lambda p, s: -s * p.z), "Noise and score confused: −z for z."),
    _fault("objective-without-half", "velocity", _loss(_velocity, square=2.0),
           "|f|² for ½|f|²: the minimiser is halved."),
    _fault("objective-mean", "velocity", _loss(_velocity, mean=True), "The mean over coordinates for their sum."),
    _fault("objective-time", "velocity", _loss(_velocity, late=True), "The field is asked at 1 − t, the data is at t.",
           "hustvl/LightningDiT#89"),
    _fault("objective-one-row", "denoiser", _loss(lambda p, s: s * p.z, first_row=True),
           "The loss of one row of the batch stands for all.", "atong01/conditional-flow-matching#24"),
)  # fmt: skip
