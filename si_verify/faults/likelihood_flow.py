"""Seeded faults in flow log-likelihoods and in Hutchinson's divergence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.likelihood.divergence import draw_probe, value_and_divergence, value_and_probe
from si_verify.likelihood.flow import integrate_rk4
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor


def _fault(name: str, solve: Any, form: str, checks: tuple[str, ...], story: str, source: str, order: float = 4.0,
           adaptive: bool = False, **extra: Any) -> Fault:  # fmt: skip
    claims = Claims(order=order, adaptive=adaptive, extra={"form": form, **extra})
    return Fault(Subject(f"fault/likelihood-{name}", "likelihood", lambda: solve, claims), checks, story, source)


def _flow(scale: float) -> Any:
    """Exact divergence times ``scale``."""

    def solve(velocity: Any, log_known: Any, x: Tensor, times: Sequence[float]) -> Tensor:
        end, total = integrate_rk4(lambda t, y: value_and_divergence(velocity, t, y), x, times)
        return log_known(end) + scale * total

    return solve


def _known_at_start(velocity: Any, log_known: Any, x: Tensor, times: Sequence[float]) -> Tensor:
    _, total = integrate_rk4(lambda t, y: value_and_divergence(velocity, t, y), x, times)
    return log_known(x) + total


def _frozen_divergence(velocity: Any, log_known: Any, x: Tensor, times: Sequence[float]) -> Tensor:
    """∇·b̂ is taken at the start of each step only: order 4 becomes 1."""
    total = torch.zeros_like(x[:, 0])
    for a, b in pairwise(times):
        total = total + (b - a) * value_and_divergence(velocity, a, x)[1]
        x, _ = integrate_rk4(lambda t, y: (velocity(t, y).detach(), y[:, 0]), x, [a, b])
    return log_known(x) + total


def _hutchinson(kind: str = "gaussian", divide: bool = True, shared: bool = False, redrawn: bool = False,
                draw: Any = None) -> Any:  # fmt: skip
    def probe(x: Tensor, generator: torch.Generator) -> Tensor:
        v = draw(x, generator) if draw else draw_probe(x[:1] if shared else x, kind, generator)
        return v.expand_as(x).contiguous()

    def solve(velocity: Any, log_known: Any, x: Tensor, times: Sequence[float], probes: int,
              generator: torch.Generator) -> Tensor:  # fmt: skip
        drawn = [probe(x, generator) for _ in range(probes)]

        def rate(t: float, y: Tensor) -> tuple[Tensor, Tensor]:
            used = [probe(x, generator) for _ in range(probes)] if redrawn else drawn
            pairs = [value_and_probe(velocity, t, y, v) for v in used]
            return pairs[0][0], torch.stack([d for _, d in pairs]).sum(0) / (probes if divide else 1)

        end, total = integrate_rk4(rate, x, times)
        return log_known(end) + total

    return solve


def _redrawn_adaptive(velocity: Any, log_known: Any, x: Tensor, times: Sequence[float], probes: int,
                      generator: torch.Generator, rtol: float, atol: float) -> Tensor:  # fmt: skip
    """Embedded Heun–Euler with the probe drawn anew at every stage."""

    def rate(t: float, y: Tensor) -> tuple[Tensor, Tensor]:
        return value_and_probe(velocity, t, y, draw_probe(y, "gaussian", generator))

    t, end, total = float(times[0]), float(times[-1]), torch.zeros_like(x[:, 0])
    h = 0.05 * (end - t)
    while abs(end - t) > 1e-12:
        h = h if abs(h) < abs(end - t) else end - t
        v1, d1 = rate(t, x)
        v2, d2 = rate(t + h, x + h * v1)
        gap = 0.5 * abs(h) * max(float((v2 - v1).abs().max()), float((d2 - d1).abs().max()))
        allowed = atol + rtol * max(float(x.abs().max()), float(total.abs().max()))
        if gap <= allowed:
            t, x, total = t + h, x + 0.5 * h * (v1 + v2), total + 0.5 * h * (d1 + d2)
        h *= min(2.0, max(0.2, 0.9 * (allowed / max(gap, 1e-300)) ** 0.5))
    return log_known(x) + total


def _default_tolerance(
    velocity: Any, log_known: Any, x: Tensor, times: Sequence[float], rtol: float, atol: float
) -> Tensor:
    """As many steps as a tolerance of 1e-5 would take, whatever is asked for."""
    start, end = float(times[0]), float(times[-1])
    grid = [start + (end - start) * i / 24 for i in range(25)]
    end_state, total = integrate_rk4(lambda t, y: value_and_divergence(velocity, t, y), x, grid)
    return log_known(end_state) + total


def _uniform(x: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform on [−1, 1], of variance a third."""
    return 2.0 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 1.0


_LAW = ("likelihood-hutchinson-law",)
FAULTS = (
    _fault("divergence-missing", _flow(0.0), "flow",
           ("likelihood-order", "likelihood-normalised", "likelihood-oscillation"),
           "log ρ0 at the pulled-back point alone: the volume change is forgotten.", "MATH.md section 7"),
    _fault("divergence-sign", _flow(-1.0), "flow", ("likelihood-order", "likelihood-normalised"),
           "The log-determinant enters with the sign of the other direction.", "VincentStimper/normalizing-flows#28"),
    _fault("divergence-halved", _flow(0.5), "flow", ("likelihood-order", "likelihood-normalised"),
           "½ ∇·b̂, the mutant that a well-known suite lets live: its test fields have no divergence.",
           "HISTORICAL_BUGS: test suites that could not see"),
    _fault("known-at-start", _known_at_start, "flow",
           ("likelihood-order", "likelihood-normalised", "likelihood-reversible"),
           "log ρ0 is evaluated at x and not at the point that the flow pulls it back to.", "MATH.md section 7"),
    _fault("frozen-divergence", _frozen_divergence, "flow",
           ("likelihood-order", "likelihood-reversible", "likelihood-oscillation"),
           "The divergence is sampled once a step beside a fourth-order path: order 1.", "MATH.md section 9"),
    _fault("tolerance-not-passed-on", _default_tolerance, "flow", ("likelihood-tolerance",),
           "rtol and atol are accepted and not passed on to the solver: one accuracy, whatever is asked for.",
           "HISTORICAL_BUGS: tolerances loosened in a refactor", adaptive=True),
    _fault("hutchinson-sum", _hutchinson(divide=False), "hutchinson", _LAW,
           "The sum over probes is not divided by their number.", "bayesflow-org/bayesflow#772", probe="gaussian"),
    _fault("hutchinson-uniform", _hutchinson(draw=_uniform), "hutchinson", _LAW,
           "Uniform probes of variance ⅓: E[vvᵀ] is not I.", "HISTORICAL_BUGS: test suites that could not see",
           probe="gaussian"),
    _fault("hutchinson-shared", _hutchinson(shared=True), "hutchinson", _LAW,
           "One probe for the whole batch: the errors of all points are the same error.", "MATH.md section 9",
           probe="gaussian"),
    _fault("hutchinson-redrawn", _hutchinson(redrawn=True), "hutchinson", _LAW,
           "The probe is redrawn at every stage: with fixed steps the variance is no longer that of one probe.",
           "willisma/SiT (likelihood)", probe="gaussian"),
    _fault("hutchinson-redrawn-adaptive", _redrawn_adaptive, "hutchinson", ("likelihood-hutchinson-fixed",),
           "The probe is redrawn inside the right-hand side of an adaptive solver: 40,636 evaluations for 44.",
           "willisma/SiT (likelihood)", order=2.0, adaptive=True, probe="gaussian"),
)  # fmt: skip
