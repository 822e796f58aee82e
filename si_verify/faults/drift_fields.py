"""Seeded faults in learned fields as they are handed over: wrong time, wrong quantity, wrong weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.learning.objectives import column
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor
Build = Callable[[Any], Callable[[Any, Tensor], Tensor]]


def _fault(
    name: str, quantity: str, field: Build, checks: tuple[str, ...], story: str, source: str, **extra: Any
) -> Fault:
    def build(interpolant: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[[Any, Tensor], Tensor]]:
        return {quantity: field(interpolant)}

    claims = Claims(quantities=(quantity,), extra={"relative_error": 0.1, **extra})
    return Fault(Subject(f"fault/drift-{name}", "drift", lambda: build, claims), checks, story, source)


def _reversed(i: Any) -> Any:
    return lambda t, x: -i.velocity(1.0 - t, x)


def _v_for_b(i: Any) -> Any:
    return i.interpolant_velocity


def _noise_for_score(i: Any) -> Any:
    return lambda t, x: -column(i.schedule.at(t).gamma, x) * i.score(t, x)


def _gauge(i: Any) -> Any:
    """b plus a field that leaves every density as it is: w = R s, R skew, has ∇·(ρw) = 0."""

    def velocity(t: Any, x: Tensor) -> Tensor:
        s = i.score(t, x)
        return i.velocity(t, x) + 0.5 * torch.stack([s[:, 1], -s[:, 0]], 1) if x.shape[1] == 2 else i.velocity(t, x)

    return velocity


def _averages_itself(i: Any) -> Any:
    """Weights that are a running average from zero, which every evaluation moves on by a tenth."""
    seen = [0.0]

    def velocity(t: Any, x: Tensor) -> Tensor:
        seen[0] += 0.1 * (1.0 - seen[0])
        return seen[0] * i.velocity(t, x)

    return velocity


def _gradient_stopped(i: Any) -> Any:
    """The right values, and half of their Jacobian."""

    def velocity(t: Any, x: Tensor) -> Tensor:
        right = i.velocity(t, x)
        return 0.5 * (right + right.detach())

    return velocity


def _blows_up(i: Any) -> Any:
    return lambda t, x: i.velocity(t, x) + (x - x) / (t[:, None] - 0.01).clamp(min=0.0)


def _detached(i: Any) -> Any:
    return lambda t, x: i.velocity(t, x) + 0.05 * torch.tanh(x.detach())


def _ripple(i: Any) -> Any:
    return lambda t, x: i.velocity(t, x) + 0.02 * torch.sin(60.0 * x)


_ERROR = ("drift-error",)
FAULTS = (
    _fault("time-reversed", "velocity", _reversed, _ERROR, "−b(1 − t, x): right for a reversed flow, handed over as b.",
           "hustvl/LightningDiT#89"),
    _fault("v-as-b", "velocity", _v_for_b, _ERROR, "A network of v handed over as b.", "MATH.md section 3"),
    _fault("noise-as-score", "score", _noise_for_score, _ERROR, "A noise prediction handed over as the score.",
           "huggingface/diffusers#1486"),
    _fault("gauge", "velocity", _gauge, ("drift-error", "drift-structure"),
           "A divergence-free part: no density shows it, the field and its Jacobian do.", "MATH.md section 3",
           gradient=True),
    _fault("averages-itself", "velocity", _averages_itself, ("drift-excess",),
           "The average of the weights moves on at every evaluation, not at every step of training: what is learned "
           "and what is used are two fields.", "huggingface/diffusers#6631 (state kept between calls)"),
    _fault("gradient-stopped", "velocity", _gradient_stopped, ("drift-kl",),
           "A detach() in one of two branches: the values are right, ∇·b̂ is half of what it must be.",
           "HISTORICAL_BUGS: test suites that could not see (halved divergence)"),
    _fault("detached", "velocity", _detached, ("drift-residual",),
           "A block of the network runs under no_grad: values as near as claimed, divergence and likelihood wrong.",
           "MATH.md section 4"),
    _fault("ripple", "velocity", _ripple, ("drift-residual",),
           "An error of 2 % in L2 whose slope exceeds that of the field.", "MATH.md section 6", residual=0.02),
    _fault("not-finite", "velocity", _blows_up, ("drift-structure", "drift-excess"),
           "0/0 where a clamp near an end divides by zero.",
           "sbi-dev/sbi#1661"),
)  # fmt: skip
