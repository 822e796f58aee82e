"""How a field fault is made: the right formula (mixture_formula.py) with one of its steps replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from si_verify.faults.fault import Fault
from si_verify.fields import formula as right
from si_verify.fields.formula import Inputs, Mixture, Seen
from si_verify.subject import Claims, Subject

QUANTITIES = ("log_density", "score", "velocity")


def _same(value: Any) -> Any:
    return value


def _softmax(logs: Tensor) -> Tensor:
    return torch.softmax(logs, dim=1)


def _log_sum(logs: Tensor) -> Tensor:
    return torch.logsumexp(logs, dim=1)


def build_with(
    inputs: Callable[[Inputs], Inputs] = _same,
    mixture: Callable[[Mixture, Inputs], Mixture] = lambda m, p: m,
    point: Callable[[Tensor], Tensor] = _same,
    see: Callable[[Mixture, Tensor], Seen] = right.see,
    log_terms: Callable[[Mixture, Seen], Tensor] = right.log_terms,
    shares: Callable[[Tensor], Tensor] = _softmax,
    log_sum: Callable[[Tensor], Tensor] = _log_sum,
    answer: Callable[[dict[str, Tensor]], dict[str, Tensor]] = _same,
    time: Callable[[float], float] = _same,
) -> Callable[..., dict[str, Callable[..., Tensor]]]:
    """``build(interpolant, dtype, device)`` of the right formula, but for the steps given."""

    def build(interpolant: Any, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
        def evaluate(t: float, x: Tensor) -> dict[str, Tensor]:
            p = inputs(right.inputs_at(interpolant, time(float(t)), dtype, device))
            m = mixture(right.mixture_at(p), p)
            seen = see(m, point(x))
            logs = log_terms(m, seen)
            weights = shares(logs)[..., None]
            conditional = m.mean_dot - right.apply_cross(m.cross, seen.slope)
            return answer(
                {
                    "log_density": log_sum(logs),
                    "score": (weights * seen.slope).sum(1),
                    "velocity": (weights * conditional).sum(1),
                }
            )

        def field(quantity: str) -> Callable[..., Tensor]:
            return lambda t, x: evaluate(t, x)[quantity].to(x.dtype)

        return {quantity: field(quantity) for quantity in QUANTITIES}

    return build


def field_fault(
    name: str,
    build: Callable[..., Any],
    story: str,
    source: str,
    caught_by: Iterable[str] = ("field-pointwise",),
    quantities: tuple[str, ...] = QUANTITIES,
    dtypes: tuple[str, ...] = ("float64",),
) -> Fault:
    """The fault under the claims of its right twin, ``torch/fields``."""
    subject = Subject(
        name=f"fault/field-{name}",
        kind="field",
        load=lambda: build,
        claims=Claims(quantities=quantities),
        tags=frozenset({"fault"}),
        dtypes=dtypes,
        summary=story,
    )
    return Fault(subject, tuple(caught_by), story, source)
