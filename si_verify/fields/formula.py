"""Density, score and velocity of an interpolant in plain dense torch, from raw arrays, as a user writes it.

Nothing is streamed or cached and everything is differentiable in every input, so that the condition number of a field
(conditioning.py) is a directional derivative. The steps are separate functions, for the seeded faults get one of them
wrong. (N, K, D) arrays are formed: bound N. Formulas: arXiv:2303.08797, Definition 1 and Theorem 6, restated for a
joint mixture (x0, x1): C_k = α²C00 + β²C11 + αβ(C01 + C10) + γ²I, A_k = Cov(ẋ, x), g_k = −C_k⁻¹(x − m_k).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analytic import Interpolant

LOG_TWO_PI = 1.8378770664093453


@dataclass(frozen=True)
class Inputs:
    """What an implementation is given at one time: the coupling's arrays and the schedule's finite products."""

    weights: Tensor
    mean0: Tensor
    mean1: Tensor
    cov00: Tensor
    cov11: Tensor
    cov01: Tensor
    alpha: Tensor
    beta: Tensor
    gamma2: Tensor
    alpha_dot: Tensor
    beta_dot: Tensor
    alpha_alpha_dot: Tensor
    beta_beta_dot: Tensor
    gamma_gamma_dot: Tensor
    alpha_dot_beta: Tensor
    beta_dot_alpha: Tensor

    def map(self, f: Any) -> Inputs:
        return Inputs(*map(f, self.tensors()))

    def tensors(self) -> tuple[Tensor, ...]:
        return tuple(getattr(self, item.name) for item in fields(self))


class Mixture(NamedTuple):
    """Moments at one time: weights (K,), mean and mean_dot (K, D), cov and cross (K,), (K, D) or (K, D, D)."""

    weights: Tensor
    mean: Tensor
    mean_dot: Tensor
    cov: Tensor
    cross: Tensor


class Seen(NamedTuple):
    """Components seen from points: slope g (N, K, D), squared Mahalanobis distance (N, K), log det C (K,)."""

    slope: Tensor
    square: Tensor
    logdet: Tensor


def inputs_at(interpolant: Interpolant, t: float, dtype: torch.dtype, device: torch.device) -> Inputs:
    """Read coupling and schedule at one time; rounded to ``dtype`` as a user's code would store them."""
    coupling, at = interpolant.coupling, interpolant.schedule.at(t)

    def tensor(value: Any) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float64).to(device=device, dtype=dtype)

    arrays = [getattr(coupling, item.name) for item in fields(Inputs)[:6]]
    return Inputs(*map(tensor, arrays), *(tensor(getattr(at, item.name)) for item in fields(Inputs)[6:]))


def _identity(like: Tensor, dim: int) -> Tensor:
    """The identity in the storage of ``like``."""
    return torch.eye(dim, dtype=like.dtype, device=like.device) if like.ndim == 3 else torch.ones_like(like)


def _times(rate: Tensor, mean: Tensor) -> Tensor:
    """rate · mean, where a rate that is infinite at an end meets a mean of zero."""
    return torch.where(mean == 0, torch.zeros_like(mean), rate * mean)


def mixture_at(p: Inputs) -> Mixture:
    """Moments of x_t and of ẋ_t with x_t."""
    transpose = p.cov01.mT if p.cov01.ndim == 3 else p.cov01
    one = _identity(p.cov00, p.mean0.shape[1])
    cov = p.alpha**2 * p.cov00 + p.beta**2 * p.cov11 + p.alpha * p.beta * (p.cov01 + transpose) + p.gamma2 * one
    cross = p.alpha_alpha_dot * p.cov00 + p.beta_beta_dot * p.cov11 + p.gamma_gamma_dot * one
    cross = cross + _times(p.alpha_dot_beta, p.cov01) + _times(p.beta_dot_alpha, transpose)
    mean_dot = _times(p.alpha_dot, p.mean0) + _times(p.beta_dot, p.mean1)
    return Mixture(p.weights, p.alpha * p.mean0 + p.beta * p.mean1, mean_dot, cov, cross)


def see(m: Mixture, x: Tensor) -> Seen:
    """Slopes and distances from exact differences; Cholesky factors for full covariances."""
    delta = x[:, None, :] - m.mean
    if m.cov.ndim == 3:
        factor = torch.linalg.cholesky(m.cov)
        white = torch.linalg.solve_triangular(factor, delta.permute(1, 2, 0), upper=False)
        slope = -torch.linalg.solve_triangular(factor.mT, white, upper=True).permute(2, 0, 1)
        logdet = 2 * torch.log(torch.diagonal(factor, dim1=-2, dim2=-1)).sum(-1)
        return Seen(slope, (white**2).sum(1).T, logdet)
    variance = m.cov if m.cov.ndim == 2 else m.cov[:, None].expand_as(m.mean)
    return Seen(-delta / variance, (delta**2 / variance).sum(-1), torch.log(variance).sum(-1))


def log_terms(m: Mixture, seen: Seen) -> Tensor:
    """log w_k N(x; m_k, C_k), (N, K)."""
    dim = m.mean.shape[1]
    return torch.log(m.weights) - 0.5 * (seen.square + seen.logdet + dim * LOG_TWO_PI)


def apply_cross(cross: Tensor, slope: Tensor) -> Tensor:
    """A_k g_k for every point and component."""
    if cross.ndim == 3:
        return torch.einsum("kij,nkj->nki", cross, slope)
    return (cross if cross.ndim == 2 else cross[:, None]) * slope


def fields_of(m: Mixture, x: Tensor) -> dict[str, Tensor]:
    """log_density (N,), score (N, D), velocity (N, D)."""
    seen = see(m, x)
    logs = log_terms(m, seen)
    shares = torch.softmax(logs, dim=1)[..., None]
    conditional = m.mean_dot - apply_cross(m.cross, seen.slope)
    return {
        "log_density": torch.logsumexp(logs, dim=1),
        "score": (shares * seen.slope).sum(1),
        "velocity": (shares * conditional).sum(1),
    }


def weight_slopes(m: Mixture, x: Tensor) -> dict[str, Tensor]:
    """Largest change of any coordinate, (N,), when every weight changes by a relative 1 with the worst of signs.

    ∂f/∂log w_k = r_k (f_k − f) for a field f = Σ r_k f_k: max over d of Σ_k r_k |f_kd − f_d|; 1 for log ρ.
    """
    seen = see(m, x)
    shares = torch.softmax(log_terms(m, seen), dim=1)[..., None]
    found = {"log_density": torch.ones_like(x[:, 0])}
    for name, each in (("score", seen.slope), ("velocity", m.mean_dot - apply_cross(m.cross, seen.slope))):
        mean = (shares * each).sum(1, keepdim=True)
        found[name] = (shares * (each - mean).abs()).sum(1).amax(1)
    return found


def mirrored(p: Inputs) -> bool:
    """Whether x0 = x1: the endpoint arrays are then one and the same numbers."""
    return bool(torch.equal(p.cov00, p.cov01) and torch.equal(p.cov00, p.cov11) and torch.equal(p.mean0, p.mean1))


def tangents(p: Inputs, signs: Inputs) -> Inputs:
    """p_j · sign_j for every number, symmetric where p is: d/dε of p (1 + ε δ)."""

    def tangent(value: Tensor, sign: Tensor, symmetric: bool) -> Tensor:
        if symmetric and sign.ndim == 3:
            sign = torch.tril(sign) + torch.tril(sign, -1).mT
        return torch.where(value == 0, value, value * sign)

    slopes = {
        item.name: tangent(getattr(p, item.name), getattr(signs, item.name), item.name in ("cov00", "cov11"))
        for item in fields(Inputs)
    }
    if mirrored(p):
        slopes |= dict.fromkeys(("cov11", "cov01"), slopes["cov00"]) | {"mean1": slopes["mean0"]}
    return replace(p, **slopes)
