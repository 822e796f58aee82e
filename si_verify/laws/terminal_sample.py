"""Terminal samples: a solver run from exact samples of one end of the law to the other, at two step sizes.

Both runs share starting points and Brownian path, so that what the step size does to a statistic is seen beneath the
sampling noise: stat(h) − stat(h/2) estimates (2^p − 1) times the bias left at h/2. A bias that does not vanish with h
leaves no such difference, and is not excused by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from si_verify.check import Context, Inapplicable
from si_verify.orders.claimed import claimed_weak
from si_verify.sde.brownian import BrownianPath
from si_verify.sde.equation import Equation, equation, grid, regular

# How much larger the bias left at h/2 may be than the asymptotic law of the claimed order says.
SAFETY = 2.0
# No more than first order is ever assumed: order reduction near a singular end is not a wrong law.
_HIGHEST_ORDER = 1.0
# ε in units of the least variance: at 3 the end of the law is mostly the work of noise and score, as in generation.
STRENGTH = 3.0
_TOLERANCES = (1e-3, 1e-4)


@dataclass(frozen=True, eq=False)
class TerminalSample:
    """fine, coarse (N, D) NumPy float64 at the last time, row by row from the same start and path.

    law: the exact GaussianMixture there. excuse: |stat(h) − stat(h/2)| times this bounds the bias at h/2.
    coupled: False where the solver drew its own noise, which blurs the excuse and costs power.
    """

    fine: np.ndarray
    coarse: np.ndarray
    law: Any
    excuse: float
    coupled: bool
    label: str
    equation: Equation
    steps: int

    @property
    def notes(self) -> tuple[str, ...]:
        if self.coupled:
            return ()
        lost = "two step sizes share no path, so that the excuse for the step size holds the sampling noise of both"
        return (f"{self.label}: draws its own noise: {lost}; effects below twice the critical value are not seen",)


def stepper(ctx: Context, eq: Equation) -> Callable[..., torch.Tensor]:
    """``run(x0, times, brownian, level)``: the subject on the equation; level 0 or 1 picks a tolerance if adaptive."""
    claims = ctx.subject.claims

    def run(x0: torch.Tensor, times: torch.Tensor, brownian: Any, level: int) -> torch.Tensor:
        options = {"rtol": _TOLERANCES[level], "atol": _TOLERANCES[level]} if claims.adaptive else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((ctx.seed + level) & 0x7FFFFFFF)
            if ctx.subject.kind == "ode":
                parts = x0.split(claims.extra.get("rows_at_once", len(x0)))
                return torch.cat([ctx.implementation(_within(eq), part, times, **options) for part in parts])
            return eq.solve(ctx.implementation, claims, x0, times, brownian, **options)

    return run


def _within(eq: Equation) -> Callable[..., torch.Tensor]:
    """The velocity frozen at the ends of the span: adaptive solvers step beyond and interpolate back."""
    low, high = min(eq.span), max(eq.span)
    return lambda t, x: eq.velocity(min(max(float(t), low), high), x)


def family_member(ctx: Context, amount: str, direction: str, noise: str = "additive") -> Equation:
    """The equation of this case; the probability flow for an ODE solver. Inapplicable where no score exists."""
    if ctx.subject.kind == "ode":
        return equation(ctx.problem, "zero", direction)
    if not regular(ctx.problem):
        raise Inapplicable("a component degenerates on t_span: no ε at which an explicit scheme would be stable")
    return equation(ctx.problem, amount, direction, noise, STRENGTH).read_as(ctx.subject.claims)


def draw(ctx: Context, eq: Equation, rows: int, steps: int, stream: int) -> TerminalSample:
    """Run the subject from ``rows`` exact samples with ``steps`` and 2 ``steps`` steps."""
    seeds = np.random.SeedSequence([ctx.seed, stream]).spawn(2)
    start = np.asarray(eq.law(eq.span[0]).sample(rows, np.random.default_rng(seeds[0])), dtype=float)
    x0 = torch.tensor(start, dtype=ctx.dtype, device=ctx.device)
    fine_times = grid(eq.span, 2 * steps, ctx.dtype, ctx.device)
    adaptive = ctx.subject.claims.adaptive
    path_seed = int(seeds[1].generate_state(1)[0])
    path = None
    if ctx.subject.kind == "sde":
        path = BrownianPath.sample(fine_times.tolist(), rows, eq.channels, path_seed, ctx.dtype, ctx.device)
    run = stepper(ctx, eq)
    ends = fine_times[[0, -1]]
    coarse = run(x0, ends if adaptive else fine_times[::2], path, 0)
    fine = run(x0, ends if adaptive else fine_times, path, 1)
    coupled = ctx.subject.kind == "ode" or _coupled(run, x0[:4], fine_times[::2], eq, path_seed, ctx)
    return TerminalSample(
        _numpy(fine), _numpy(coarse), eq.law(eq.span[1]), _excuse(ctx, eq), coupled, eq.label, eq, steps
    )


def _excuse(ctx: Context, eq: Equation) -> float:
    claims = ctx.subject.claims
    if claims.adaptive:
        return SAFETY
    claimed = claims.order if ctx.subject.kind == "ode" else claimed_weak(claims, eq.structure)
    order = min(_HIGHEST_ORDER, claimed if claimed else 0.5)
    return SAFETY / (2.0**order - 1.0)


def _coupled(run: Any, x0: torch.Tensor, times: torch.Tensor, eq: Equation, seed: int, ctx: Context) -> bool:
    """Whether two runs on one path agree although the global generator stands elsewhere."""
    path = BrownianPath.sample(times.tolist(), x0.shape[0], eq.channels, seed, ctx.dtype, ctx.device)
    first, second = (run(x0, times, path, level) for level in (0, 1))
    return ctx.subject.claims.adaptive or bool(torch.equal(first.nan_to_num(), second.nan_to_num()))


def _numpy(x: torch.Tensor) -> np.ndarray:
    return x.detach().to(torch.float64).cpu().numpy()
