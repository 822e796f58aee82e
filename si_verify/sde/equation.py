"""Equation: an SDE whose law is known at all times, in the form in which solvers are handed it.

    forward    dX = (b + ε s) dt + √(2ε) dW      from ρ(0) at t = 0
    backward   dX = (b − ε s) dt + √(2ε) dW_B    from ρ(1) at t = 1, run down in t

and, with state-dependent noise σσᵀ = 2D, the Itô or Stratonovich drift that keeps the law (MATH.md section 4;
arXiv:2303.08797, equations 2.33 and 2.35). ``coefficients``: drift(t, x) (N, D) and diffusion(t, x), (N, D) where the
noise is additive or diagonal, (N, D, M) where it is scalar or general.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch

from si_verify.fields.cached import CachedFields, as_time, dense_blocks
from si_verify.sde.brownian import Brownian
from si_verify.sde.state_noise import DiagonalNoise, StateNoise, law_keeping, state_noise
from si_verify.subject import Claims

Epsilon = Callable[[float], float]


class Fields(Protocol):
    """(velocity, score) of an interpolant at (t, x)."""

    @property
    def interpolant(self) -> Any: ...
    def __call__(self, t: float | torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...


@dataclass(frozen=True, eq=False)
class Equation:
    """One member of the family: which ε(t), which way in time, which noise.

    epsilon is a function of t, ≥ 0; direction "forward" or "backward"; noise None means √(2ε) I.
    """

    fields: Fields
    epsilon: Epsilon
    direction: str
    label: str
    ends: tuple[float, float] = (0.0, 1.0)
    noise: StateNoise | None = None
    interpretation: str = "ito"

    @property
    def interpolant(self) -> Any:
        return self.fields.interpolant

    @property
    def dim(self) -> int:
        return int(self.interpolant.dim)

    @property
    def channels(self) -> int:
        return self.dim if self.noise is None else self.noise.channels(self.dim)

    @property
    def structure(self) -> str:
        return "additive" if self.noise is None else self.noise.structure

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last time."""
        return self.ends if self.direction == "forward" else self.ends[::-1]

    @property
    def sign(self) -> float:
        return 1.0 if self.direction == "forward" else -1.0

    def velocity(self, t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """b, (N, D)."""
        return self.fields(t, x)[0]

    def score(self, t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """s, (N, D)."""
        return self.fields(t, x)[1]

    def drift(self, t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The drift in the interpretation asked for, (N, D); for dt < 0 as it stands."""
        b, s = self.fields(t, x)
        eps = self._amount(t, x)
        if self.noise is None:
            return b + self.sign * eps * s
        push = law_keeping(self.noise, x, s, self.interpretation == "stratonovich")
        return b + self.sign * 2.0 * eps * push

    def diffusion(self, t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """√(2ε) for every entry, or √(2ε) σ(x)."""
        root = (2.0 * self._amount(t, x)) ** 0.5
        if self.noise is None:
            return torch.ones_like(x) * root
        if isinstance(self.noise, DiagonalNoise):
            return root * self.noise.coefficient(x)
        return (root[..., None] if isinstance(root, torch.Tensor) else root) * self.noise.columns(x)

    def law(self, t: float) -> Any:
        """ρ(t) as a GaussianMixture."""
        return self.interpolant.marginal(t)

    def read_as(self, claims: Claims) -> Equation:
        """The same law for a solver that reads its drift the way it claims to."""
        return replace(self, interpretation=claims.interpretation)

    def solve(
        self,
        implementation: Callable[..., torch.Tensor],
        claims: Claims,
        x0: torch.Tensor,
        times: torch.Tensor,
        brownian: Brownian,
        **options: float,
    ) -> torch.Tensor:
        """Hand the equation over in the interface that the subject claims (see si_verify/subject.py)."""
        if claims.extra.get("interface") == "fields":
            epsilon = _for_floats(self.epsilon)
            return implementation(self.velocity, self.score, epsilon, x0, times, brownian, **options)
        return implementation(self.drift, self.diffusion, x0, times, brownian, **options)

    def _amount(self, t: float | torch.Tensor, x: torch.Tensor) -> float | torch.Tensor:
        time = as_time(t)
        if time is not None:
            return self.epsilon(time)
        assert isinstance(t, torch.Tensor)
        values = [self.epsilon(float(u)) for u in t.reshape(-1)]
        return torch.tensor(values, dtype=x.dtype, device=x.device)[:, None]


def _for_floats(epsilon: Epsilon) -> Callable[[float | torch.Tensor], float]:
    def of(t: float | torch.Tensor) -> float:
        time = as_time(t)
        if time is None:
            raise ValueError("epsilon(t): expected one time")
        return epsilon(time)

    return of


@cache
def _fields(problem: Any) -> CachedFields:
    return CachedFields(problem.interpolant)


@cache
def _scales(problem: Any) -> tuple[float, float]:
    """The least variance of any component in any direction at any time, and the spread of the whole law."""
    interpolant = problem.interpolant
    least, largest = np.inf, 0.0
    for t in np.linspace(problem.t_span[0], problem.t_span[1], 33):
        law = interpolant.marginal(float(t))
        blocks = dense_blocks(np.asarray(law.covariances), interpolant.dim)
        least = min(least, float(np.linalg.eigvalsh(blocks).min()))
        largest = max(largest, float(np.trace(np.asarray(law.covariance()))) / interpolant.dim)
    return least, largest**0.5


def regular(problem: Any) -> bool:
    """Whether no component degenerates on [0, 1], so that the score exists everywhere and noise has a scale."""
    least, spread = _scales(problem)
    return least > 1e-6 * spread**2


def equation(
    problem: Any, amount: str, direction: str = "forward", noise: str = "additive", strength: float = 1.0
) -> Equation:
    """A member of the family of ``problem``.

    amount: "zero" (the probability flow), "constant" or "varying" in time. ε is in units of the least variance that
    any component ever has, which makes its pull on that component of rate one: noise and score then matter, and the
    equation is no stiffer than the problem. ``varying`` runs from ¼ to 1¾ of that, unevenly in t. ``strength``
    multiplies ε: the larger, the more of the law at the end is the work of noise and score.
    """
    least, spread = _scales(problem)
    length = max(least**0.5, 0.5 * spread)
    least *= strength
    amounts: dict[str, tuple[str, Epsilon]] = {
        "zero": ("ε = 0", lambda t: 0.0),
        "constant": (f"ε = {least:.3g}", lambda t: least),
        "varying": (f"ε(t) = {least:.3g}(¼ + 3t²/2)", lambda t: least * (0.25 + 1.5 * t * t)),
    }
    if amount not in amounts:
        raise ValueError(f"amount: expected one of {', '.join(amounts)}, got {amount!r}")
    label, epsilon = amounts[amount]
    state = None if noise == "additive" else state_noise(noise, length)
    words = [direction, label] + ([f"{noise} noise"] if state else [])
    return Equation(_fields(problem), epsilon, direction, ", ".join(words), problem.t_span, state)


def grid(span: tuple[float, float], steps: int, dtype: torch.dtype, device: torch.device, bend: float = 0.0) -> Any:
    """Strictly monotone times (steps + 1,); ``bend`` in (−1, 1) makes steps unequal: u + bend u(1−u), u uniform."""
    u = torch.linspace(0.0, 1.0, steps + 1, dtype=torch.float64)
    u = u + bend * u * (1.0 - u)
    start, end = span
    return (start + (end - start) * u).to(dtype=dtype, device=device)
