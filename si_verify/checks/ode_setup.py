"""One initial-value problem for an ODE check: start points drawn from the law, the exact answer, and its conditioning.

Everything is in float64; what a subject receives is rounded to its dtype first, and the exact answer belongs to the
rounded start point and the rounded times, so that the difference is the solver's own error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch

from analytic import problems
from analytic.flow import amplification, reference_flow
from si_verify.check import Context
from si_verify.checks.ode_velocity import FastVelocity, WatchedVelocity, fast_velocity

Tensor = torch.Tensor
# A step of an explicit scheme adds its increment to the state (one rounding of the state) and the whole solve forms
# its increments with about this many more roundings of the path.
_ROUNDINGS = 16


@lru_cache(maxsize=16)
def flow_of(problem: str) -> Any:
    """The exact flow of a problem where known, else the proven numerical one."""
    return reference_flow(problems.get(problem).interpolant)


@lru_cache(maxsize=64)
def lipschitz(problem: str) -> float:
    """Largest spectral norm of ∇b along 32 typical paths over the problem's span: the scale of useful step sizes."""
    found, flow = problems.get(problem), flow_of(problem)
    start, end = found.t_span
    x = np.asarray(found.interpolant.sample(start, 32, 1))
    worst = 0.0
    for t in np.linspace(start, end, 13):
        jacobian = np.asarray(found.interpolant.velocity_jacobian(float(t), np.asarray(flow(x, start, float(t)))))
        worst = max(worst, float(np.linalg.norm(jacobian, 2, axis=(-2, -1)).max()))
    return worst


def rms(x: Tensor) -> float:
    """Root mean square over rows of the Euclidean norm of a row; x (N, D)."""
    return float((x.to(torch.float64) ** 2).sum(-1).mean().sqrt())


@dataclass(frozen=True, eq=False)
class Trial:
    """Solve from ``start`` to ``end`` (either order) from ``x0`` (N, D), float64 values representable in ``dtype``."""

    fast: FastVelocity
    problem: str
    span: tuple[float, float]
    start: float
    end: float
    x0: Tensor
    dtype: torch.dtype

    @property
    def eps(self) -> float:
        return float(torch.finfo(self.dtype).eps)

    @cached_property
    def exact(self) -> Tensor:
        """X_end for X_start = x0, float64."""
        return flow_of(self.problem)(self.x0, self.start, self.end)

    @cached_property
    def amplified(self) -> np.ndarray:
        """Per row: the most that an error made on the way has grown at the end (spectral norm, at least 1), (N,)."""
        return amplification(flow_of(self.problem).flow, self.x0.cpu().numpy(), self.start, self.end, 6)

    @cached_property
    def size(self) -> np.ndarray:
        """Per row: the largest |x| at either end or midway, (N,)."""
        middle = 0.5 * (self.start + self.end)
        stations = [self.x0, flow_of(self.problem)(self.x0, self.start, middle), self.exact]
        return torch.stack([s.norm(dim=-1) for s in stations]).amax(0).cpu().numpy()

    @cached_property
    def reference_error(self) -> float:
        """RMS of what the exact answer itself may be off by."""
        return rms(flow_of(self.problem).error(self.x0, self.start, self.end)[:, None])

    def floor(self, n: int, growth: np.ndarray | None = None) -> float:
        """Rounding level of the RMS error after n steps: (n + 16)·eps·|x|·amplification, and the reference's own."""
        each = float(np.sqrt(np.mean(((self.amplified if growth is None else growth) * self.size) ** 2)))
        return (n + _ROUNDINGS) * self.eps * each + self.reference_error

    def times(self, grid: np.ndarray) -> Tensor:
        """Times start + (end − start)·grid in the trial's dtype, ends exact; grid increases from 0 to 1."""
        times = torch.as_tensor(self.start + (self.end - self.start) * grid, device=self.fast.device).to(self.dtype)
        times[0], times[-1] = self.start, self.end
        return times

    def solve(self, implementation: Any, times: Tensor, **options: Any) -> tuple[Tensor, WatchedVelocity]:
        """Run the subject on the trial; the answer in float64, and the velocity with its record of calls."""
        watched = WatchedVelocity(self.fast, self.span, tuple(self.x0.shape), times.dtype)
        answer = implementation(watched, self.x0.to(times.dtype), times, **options)
        return answer.to(torch.float64), watched


def trial(
    context: Context,
    particles: int,
    backward: bool = False,
    stream: int = 0,
    span: tuple[float, float] | None = None,
) -> Trial:
    """A trial of the case: ``particles`` points drawn from the law at the start, rounded to the case's dtype.

    ``span`` (low, high) narrows the problem's own span of times.
    """
    problem = context.problem
    low, high = span or problem.t_span
    # Rounded into the span, so that the field exists at both ends in either dtype.
    single = np.float32 if context.dtype == torch.float32 else np.float64
    low, high = _inside(single, low, problem.t_span[0], 1), _inside(single, high, problem.t_span[1], -1)
    start, end = (high, low) if backward else (low, high)
    seed = [context.seed, stream, int(backward)]
    x0 = torch.tensor(np.asarray(problem.interpolant.sample(start, particles, seed)), device=context.device)
    fast = fast_velocity(problem.name, context.device)
    return Trial(fast, problem.name, problem.t_span, start, end, x0.to(context.dtype).to(torch.float64), context.dtype)


def _inside(kind: type, value: float, limit: float, direction: int) -> float:
    rounded = kind(value)
    if (float(rounded) - limit) * direction < 0:
        rounded = np.nextafter(rounded, kind(rounded + direction))
    return float(rounded)
