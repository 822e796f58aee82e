"""Drifts of an interpolant on lattices and at points, in torch, quick enough for a solver's inner loop.

What depends on t alone is computed once per time from coupling and schedule (MATH.md section 2). Where covariances are
diagonal every component is a product over axes, and a field on an n₁ × … × n_D lattice is one matrix product of
per-axis factors (K × n_d) instead of K exponentials a point. Held to the yardstick before use (``held``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from si_verify.density.grid import lattice

Tensor = torch.Tensor
_KEPT_TIMES = 4096
# Factors are scaled to a maximum of 1 per axis point; below this total some product has underflowed or is about to.
_UNDERFLOW = 1e-200


class _AtTime(NamedTuple):
    log_weight: Tensor  # (K,) log w_k − ½ log det C_k, up to a constant
    mean: Tensor  # (K, D)
    mean_dot: Tensor  # (K, D)
    cov: Tensor  # (K, D) or (K, D, D)
    cross: Tensor  # A_k, the same storage


class PointFields(NamedTuple):
    """Fields at N points of D coordinates: b and s (N, D), ∇·b and Δ log ρ (N,)."""

    velocity: Tensor
    score: Tensor
    divergence: Tensor
    laplacian: Tensor


def _host(a: Any) -> np.ndarray:
    return a.detach().cpu().numpy() if isinstance(a, Tensor) else np.asarray(a)


@dataclass(eq=False)
class MixtureFields:
    """b ± ε s of an interpolant, float64, on ``device``. ``gain`` below is the signed ε: b + gain s."""

    interpolant: Any
    device: torch.device
    _times: dict[float, _AtTime] = field(default_factory=dict, repr=False)

    @property
    def separable(self) -> bool:
        """Whether every component is a product over the axes."""
        return self.interpolant.coupling.kind != "full"

    def points(self, t: float, x: Tensor, gain: float) -> Tensor:
        """b + gain s at x (N, D) -> (N, D)."""
        at = self._at(t)
        if at.cov.ndim == 2:
            delta = x[None] - at.mean[:, None]
            logs = at.log_weight[:, None] - 0.5 * (delta * delta / at.cov[:, None]).sum(-1)
            own = at.mean_dot[:, None] + delta * ((at.cross - gain) / at.cov)[:, None]
        else:
            delta = x[None] - at.mean[:, None]
            inverse = torch.linalg.inv(at.cov)
            white = delta @ inverse
            logs = at.log_weight[:, None] - 0.5 * (delta * white).sum(-1)
            own = at.mean_dot[:, None] + white @ at.cross.mT - gain * white
        if len(at.mean) == 1:
            return own[0]
        return (torch.softmax(logs, 0)[..., None] * own).sum(0)

    def all(self, t: float, x: Tensor) -> PointFields:
        """b, s, ∇·b and Δ log ρ at x (N, D), without forming a Jacobian (MATH.md section 3)."""
        at = self._at(t)
        delta = x[None] - at.mean[:, None]
        if at.cov.ndim == 2:
            slope = -delta / at.cov[:, None]
            own = at.mean_dot[:, None] - slope * at.cross[:, None]
            logs = at.log_weight[:, None] + 0.5 * (delta * slope).sum(-1)
            stretch, sharpness = (at.cross / at.cov).sum(-1), (1.0 / at.cov).sum(-1)
        else:
            inverse = torch.linalg.inv(at.cov)
            slope = -delta @ inverse
            own = at.mean_dot[:, None] - slope @ at.cross.mT
            logs = at.log_weight[:, None] + 0.5 * (delta * slope).sum(-1)
            stretch = (at.cross * inverse).sum((-1, -2))
            sharpness = torch.diagonal(inverse, dim1=-2, dim2=-1).sum(-1)
        share = torch.softmax(logs, 0)
        b, s = ((share[..., None] * f).sum(0) for f in (own, slope))
        apart = slope - s
        divergence = (share * (stretch[:, None] + (own * apart).sum(-1))).sum(0)
        laplacian = (share * ((slope * apart).sum(-1) - sharpness[:, None])).sum(0)
        return PointFields(b, s, divergence, laplacian)

    def on_lattice(self, t: float, axes: Sequence[Tensor], axis: int, gain: float) -> Tensor:
        """Component ``axis`` of b + gain s at all points of a lattice, (n_1, ..., n_D)."""
        shape = tuple(len(a) for a in axes)
        if not self.separable:
            return self.points(t, lattice(list(axes)), gain)[:, axis].reshape(shape)
        at = self._at(t)
        if len(axes) == 1:
            return self.points(t, axes[0][:, None], gain)[:, 0]
        factors, own = [], None
        for d, x in enumerate(axes):
            delta = x[None] - at.mean[:, d, None]
            logs = -0.5 * delta * delta / at.cov[:, d, None]
            if d == 0:
                logs = logs + at.log_weight[:, None]
            factors.append(torch.exp(logs - logs.max(0, keepdim=True).values))
            if d == axis:
                own = at.mean_dot[:, d, None] + delta * ((at.cross[:, d] - gain) / at.cov[:, d])[:, None]
        assert own is not None
        total = _outer(factors)
        factors[axis] = factors[axis] * own
        top = _outer(factors)
        lost = total < _UNDERFLOW
        if bool(lost.any()):
            where = lost.nonzero()
            x = torch.stack([a[where[:, d]] for d, a in enumerate(axes)], dim=1)
            total = torch.where(lost, torch.ones_like(total), total)
            answer = top / total
            answer[lost] = self.points(t, x, gain)[:, axis]
            return answer
        return top.div_(total)

    def _at(self, t: float) -> _AtTime:
        at = self._times.get(t)
        if at is None:
            if len(self._times) >= _KEPT_TIMES:
                self._times.clear()
            at = self._times[t] = self._prepare(t)
        return at

    def _prepare(self, t: float) -> _AtTime:
        c, of = self.interpolant.schedule.at(float(t)), self._blocks
        mean = _sum((c.alpha, of["m0"]), (c.beta, of["m1"]))
        mean_dot = _sum((c.alpha_dot, of["m0"]), (c.beta_dot, of["m1"]))
        cov = _sum(
            (c.alpha**2, of["c00"]), (c.beta**2, of["c11"]), (c.alpha * c.beta, of["both"]), (c.gamma2, of["eye"])
        )
        cross = _sum(
            (c.alpha_alpha_dot, of["c00"]), (c.beta_beta_dot, of["c11"]), (c.alpha_dot_beta, of["c01"]),
            (c.beta_dot_alpha, of["c10"]), (c.gamma_gamma_dot, of["eye"]),
        )  # fmt: skip
        log_det = np.log(cov).sum(-1) if cov.ndim == 2 else np.linalg.slogdet(cov)[1]
        rows = (of["log_weight"] - 0.5 * log_det, mean, mean_dot, cov, cross)
        return _AtTime(*(torch.from_numpy(a).to(self.device) for a in rows))

    @cached_property
    def _blocks(self) -> dict[str, np.ndarray | None]:
        """The coupling's blocks on the host; None for one that is zero, which wins over an infinite coefficient."""
        coupling = self.interpolant.coupling
        blocks = {"m0": _host(coupling.mean0), "m1": _host(coupling.mean1)}
        dim = coupling.dim
        for name, value in (("c00", coupling.cov00), ("c11", coupling.cov11), ("c01", coupling.cov01)):
            block = _host(value)
            blocks[name] = np.repeat(block[:, None], dim, axis=1) if block.ndim == 1 else block
        blocks["c10"] = blocks["c01"].swapaxes(-1, -2) if blocks["c01"].ndim == 3 else blocks["c01"]
        blocks["both"] = blocks["c01"] + blocks["c10"]
        blocks["eye"] = np.zeros_like(blocks["c00"]) + (np.eye(dim) if blocks["c00"].ndim == 3 else 1.0)
        with np.errstate(divide="ignore"):
            log_weight = np.log(_host(coupling.weights))
        kept: dict[str, np.ndarray | None] = {k: v if k[0] == "m" or np.any(v) else None for k, v in blocks.items()}
        return kept | {"log_weight": log_weight}


def _sum(*terms: tuple[float, np.ndarray | None]) -> np.ndarray:
    total: Any = 0.0
    for coefficient, block in terms:
        if block is not None:
            # A mean of zero wins over an infinite coefficient, as blocks of zeros do; NaN stays what it is.
            gone = np.isinf(coefficient) and not block.any()
            total = total + (np.zeros_like(block) if gone else coefficient * block)
    return total


def _outer(factors: list[Tensor]) -> Tensor:
    """Σ_k Π_d f_d[k, i_d] as one matrix product."""
    if len(factors) == 2:
        return factors[0].mT @ factors[1]
    a, b, c = factors
    k, n, m = len(a), a.shape[1], b.shape[1]
    return ((a[:, :, None] * b[:, None, :]).reshape(k, n * m).mT @ c).reshape(n, m, -1)


def _rounding(x: np.ndarray, cov: np.ndarray, exact: np.ndarray) -> float:
    """c·eps·cond: C⁻¹ loses cond(C), the responsibilities the size of their log terms."""
    values = np.linalg.eigvalsh(cov) if cov.ndim == 3 else cov.reshape(len(cov), -1)
    spread = float((values.max(-1) / values.min(-1)).max()) if cov.ndim == 3 else 1.0
    logs = 1.0 + float((x * x).sum(-1).max() / values.min())
    return 8 * (8 + x.shape[1]) * float(np.finfo(float).eps) * spread * logs * (1.0 + float(np.abs(exact).max()))


@lru_cache(maxsize=16)
def held(problem: Any, device: torch.device) -> MixtureFields:
    """The fields of a problem, after comparison with the yardstick, on and off the lattice; else ArithmeticError."""
    interpolant = problem.interpolant
    fast = MixtureFields(interpolant, device)
    start, end = problem.t_span
    for seed, share in enumerate((0.04, 0.5, 0.96)):
        t = start + share * (end - start)
        cloud = _host(interpolant.sample(t, 6, seed))
        axes = [torch.as_tensor(np.sort(cloud[:, d]), device=device) for d in range(interpolant.dim)]
        x = lattice(axes) if interpolant.dim <= 3 else torch.as_tensor(cloud, device=device)
        gain = (0.7, -0.4, 0.0)[seed]
        exact = _host(interpolant.drift(t, x, abs(gain), "forward" if gain >= 0 else "backward"))
        bound = _rounding(_host(x), _host(interpolant.moments(t).cov), exact)
        found = fast.all(t, x)
        answers = [_host(fast.points(t, x, gain)), _host(found.velocity + gain * found.score)]
        if interpolant.dim <= 3:
            columns = [_host(fast.on_lattice(t, axes, d, gain)).reshape(-1) for d in range(interpolant.dim)]
            answers.append(np.stack(columns, axis=1))
        for answer in answers:
            if not np.abs(answer - exact).max() <= bound:
                raise ArithmeticError(f"fast fields of {problem.name} stray from the yardstick at t = {t:.17g}")
        for own, name in ((found.divergence, "divergence"), (found.laplacian, "laplacian_log_density")):
            known = _host(getattr(interpolant, name)(t, x))
            # One more factor C⁻¹ than in the fields themselves.
            if not np.abs(_host(own) - known).max() <= bound * (1.0 + np.abs(known).max()) * (
                1.0 + np.abs(exact).max()
            ):
                raise ArithmeticError(f"fast {name} of {problem.name} strays from the yardstick at t = {t:.17g}")
    return fast
