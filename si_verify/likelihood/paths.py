"""Densities of an SDE's law as means over weighted paths: Feynman–Kac, and the ratio of forward to backward chains.

    Feynman–Kac  ρ̂(1, x) = E[exp(−∫ ∇·b̂_F) ρ(0, Y_0)],  dY = b̂_F dt + √(2ε) dW run down from Y_1 = x
                 (arXiv:2303.08797, Section 2.5; MATH.md section 7: b̂_F, not b̂_B, in Y's drift)
    path ratio   ρ̂(1, x) = E_Q[ρ(0, Y_0) Π P(Y_k → Y_{k+1}) / Q(Y_{k+1} → Y_k)],
                 P the Euler chain of b̂_F, Q that of b̂_B

The second holds for the Euler chain itself without any error of the steps, whatever ŝ; with exact fields its weights
tend to a constant, so that it works in high dimension, where Feynman–Kac weights degenerate. By Jensen the mean of its
log is at most log ρ̂.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from si_verify.likelihood.divergence import Field, value_and_divergence
from si_verify.likelihood.estimate import LikelihoodEstimate, log_mean_weight

Tensor = torch.Tensor
LogDensity = Callable[[Tensor], Tensor]


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)


def _forward_drift(velocity: Field, score: Field, epsilon: float) -> Field:
    return lambda t, x: velocity(t, x) + epsilon * score(t, x)


def feynman_kac(
    velocity: Field, score: Field, epsilon: Callable[[float], float], log_known: LogDensity,
    x: Tensor, times: Sequence[float], paths: int, generator: torch.Generator,
) -> LikelihoodEstimate:  # fmt: skip
    """Mean over ``paths`` paths a point; Euler–Maruyama for Y, left-point sums for the integral: weak order 1."""
    y = x.repeat_interleave(paths, 0)
    log = torch.zeros_like(y[:, 0])
    for t, after in pairwise(float(t) for t in times):
        h, eps = after - t, epsilon(t)
        drift, divergence = value_and_divergence(_forward_drift(velocity, score, eps), t, y)
        log = log - abs(h) * divergence
        y = y + h * drift + (2.0 * eps * abs(h)) ** 0.5 * _normal(y, generator)
    return log_mean_weight((log + log_known(y)).reshape(len(x), paths))


def path_ratio(
    velocity: Field, score: Field, epsilon: Callable[[float], float], log_known: LogDensity,
    x: Tensor, times: Sequence[float], paths: int, generator: torch.Generator,
) -> LikelihoodEstimate:  # fmt: skip
    """Mean over ``paths`` backward chains a point, times falling; unbiased for the forward Euler chain's density."""
    return log_mean_weight(path_log_weights(velocity, score, epsilon, log_known, x, times, paths, generator))


def path_log_weights(
    velocity: Field, score: Field, epsilon: Callable[[float], float], log_known: LogDensity,
    x: Tensor, times: Sequence[float], paths: int, generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Log weights (N, P) of ``path_ratio``.

    With ξ the backward noise and h > 0, Y_k = Y_{k+1} − h b̂_B(t_{k+1}) + √(2εh) ξ, and the log ratio of the two normal
    densities is ½|ξ|² − |Y_{k+1} − Y_k − h b̂_F(t_k, Y_k)|² / (4 ε h). Both chains take ε at the step's middle, so that
    their normalisations cancel exactly.
    """
    y = x.repeat_interleave(paths, 0)
    log = torch.zeros_like(y[:, 0])
    b, s = velocity(float(times[0]), y), score(float(times[0]), y)
    for t, after in pairwise(float(t) for t in times):
        h, eps = t - after, epsilon(0.5 * (t + after))
        noise = _normal(y, generator)
        back = y - h * (b - eps * s) + (2.0 * eps * h) ** 0.5 * noise
        b, s = velocity(after, back), score(after, back)
        miss = y - back - h * (b + eps * s)
        log = log + 0.5 * (noise**2).sum(1) - (miss**2).sum(1) / (4.0 * eps * h)
        y = back
    return (log + log_known(y)).reshape(len(x), paths)
