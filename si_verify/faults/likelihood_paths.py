"""Seeded faults in densities by weighted SDE paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.likelihood.divergence import value_and_divergence
from si_verify.likelihood.estimate import LikelihoodEstimate, log_mean_pairs, log_mean_weight
from si_verify.subject import Claims, Subject

Tensor = torch.Tensor
Average = Callable[[Tensor], LikelihoodEstimate]


def _fault(name: str, solve: Any, story: str, source: str, problems: str = "") -> Fault:
    claims = Claims(weak_order=1.0, extra={"form": "sde"})
    subject = Subject(f"fault/likelihood-{name}", "likelihood", lambda: solve, claims)
    return Fault(subject, ("likelihood-paths",), story, source, problems)


def _weights(gain: float = 1.0, pull: float = 1.0, noise: float = 2.0, sign: float = 1.0, antithetic: bool = False,
             same: bool = False, average: Average = log_mean_weight) -> Any:  # fmt: skip
    """Feynman–Kac with ∇·(b̂ + gain ε ŝ), Y's drift b̂ + pull ε ŝ, noise √(noise·ε), and an average of one's own."""

    def solve(velocity: Any, score: Any, epsilon: Any, log_known: Any, x: Tensor, times: Sequence[float], paths: int,
              generator: torch.Generator) -> LikelihoodEstimate:  # fmt: skip
        y = x.repeat_interleave(paths, 0)
        log = torch.zeros_like(y[:, 0])
        kept = None
        for t, after in pairwise(times):
            h, eps = after - t, epsilon(t)
            b, b_div = value_and_divergence(velocity, t, y)
            s, s_div = value_and_divergence(score, t, y)
            w = torch.randn(y.shape, generator=generator, dtype=y.dtype)
            if antithetic:
                half = w.reshape(len(x), paths // 2, 2, -1)
                half[:, :, 1] = -half[:, :, 0]
                w = half.reshape(y.shape)
            if same:
                kept = w if kept is None else kept
                w = kept
            log = log - sign * abs(h) * (b_div + gain * eps * s_div)
            y = y + h * (b + pull * eps * s) + (noise * eps * abs(h)) ** 0.5 * w
        return average((log + log_known(y)).reshape(len(x), paths))

    return solve


def _after_the_log(log: Tensor) -> LikelihoodEstimate:
    right = log_mean_weight(log)
    return right._replace(log_density=log.mean(1))


def _without_root(log: Tensor) -> LikelihoodEstimate:
    right = log_mean_weight(log)
    return right._replace(standard_error=right.standard_error * log.shape[1] ** 0.5)


def _all_paths_count(log: Tensor) -> LikelihoodEstimate:
    right = log_mean_weight(log)
    return right._replace(effective_size=torch.full_like(right.effective_size, log.shape[1]))


def _paired_as_positive(log: Tensor) -> LikelihoodEstimate:
    """The right error of pairs is thrown away for that of twice as many independent paths: too small by √2."""
    pairs = log_mean_pairs(log.reshape(len(log), -1, 2))
    doubled = log_mean_weight(torch.logsumexp(log.reshape(len(log), -1, 2), 2).repeat(1, 2))
    return pairs._replace(standard_error=doubled.standard_error, effective_size=doubled.effective_size)


FAULTS = (
    _fault("paths-divergence-of-b", _weights(gain=0.0), "∇·b̂ for ∇·b̂_F in the exponent.", "MATH.md section 9",
           "1d-bimodal"),
    _fault("paths-backward-drift", _weights(pull=-1.0), "b̂_B in Y's drift, because Y runs down in t; it must be b̂_F.",
           "MATH.md section 7"),
    _fault("paths-score-dropped", _weights(gain=0.0, pull=0.0),
           "b̂ for b̂_F throughout: the flow's estimator with noise.",
           "MATH.md section 7"),
    _fault("paths-root-epsilon", _weights(noise=1.0), "√ε for √(2ε) in the noise of Y.", "willisma/SiT#14"),
    _fault("paths-weight-sign", _weights(sign=-1.0), "exp(+∫∇·b̂_F): the sign of a path run up in t.",
           "MATH.md section 7"),
    _fault("paths-same-noise", _weights(same=True), "The noise is drawn once and reused at every step.",
           "google-research/torchsde#19"),
    _fault("paths-mean-of-logs", _weights(average=_after_the_log),
           "Weights are averaged after the logarithm: Jensen's gap.",
           "MATH.md section 7"),
    _fault("paths-error-of-one", _weights(average=_without_root),
           "The standard deviation of a weight is given as the error of their mean.", "cmdty/storage#52"),
    _fault("paths-antithetic-error", _weights(average=_paired_as_positive),
           "Every pair enters the standard error twice: pairs counted as independent paths.", "cmdty/storage#52"),
    _fault("paths-effective-size", _weights(average=_all_paths_count),
           "The number of paths is given as their effective size.",
           "MATH.md section 7"),
)  # fmt: skip
