"""Seeded faults in densities along SDE paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.likelihood.divergence import value_and_divergence
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def _path(second: float = 1.0, forward: bool = False, noise_only: bool = False, middle: bool = False) -> Any:
    """The Itô formula with ``second``·ε∇·s, ∇·b_F for ∇·b, s·√(2ε)dW for s·dX, or s taken at the step's middle."""

    def solve(velocity: Any, score: Any, epsilon: Callable[[float], float], log_known: Any, x: Tensor,
              times: Sequence[float], increments: Tensor) -> tuple[Tensor, Tensor]:  # fmt: skip
        log = log_known(x)
        for (t, after), dw in zip(pairwise(times), increments, strict=True):
            h, eps = after - t, epsilon(t)
            (b, b_div), (s, s_div) = (value_and_divergence(f, t, x) for f in (velocity, score))
            noise = (2.0 * eps) ** 0.5 * dw
            y = x + h * (b + eps * s) + noise
            stretch = b_div + (eps * s_div if forward else 0.0)
            slope = 0.5 * (s + score(after, y)) if middle else s
            moved = noise if noise_only else y - x
            log = log + h * (-stretch - (b * s).sum(1) + second * eps * s_div) + (slope * moved).sum(1)
            x = y
        return x, log.detach()

    return solve


def _fault(name: str, solve: Any, story: str) -> Fault:
    claims = Claims(order=0.5, extra={"form": "path"})
    subject = Subject(f"fault/likelihood-{name}", "likelihood", lambda: solve, claims)
    return Fault(subject, ("likelihood-ito",), story, "MATH.md section 4")


FAULTS = (
    _fault("ito-term-dropped", _path(second=0.0), "ε∇·s left out: the chain rule of a smooth path on a Brownian one."),
    _fault("ito-term-doubled", _path(second=2.0), "½·2ε∇·s taken for 2ε∇·s."),
    _fault("ito-forward-divergence", _path(forward=True), "∇·b_F for ∇·b: the Itô term cancels."),
    _fault("ito-noise-only", _path(noise_only=True), "s·√(2ε)dW for s·dX: the drift's part of dX is lost."),
    _fault("ito-as-stratonovich", _path(middle=True), "s at the step's middle, with the Itô term still there."),
)
