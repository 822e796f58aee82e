"""The right-hand side handed to ODE solvers: the exact velocity, cheap to call thousands of times, and watched.

A refinement ladder asks for b at the same few hundred times again and again, so what depends on t alone (moments,
factors, weights) is computed once per time from the yardstick and kept; a call is then a handful of small matrix
products. The result is held to ``interpolant.velocity`` itself before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from analytic import problems
from si_verify.subject import SubjectError

Tensor = torch.Tensor
_LOG_TWO_PI = float(np.log(2 * np.pi))
_KEPT_TIMES = 20_000


class _AtTime(NamedTuple):
    """What depends on t alone: u_k = shift_k + gain_k (x − m_k), log terms from white_k (x − m_k)."""

    constant: Tensor  # (K,) log w_k − ½ log det 2π C_k
    mean: Tensor  # (K, D)
    shift: Tensor  # (K, D) ṁ_k
    white: Tensor  # (K, D) C^-½, or (K, D, D) L⁻¹
    gain: Tensor  # (K, D) or (K, D, D): A_k C_k⁻¹


@dataclass(eq=False)
class FastVelocity:
    """b(t, x) of an interpolant in float64 torch, with everything that depends on t alone kept."""

    interpolant: Any
    device: torch.device
    _times: dict[float, _AtTime] = field(default_factory=dict, repr=False)

    def __call__(self, t: float, x: Tensor) -> Tensor:
        """x (N, D) float64 -> (N, D) float64."""
        at = self._times.get(t)
        if at is None:
            if len(self._times) >= _KEPT_TIMES:
                self._times.clear()
            at = self._times[t] = self._prepare(t)
        if at.gain.ndim == 2:
            delta = x[:, None, :] - at.mean
            own = at.shift + at.gain * delta
            if len(at.mean) == 1:
                return own[:, 0, :]
            white = delta * at.white
            logits = at.constant - 0.5 * (white * white).sum(-1)
            return (torch.softmax(logits, -1)[:, :, None] * own).sum(1)
        delta = x[None, :, :] - at.mean[:, None, :]
        own = at.shift[:, None, :] + delta @ at.gain.mT
        if len(at.mean) == 1:
            return own[0]
        white = delta @ at.white.mT
        logits = at.constant[:, None] - 0.5 * (white * white).sum(-1)
        return (torch.softmax(logits, 0)[:, :, None] * own).sum(0)

    def _prepare(self, t: float) -> _AtTime:
        moments = self.interpolant.moments(t)
        mean, shift, cov, cross = (
            np.asarray(_host(a)) for a in (moments.mean, moments.mean_dot, moments.cov, moments.cross)
        )
        with np.errstate(divide="ignore"):
            constant = np.log(_host(self.interpolant.coupling.weights))
        if cov.ndim == 1:
            cov, cross = (np.repeat(c[:, None], mean.shape[1], axis=1) for c in (cov, cross))
        if cov.ndim == 2:
            white, gain = cov**-0.5, cross / cov
            half_logdet = 0.5 * np.log(cov).sum(-1)
        else:
            lower = np.linalg.cholesky(cov)
            white = np.linalg.inv(lower)
            gain = cross @ white.swapaxes(-1, -2) @ white
            half_logdet = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(-1)
        constant = constant - half_logdet - 0.5 * mean.shape[1] * _LOG_TWO_PI
        return _AtTime(*(torch.tensor(a, device=self.device) for a in (constant, mean, shift, white, gain)))


def _host(a: Any) -> np.ndarray:
    return a.detach().cpu().numpy() if isinstance(a, torch.Tensor) else np.asarray(a)


def _rounding(interpolant: Any, t: float, x: Tensor, exact: Tensor) -> float:
    """c·eps·cond of two evaluations of b: C⁻¹ loses cond(C), the responsibilities the size of their log terms."""
    cov = _host(interpolant.moments(t).cov)
    values = np.linalg.eigvalsh(cov) if cov.ndim == 3 else cov.reshape(len(cov), -1)
    spread = float((values.max(-1) / values.min(-1)).max()) if cov.ndim == 3 else 1.0
    logs = 1.0 + float((x * x).sum(-1).max() / values.min())
    # D terms are summed in each of about 8 products.
    return 8 * (8 + x.shape[1]) * float(np.finfo(float).eps) * spread * logs * (1.0 + float(exact.abs().max()))


@lru_cache(maxsize=8)
def fast_velocity(problem: str, device: torch.device) -> FastVelocity:
    """The kept velocity of a problem of the catalogue; ArithmeticError if it strays from the yardstick."""
    found = problems.get(problem)
    interpolant = found.interpolant
    fast = FastVelocity(interpolant, device)
    start, end = found.t_span
    for index, share in enumerate((0.03, 0.5, 0.97)):
        t = start + share * (end - start)
        x = torch.as_tensor(_host(interpolant.sample(t, 16, index)), device=device)
        own, exact = fast(t, x), interpolant.velocity(t, x)
        if not float((own - exact).abs().max()) <= _rounding(interpolant, t, x, exact):
            raise ArithmeticError(f"fast velocity of {problem} strays from the yardstick at t = {t:.17g}")
    return fast


@dataclass(eq=False)
class WatchedVelocity:
    """``velocity(t, x)`` as the subject sees it: dtype of the state, calls counted, times noted.

    The field is evaluated in float64 and rounded once, so a solver's error is its own. Outside ``span`` the field
    is frozen at the nearer end (it may not exist there); how far a solver strayed is in ``beyond``.
    """

    fast: FastVelocity
    span: tuple[float, float]
    shape: tuple[int, ...]
    dtype: torch.dtype
    calls: int = 0
    beyond: float = 0.0
    times: list[float] = field(default_factory=list)

    def __call__(self, t: float | Tensor, x: Tensor) -> Tensor:
        now = _one_time(t)
        if not isinstance(x, Tensor) or tuple(x.shape) != self.shape or x.dtype != self.dtype:
            got = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise SubjectError(f"solve called velocity(t, x) with {got} for x; expected {self.dtype} {self.shape}")
        self.calls += 1
        self.times.append(now)
        low, high = min(self.span), max(self.span)
        self.beyond = max(self.beyond, low - now, now - high)
        inside = min(max(now, low), high)
        return self.fast(inside, x.detach().to(torch.float64)).to(self.dtype)


def _one_time(t: float | Tensor) -> float:
    if not isinstance(t, Tensor):
        return float(t)
    if t.numel() > 1 and bool((t != t.reshape(-1)[0]).any()):
        raise SubjectError("solve called velocity(t, x) with different times in one call; expected one time per call")
    return float(t.detach().reshape(-1)[0])
