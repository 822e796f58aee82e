"""Field faults in the posterior: factors, softmax, log-sum-exp, precision."""

from __future__ import annotations

import torch
from torch import Tensor

from si_verify.faults.broken_field import build_with, field_fault
from si_verify.fields import formula as right
from si_verify.fields.formula import Mixture, Seen

_BOTH = ("field-pointwise", "field-identities")


def _matrix(cov: Tensor, dim: int) -> Tensor:
    if cov.ndim == 3:
        return cov
    return torch.diag_embed(cov if cov.ndim == 2 else cov[:, None].expand(-1, dim))


def _covariance_for_inverse(m: Mixture, x: Tensor) -> Seen:
    seen = right.see(m, x)
    delta = x[:, None, :] - m.mean
    return seen._replace(slope=-torch.einsum("kij,nkj->nki", _matrix(m.cov, x.shape[1]), delta))


def _one_triangular_solve(m: Mixture, x: Tensor) -> Seen:
    factor = torch.linalg.cholesky(_matrix(m.cov, x.shape[1]))
    delta = (x[:, None, :] - m.mean).permute(1, 2, 0)
    slope = -torch.linalg.solve_triangular(factor, delta, upper=False).permute(2, 0, 1)
    return right.see(m, x)._replace(slope=slope)


def _no_logdet(m: Mixture, x: Tensor) -> Seen:
    seen = right.see(m, x)
    return seen._replace(logdet=torch.zeros_like(seen.logdet))


def _expanded(m: Mixture, x: Tensor) -> Seen:
    seen = right.see(m, x)
    if m.cov.ndim == 3:
        return seen
    inverse = 1 / (m.cov if m.cov.ndim == 2 else m.cov[:, None].expand_as(m.mean))
    square = (x**2) @ inverse.T - 2 * x @ (m.mean * inverse).T + (m.mean**2 * inverse).sum(1)
    return seen._replace(square=square)


def _no_weights(m: Mixture, seen: Seen) -> Tensor:
    return right.log_terms(m._replace(weights=torch.full_like(m.weights, 1 / len(m.weights))), seen)


def _half_precision(m: Mixture, seen: Seen) -> Tensor:
    return right.log_terms(m, seen).to(torch.bfloat16).to(seen.square.dtype)


def _clamped(m: Mixture, seen: Seen) -> Tensor:
    return right.log_terms(m, seen).clamp_min(-50.0)


def _added(m: Mixture, seen: Seen) -> Tensor:
    return torch.log(m.weights + torch.exp(right.log_terms(m, seen) - torch.log(m.weights)))


def _exponentiated(logs: Tensor) -> Tensor:
    terms = torch.exp(logs)
    return terms / terms.sum(1, keepdim=True)


def _scaled_score(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**fields, "score": fields["score"] * 1.001}


def _wrong_row(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.cat([value[:-1], torch.zeros_like(value[-1:])]) for name, value in fields.items()}


def _flipped(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**fields, "score": -fields["score"]}


FAULTS = (
    field_fault(
        "covariance-for-inverse",
        build_with(see=_covariance_for_inverse),
        "C (x − m) for C⁻¹ (x − m).",
        "MATH.md section 9",
        _BOTH,
    ),
    field_fault(
        "one-triangular-solve",
        build_with(see=_one_triangular_solve),
        "The whitened residual L⁻¹(x − m) taken for C⁻¹(x − m): the second triangular solve is missing.",
        "MATH.md section 9",
        _BOTH,
    ),
    field_fault(
        "log-determinant-dropped",
        build_with(see=_no_logdet),
        "½ log det C is left out of the logits: exact only when all components share one covariance.",
        "VincentStimper/normalizing-flows#28 (its sign)",
    ),
    field_fault(
        "squares-expanded",
        build_with(see=_expanded),
        "|x|² − 2x·m + |m|² for |x − m|²: a matrix product that loses the digits of distant points.",
        "MATH.md section 2; kernels that take this path must state its error",
        dtypes=("float32", "float64"),
    ),
    field_fault(
        "log-weights-dropped",
        build_with(log_terms=_no_weights),
        "The component weights do not enter the softmax.",
        "MATH.md section 9",
    ),
    field_fault(
        "half-precision-logits",
        build_with(log_terms=_half_precision),
        "Logits pass through bfloat16.",
        "MATH.md section 9",
        _BOTH,
    ),
    field_fault(
        "clipped-tail",
        build_with(log_terms=_clamped),
        "Logits are clamped at −50 before the maximum is taken away: the far tail becomes flat.",
        "MATH.md section 9; sbi-dev/sbi#1661",
    ),
    field_fault(
        "weight-added",
        build_with(log_terms=_added),
        "π + exp(·) for π · exp(·).",
        "JavierAntoran/Bayesian-Neural-Networks#15",
        _BOTH,
    ),
    field_fault(
        "no-log-sum-exp",
        build_with(shares=_exponentiated, log_sum=lambda logs: torch.log(torch.exp(logs).sum(1))),
        "Exponentials without subtracting the maximum: 0/0 in the tails.",
        "malbergo/stochastic-interpolants (gmm): NaN in 12 % of points at D = 75 in float32",
        dtypes=("float64", "float32"),
    ),
    field_fault(
        "softmax-over-points",
        build_with(shares=lambda logs: torch.softmax(logs, dim=0)),
        "Softmax over the batch instead of the components.",
        "MATH.md section 9",
        _BOTH,
    ),
    field_fault(
        "score-sign",
        build_with(answer=_flipped),
        "−∇log ρ: the sign convention of the noise prediction leaks into the score.",
        "atong01/conditional-flow-matching#85",
        _BOTH,
    ),
    field_fault(
        "score-off-by-a-thousandth",
        build_with(answer=_scaled_score),
        "The score is 1.001 times the right one.",
        "a small error that a look at samples never shows",
        _BOTH,
    ),
    field_fault(
        "one-wrong-row",
        build_with(answer=_wrong_row),
        "The last row of a batch is never written (a masked tail).",
        "atong01/conditional-flow-matching#24; kernels with a ragged last block",
        _BOTH,
    ),
    field_fault(
        "float32-inside",
        build_with(inputs=lambda p: p.map(lambda v: v.to(torch.float32)), point=lambda x: x.to(torch.float32)),
        "A float64 field computed in float32 and cast back.",
        "MATH.md section 9 (float32 time grids and their like)",
        _BOTH,
    ),
)
