"""Cross-entropy and Kullback–Leibler divergence from log densities at draws, with their standard errors."""

from __future__ import annotations

import math

import torch

Tensor = torch.Tensor


def _mean(values: Tensor, name: str) -> tuple[float, float]:
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"{name}: expected shape (N,) with N ≥ 2, got {tuple(values.shape)}")
    wide = values.to(torch.float64)
    return float(wide.mean()), float(wide.std(unbiased=True)) / math.sqrt(len(wide))


def cross_entropy(log_q: Tensor) -> tuple[float, float]:
    """−E_p log q in nats from log q (N,) at N independent draws of p, and its standard error."""
    value, error = _mean(-log_q, "log_q")
    return value, error


def kl_divergence(log_p: Tensor, log_q: Tensor) -> tuple[float, float]:
    """KL(p‖q) = E_p[log p − log q] from both at the same N draws of p, and its standard error.

    The error is that of the paired differences: what p and q share cancels. Unbiased for exact log densities; where
    log q is the logarithm of an estimate, Jensen's inequality makes it too large by half that estimate's variance.
    """
    if log_p.shape != log_q.shape:
        raise ValueError(f"log_q: expected the shape of log_p, {tuple(log_p.shape)}, got {tuple(log_q.shape)}")
    return _mean(log_p.to(torch.float64) - log_q.to(torch.float64), "log_p")
