"""LikelihoodEstimate: log of a mean of weights, with its standard error and effective sample size, all in log space.

An estimator of kind ``likelihood`` takes one of these forms (``Claims.extra["form"]``; MATH.md sections 6 and 7):

``flow``        estimate(velocity, log_known, x, times) -> log density (N,)
                adaptive: times holds both ends only, and ``rtol=, atol=`` are given
``hutchinson``  estimate(velocity, log_known, x, times, probes, generator) -> log density (N,)
                adaptive as above; ``extra["probe"]`` is "gaussian" or "rademacher"
``sde``         estimate(velocity, score, epsilon, log_known, x, times, paths, generator) -> LikelihoodEstimate
``path``        estimate(velocity, score, epsilon, log_known, x, times, increments) -> (X (N, D), log density (N,))
                along dX = (b + ε s) dt + √(2ε) dW; times rise, increments (T − 1, N, D) of W
``kl``          estimate(log_p, log_q) -> (KL(p‖q), standard error) from log densities (N,) at N draws of p
``bound``       bound(errors, epsilon) -> upper bound on KL(ρ(1)‖ρ̂(1)); errors: ``bounds.FieldErrors``
``identity``    kl(gap, error, nodes, span) -> KL(ρ(1)‖ρ̂(1)) of the flow; see ``bounds.transport_kl``

x (N, D) are points at times[0], where the density is wanted; ``log_known(y)`` (N,) is the log density at times[-1];
for ``path`` x are where the paths start, log_known is the log density there, and X where they are at times[-1].
``velocity(t, x)`` and ``score(t, x)`` answer (N, D), t a float, differentiable in x; ``epsilon(t)`` is a float > 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

Tensor = torch.Tensor
FORMS = ("flow", "hutchinson", "sde", "path", "kl", "bound", "identity")


class LikelihoodEstimate(NamedTuple):
    """log of the mean weight of each point, the standard error of that logarithm, and Kish's effective size, (N,)."""

    log_density: Tensor
    standard_error: Tensor
    effective_size: Tensor


def log_mean_weight(log_weights: Tensor) -> LikelihoodEstimate:
    """The mean over independent paths: log_weights (N, P) -> (N,) each.

    log(1/P Σ w) by log-sum-exp; effective size (Σw)²/Σw²; standard error of the logarithm by the delta method,
    sd(w) / (√P mean(w)), with sd the sample's standard deviation (P − 1 in the denominator). ValueError for P < 2.
    """
    if log_weights.ndim != 2 or log_weights.shape[1] < 2:
        raise ValueError(f"log_weights: expected shape (N, P) with P ≥ 2, got {tuple(log_weights.shape)}")
    paths = log_weights.shape[1]
    total, squares = torch.logsumexp(log_weights, 1), torch.logsumexp(2.0 * log_weights, 1)
    effective = torch.exp(2.0 * total - squares)
    # Σ(w/w̄ − 1)² = P²/ESS − P
    variance = (paths**2 / effective - paths).clamp(min=0.0) / (paths - 1)
    return LikelihoodEstimate(total - math.log(paths), torch.sqrt(variance / paths), effective)


def log_mean_pairs(log_weights: Tensor) -> LikelihoodEstimate:
    """As ``log_mean_weight`` for antithetic pairs, (N, P, 2): the pair is the independent unit, not its halves."""
    if log_weights.ndim != 3 or log_weights.shape[2] != 2:
        raise ValueError(f"log_weights: expected shape (N, P, 2), got {tuple(log_weights.shape)}")
    return log_mean_weight(torch.logsumexp(log_weights, 2) - math.log(2.0))
