"""Field faults in the moments: covariances, schedules, time derivatives."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from si_verify.faults.broken_field import build_with, field_fault
from si_verify.fields.formula import Inputs, Mixture

_BOTH = ("field-pointwise", "field-identities")


def _half_rate(m: Mixture, p: Inputs) -> Mixture:
    return m._replace(cross=0.5 * (m.cross + m.cross.mT) if m.cross.ndim == 3 else m.cross)


def _without_latent(m: Mixture, p: Inputs, times: float = 1.0) -> Mixture:
    one = torch.eye(m.mean.shape[1]).to(m.cov) if m.cov.ndim == 3 else torch.ones_like(m.cov)
    return m._replace(cross=m.cross - times * p.gamma_gamma_dot * one)


def _doubled_latent(m: Mixture, p: Inputs) -> Mixture:
    return _without_latent(m, p, -1.0)


def _transposed(m: Mixture, p: Inputs) -> Mixture:
    return m._replace(cross=m.cross.mT if m.cross.ndim == 3 else m.cross)


def _as_deviation(m: Mixture, p: Inputs) -> Mixture:
    return m._replace(cov=m.cov @ m.cov if m.cov.ndim == 3 else m.cov**2)


def _jittered(m: Mixture, p: Inputs) -> Mixture:
    one = torch.eye(m.mean.shape[1]).to(m.cov) if m.cov.ndim == 3 else torch.ones_like(m.cov)
    return m._replace(cov=m.cov + 1e-6 * one)


def _no_mean_rate(m: Mixture, p: Inputs) -> Mixture:
    return m._replace(mean_dot=torch.zeros_like(m.mean_dot))


def _gamma_for_gamma2(p: Inputs) -> Inputs:
    return replace(p, gamma2=torch.sqrt(p.gamma2))


def _no_cross_covariance(p: Inputs) -> Inputs:
    return replace(p, cov01=torch.zeros_like(p.cov01))


def _reversed(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**fields, "velocity": -fields["velocity"]}


FAULTS = (
    field_fault(
        "half-rate-for-cross",
        build_with(mixture=_half_rate),
        "½ Ċ for A = Cov(ẋ, x): the same densities, another velocity where C01 is not symmetric; continuity is blind.",
        "MATH.md section 2 (gauge)",
    ),
    field_fault(
        "cross-transposed",
        build_with(mixture=_transposed),
        "Cov(x, ẋ) for Cov(ẋ, x): the transpose, invisible for symmetric couplings.",
        "MATH.md section 2",
    ),
    field_fault(
        "gamma-dot-dropped",
        build_with(mixture=_without_latent),
        "The term γγ̇ I of A is missing: v = E[α̇x0 + β̇x1 | x] is returned where b is meant.",
        "MATH.md section 3 (b = v − γγ̇ s); sihyun-yu/REPA#52",
        _BOTH,
    ),
    field_fault(
        "gamma-dot-doubled",
        build_with(mixture=_doubled_latent),
        "γγ̇ counted twice, as γγ̇ = d(γ²)/dt instead of half of it.",
        "MATH.md section 9; deepinv/deepinv#1343",
        _BOTH,
    ),
    field_fault(
        "variance-as-deviation",
        build_with(mixture=_as_deviation),
        "A variance is passed where a standard deviation is expected and squared again.",
        "sbi-dev/sbi#1661, #1782",
        _BOTH,
    ),
    field_fault(
        "covariance-jitter",
        build_with(mixture=_jittered),
        "1e-6 I is added to every covariance 'for stability'.",
        "MATH.md section 2",
    ),
    field_fault(
        "mean-rate-dropped",
        build_with(mixture=_no_mean_rate),
        "The rate of the component means is left out of the conditional velocity.",
        "MATH.md section 2",
        _BOTH,
    ),
    field_fault(
        "gamma-for-its-square",
        build_with(inputs=_gamma_for_gamma2),
        "γ where γ² belongs: log-variance, variance and deviation confused.",
        "huggingface/diffusers#2090, #14569",
    ),
    field_fault(
        "coupling-ignored",
        build_with(inputs=_no_cross_covariance),
        "C01 is dropped: every coupling is treated as independent.",
        "MATH.md section 1",
    ),
    field_fault(
        "time-reversed",
        build_with(answer=_reversed),
        "The velocity of the reversed path: sign of dt forgotten.",
        "hustvl/LightningDiT#89",
        _BOTH,
    ),
    field_fault(
        "late-by-a-millionth",
        build_with(time=lambda t: t + 1e-6 * (0.5 - t)),
        "The schedule is read at a time off by 1e-6, as float32 time grids do.",
        "MATH.md section 9 (float32 time grids); huggingface/diffusers#11749",
    ),
)
