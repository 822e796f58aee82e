"""A learned field as the checks call it: ``f(t, x)`` with t (N,), evaluated in the module's own precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from si_verify.learning.exact import exact_field

Tensor = torch.Tensor
Field = Callable[[Any, Tensor], Tensor]


def as_field(module: Any) -> Field:
    """A callable f(t, x), or a module in eval mode whose inputs are cast to its parameters' dtype and back.

    t is handed on as a tensor (N,); what comes back is cast to the dtype of x. Raises TypeError if it is no callable.
    """
    if not callable(module):
        raise TypeError(f"module: expected a callable f(t, x), got {type(module).__name__}")
    own = next((p.dtype for p in module.parameters()), None) if isinstance(module, nn.Module) else None
    if isinstance(module, nn.Module):
        module.eval()

    def field(t: Any, x: Tensor) -> Tensor:
        dtype = own or x.dtype
        time = torch.as_tensor(t, dtype=dtype, device=x.device).expand(len(x))
        return module(time, x.to(dtype)).to(x.dtype)

    return field


def velocity_of(fields: dict[str, Field], interpolant: Any) -> tuple[Field, Field, bool]:
    """(b̂, ŝ, whether ŝ was learned) out of what a subject gives; the exact score where it gives none.

    b̂ = v̂ − γγ̇ ŝ from v̂; ŝ = −η̂/γ from η̂. KeyError where there is neither b̂ nor v̂.
    """
    learned = "score" in fields or "denoiser" in fields
    if "score" in fields:
        score = fields["score"]
    elif "denoiser" in fields:
        score = _score_from(fields["denoiser"], interpolant)
    else:
        score = exact_field(interpolant, "score")
    if "velocity" in fields:
        return fields["velocity"], score, learned
    v = fields["interpolant_velocity"]

    def velocity(t: Any, x: Tensor) -> Tensor:
        return v(t, x) - _coefficient(interpolant, t, x, "gamma_gamma_dot") * score(t, x)

    return velocity, score, learned


def _score_from(denoiser: Field, interpolant: Any) -> Field:
    return lambda t, x: -denoiser(t, x) / _coefficient(interpolant, t, x, "gamma")


def _coefficient(interpolant: Any, t: Any, x: Tensor, name: str) -> Tensor:
    time = torch.as_tensor(t, dtype=torch.float64, device=x.device).reshape(-1)
    return getattr(interpolant.schedule.at(time), name).to(x.dtype)[:, None]
