"""torchdiffeq behind the interface of an ODE subject: ``odeint(func, y0, t, method=...)``, last row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.subject import Unavailable

Tensor = torch.Tensor
Velocity = Callable[[Tensor, Tensor], Tensor]
MODULES = ("torchdiffeq",)


def odeint() -> Callable[..., Tensor]:
    """``torchdiffeq.odeint``; Unavailable with the remedy if the package is missing."""
    try:
        from torchdiffeq import odeint as found
    except ImportError as error:
        raise Unavailable(f"torchdiffeq is not installed ({error}); pip install 'si-verify[peers]'") from error
    return found


def load_fixed(method: str, **options: Any) -> Callable[[], Callable[..., Tensor]]:
    """Loader of a fixed-step method, one step between consecutive times."""

    def load() -> Callable[..., Tensor]:
        run = odeint()

        def solve(velocity: Velocity, x0: Tensor, times: Tensor) -> Tensor:
            return run(velocity, x0, times, method=method, options=dict(options))[-1]

        return solve

    return load


def load_adaptive(method: str, step_at_end: bool = False, **options: Any) -> Callable[[], Callable[..., Tensor]]:
    """Loader of an adaptive method; ``step_at_end`` forces a step to end at every requested time (``step_t``)."""

    def load() -> Callable[..., Tensor]:
        run = odeint()

        def solve(velocity: Velocity, x0: Tensor, times: Tensor, rtol: float, atol: float) -> Tensor:
            chosen = {**options, "step_t": times[1:].to(torch.float64)} if step_at_end else dict(options)
            return run(velocity, x0, times, method=method, rtol=rtol, atol=atol, options=chosen)[-1]

        return solve

    return load
