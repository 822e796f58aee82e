"""Flow log-likelihood as users write it: torchdiffeq's dopri5 on the pair (x, ∫∇·b̂), exact divergence or Hutchinson."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from si_verify.likelihood.divergence import draw_probe, value_and_divergence, value_and_probes
from si_verify.subject import Claims, Subject, Unavailable

Tensor = torch.Tensor


def _solve(rate: Callable[[float, Tensor], tuple[Tensor, Tensor]], log_known: Any, x: Tensor, times: Sequence[float],
           rtol: float, atol: float) -> Tensor:  # fmt: skip
    try:
        from torchdiffeq import odeint
    except ImportError as error:
        raise Unavailable(f"torchdiffeq is not installed ({error}); pip install 'si-verify[peers]'") from error

    start = (x, torch.zeros_like(x[:, 0]))
    clock = torch.tensor([float(times[0]), float(times[-1])], dtype=torch.float64, device=x.device)
    # step_t: a step ends at the asked time, since the interpolant that dopri5 reads it from is of lower order.
    end, total = odeint(
        lambda t, y: rate(float(t), y[0]), start, clock, rtol=rtol, atol=atol, method="dopri5",
        options={"step_t": clock[1:]},
    )  # fmt: skip
    return log_known(end[-1]) + total[-1]


def flow(velocity: Any, log_known: Any, x: Tensor, times: Sequence[float], rtol: float, atol: float) -> Tensor:
    """log ρ̂ at times[0] (N,), exact divergence."""
    return _solve(lambda t, y: value_and_divergence(velocity, t, y), log_known, x, times, rtol, atol)


def hutchinson(
    velocity: Any, log_known: Any, x: Tensor, times: Sequence[float], probes: int, generator: torch.Generator,
    rtol: float, atol: float,
) -> Tensor:  # fmt: skip
    """log ρ̂ at times[0] (N,); Gaussian probes, drawn before the solve."""
    drawn = [draw_probe(x, "gaussian", generator) for _ in range(probes)]
    return _solve(lambda t, y: value_and_probes(velocity, t, y, drawn), log_known, x, times, rtol, atol)


def _subject(name: str, estimate: Any, form: str, **extra: Any) -> Subject:
    return Subject(
        name=name,
        kind="likelihood",
        load=lambda: estimate,
        claims=Claims(order=5.0, adaptive=True, extra={"form": form, **extra}),
        tags=frozenset({"flow", "adaptive"}),
        modules=("torchdiffeq",),
        summary="flow log-likelihood, torchdiffeq dopri5",
    )


SUBJECTS = (
    _subject("likelihood/torchdiffeq-dopri5", flow, "flow"),
    _subject("likelihood/torchdiffeq-dopri5-hutchinson", hutchinson, "hutchinson", probe="gaussian"),
)
