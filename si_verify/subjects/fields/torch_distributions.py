"""log-density by torch.distributions.MixtureSameFamily and score by autograd: what people write first."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import distributions

from analytic import Interpolant
from si_verify.fields.formula import inputs_at, mixture_at
from si_verify.subject import Claims, ExpectedFailure, Subject

_PAGE = "docs/findings.md#torchdistributionsmixturesamefamily"
CLAMPED = "Categorical clamps probabilities at eps: weights below 1.2e-7 become 1.2e-7 in float32 (2.2e-16 in float64)"
TAILS = (
    "the backward pass of logsumexp forms r_k = exp(log term − log ρ), which carries eps·|log ρ|: far from the modes "
    "the score loses digits in proportion to |log ρ|; whether it passes 100·eps·K depends on the points"
)


def build(interpolant: Interpolant, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., torch.Tensor]]:
    """log_density and score of the mixture at each time."""

    def law(t: float) -> distributions.Distribution:
        m = mixture_at(inputs_at(interpolant, t, dtype, device))
        weights = distributions.Categorical(probs=m.weights, validate_args=False)
        if m.cov.ndim == 3:
            each: distributions.Distribution = distributions.MultivariateNormal(
                m.mean, covariance_matrix=m.cov, validate_args=False
            )
        else:
            deviation = torch.sqrt(m.cov if m.cov.ndim == 2 else m.cov[:, None].expand_as(m.mean))
            each = distributions.Independent(distributions.Normal(m.mean, deviation, validate_args=False), 1)
        return distributions.MixtureSameFamily(weights, each, validate_args=False)

    def log_density(t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if not isinstance(t, torch.Tensor) or t.ndim == 0:
            return law(float(t)).log_prob(x)
        return torch.cat([law(float(s)).log_prob(x[i : i + 1]) for i, s in enumerate(t)])

    def score(t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            point = x.detach().requires_grad_(True)
            return torch.autograd.grad(log_density(t, point).sum(), point)[0]

    return {"log_density": log_density, "score": score}


SUBJECT = Subject(
    name="torch/mixture-same-family",
    kind="field",
    load=lambda: build,
    claims=Claims(quantities=("log_density", "score")),
    tags=frozenset({"torch", "autograd"}),
    modules=("torch.distributions.mixture_same_family",),
    dtypes=("float64", "float32"),
    expected_failures=(
        ExpectedFailure("field-pointwise", CLAMPED, _PAGE, problem="1d-tiny-weights", dtype="float32"),
        ExpectedFailure("field-pointwise", TAILS, _PAGE, strict=False),
    ),
    summary="torch.distributions.MixtureSameFamily, score by autograd",
)
