"""Residuals of the transport and Fokker–Planck equations of a learned drift, at the exact density.

    transport       ∂_t log ρ + ∇·b̂ + b̂·s                          = ∇·δ + δ·s        =: R(δ),  δ = b̂ − b
    forward         ∂_t log ρ + ∇·b̂_F + b̂_F·s − ε (Δ log ρ + |s|²) = R(δ + ε δ_s),     δ_s = ŝ − s
    backward        ∂_t log ρ + ∇·b̂_B + b̂_B·s + ε (Δ log ρ + |s|²) = R(δ − ε δ_s)

ρ R is what leaves the law, and drives the KL: d/dt KL(ρ‖ρ̂) = −E[log(ρ̂/ρ) R] for the flow. Stein's identity,
E[∇·δ + δ·s] = 0 at every t for any δ that grows slowly enough, is judged. It fails where the derivative that autograd
gives is not that of the values (a detached input, a backward pass of its own); every divergence, likelihood and KL made
of the field is then wrong, however small its L2 error. The size of R is reported, and judged only where it is claimed:
an L2 error, however small, leaves the divergence of the error free.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.learning.exact import exact_field
from si_verify.learning.fields import Field, velocity_of
from si_verify.learning.trial import batch_of, fields_of, of_form, points_of, squares
from si_verify.likelihood.bounds import best_epsilon
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.stats import mean_test, split

Tensor = torch.Tensor
_ROWS = (2000, 8000, 20_000)
_CELLS = 12
# ε is taken between these where the bound's minimiser lies beyond: an exact b̂ or ŝ would send it to an end.
_LEAST, _MOST = 0.05, 2.0
_ROUNDINGS = 1e3  # of ∂_t log ρ, in its Jacobians and sums: what an exact field is left with


def _with_divergence(field: Field, t: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The field (N, D) and the trace of its Jacobian (N,), by D reverse passes."""
    leaf = x.detach().requires_grad_(True)
    value = field(t, leaf)
    total = torch.zeros_like(value[:, 0])
    if value.requires_grad:
        for d in range(x.shape[1]):
            (row,) = torch.autograd.grad(value[:, d].sum(), leaf, retain_graph=True, materialize_grads=True)
            total = total + row[:, d]
    return value.detach(), total.detach()


def measure(ctx: Context) -> Outcome:
    """R at draws of (t, x_t) for the flow, and for both SDEs at the best constant ε: mean and size, and size by t."""
    interpolant = ctx.problem.interpolant
    b, s, learned = velocity_of(fields_of(ctx), interpolant)
    batch = batch_of(ctx, _ROWS[ctx.effort])
    x = points_of(ctx, batch)
    exact = [exact_field(interpolant, q) for q in ("velocity", "score")]
    weight, t = batch.weight.to(torch.float64).cpu().numpy(), batch.t.to(torch.float64).cpu().numpy()
    slope = exact[1](batch.t, x)
    errors, residuals = [], []
    for own, right in zip((b, s), exact, strict=True):
        (value, trace), (there, known) = _with_divergence(own, batch.t, x), _with_divergence(right, batch.t, x)
        errors.append(value - there)
        residuals.append((trace - known + (errors[-1] * slope).sum(1)).to(torch.float64).cpu().numpy())
    sizes = [float(np.mean(squares(e) * weight)) for e in errors]
    if not np.isfinite(sizes).all():
        return Outcome((Measurement("∫E|b̂ − b|² + |ŝ − s|² dt", math.nan, 0.0, origin="sampling", why="not finite"),))
    best, _ = best_epsilon(*sizes)
    epsilon = min(max(best, _LEAST), _MOST) if math.isfinite(best) else 1.0
    change = _time_derivative(ctx, exact[0], batch.t, x, slope)
    equations = {"transport": residuals[0]}
    if learned:
        equations |= {
            f"forward Fokker–Planck, ε = {epsilon:.3g}": residuals[0] + epsilon * residuals[1],
            f"backward Fokker–Planck, ε = {epsilon:.3g}": residuals[0] - epsilon * residuals[1],
        }
    claimed = ctx.subject.claims.extra.get("residual")
    alpha = split(ctx.alpha, len(equations) * (1 if claimed is None else 2))
    rows: list[Measurement] = []
    data = []
    for name, values in equations.items():
        rows += _judged(name, values, change, weight, alpha, None if claimed is None else float(claimed))
        data.append(_against_t(name, t, values))
    note = "ŝ learned" if learned else "no score given: with the exact one all three residuals are that of transport"
    return Outcome(tuple(rows), tuple(data), (note,))


def _time_derivative(ctx: Context, velocity: Any, t: Tensor, x: Tensor, slope: Tensor) -> np.ndarray:
    """∂_t log ρ = −∇·b − b·s, what the residual is measured in units of."""
    value, trace = _with_divergence(velocity, t, x)
    return (-trace - (value * slope).sum(1)).to(torch.float64).cpu().numpy()


def _judged(
    name: str, values: np.ndarray, change: np.ndarray, weight: np.ndarray, alpha: float, claimed: float | None
) -> list[Measurement]:
    if not np.isfinite(values).all():
        return [Measurement(f"residual of {name}", math.nan, 0.0, origin="sampling", why="it is not finite somewhere")]
    test = mean_test(values * weight, 0.0, alpha)
    scale = max(float(np.mean(change**2 * weight)), float(np.finfo(float).tiny))
    floor = _ROUNDINGS * float(np.finfo(float).eps) * math.sqrt(scale)
    size = math.sqrt(float(np.mean(values**2 * weight)) / scale)
    low = high = size
    if claimed is not None:
        about = mean_test((values**2 - claimed**2 * change**2) * weight / scale, 0.0, alpha)
        low, high = (math.sqrt(max(0.0, size**2 + sign * about.critical)) for sign in (-1, 1))
    return [
        Measurement(
            f"|E[R]| of {name}", test.deviation, test.critical + floor, origin="sampling",
            why=f"Stein's identity: zero for any error whose derivative is that of its values; {values.size} draws",
            confidence=1.0 - alpha, detectable=test.detectable + floor,
        ),
        Measurement(
            f"RMS of R over RMS of ∂_t log ρ, {name}", size, claimed, origin="sampling",
            why="the claim" if claimed is not None else "no bound: an L2 error leaves the divergence of the error free",
            interval=None if claimed is None else (low, high), confidence=None if claimed is None else 1.0 - alpha,
        ),
    ]  # fmt: skip


def _against_t(name: str, t: np.ndarray, values: np.ndarray) -> Data:
    edges = np.quantile(t, np.linspace(0.0, 1.0, _CELLS + 1))
    where = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, _CELLS - 1)
    size = [math.sqrt(float(np.mean(values[where == i] ** 2))) for i in range(_CELLS)]
    columns: dict[str, Any] = {"t": [float(np.mean(t[where == i])) for i in range(_CELLS)], "error": size}
    return Data("error-vs-t", "RMS residual against t", columns, {"quantity": "residual", "label": name})


CHECK = Check(
    name="drift-residual",
    claim="A learned drift leaves the transport and Fokker–Planck equations by R = ∇·δ + δ·s of mean zero "
    "(MATH.md sections 4 and 8), and by no more than it claims",
    kinds=frozenset({"drift"}),
    measure=measure,
    problems={
        "quick": "1d-bimodal",
        "standard": "1d-bimodal, product-2d",
        "full": "1d-bimodal, product-2d, 2d-ring, correlated-2d, gaussian-1d",
    },
    applies=of_form("field", "velocity", "interpolant_velocity"),
    statistical=True,
    dtypes=("float64",),
    tags=frozenset({"drift", "identity"}),
    cost=1.0,
)
