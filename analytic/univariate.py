"""Distribution functions of one-dimensional mixtures, accurate in the tail each is named after."""

from __future__ import annotations

import math
from typing import Any

from array_api_compat import array_namespace, device, is_cupy_namespace, is_torch_namespace

from analytic.arrays import Array, to_numpy
from analytic.errors import FieldUndefinedError


def cdf(weights: Array, means: Array, scales: Array, x: Array) -> Array:
    """sum_k w_k Phi((x - m_k) / s_k), (N,)."""
    xp = array_namespace(x)
    return xp.sum(weights[:, None] * _normal("ndtr", _standard(means, scales, x)), axis=0)


def sf(weights: Array, means: Array, scales: Array, x: Array) -> Array:
    """sum_k w_k Phi(-(x - m_k) / s_k), (N,)."""
    return cdf(weights, -means, scales, -x)


def log_cdf(weights: Array, means: Array, scales: Array, x: Array) -> Array:
    """log of `cdf`: from log Phi in the lower half, from log1p(-sf) in the upper, so both ends are relative."""
    xp = array_namespace(x)
    some = weights > 0.0
    logs = xp.where(some, xp.log(xp.where(some, weights, xp.ones_like(weights))), -math.inf * xp.ones_like(weights))
    terms = logs[:, None] + _normal("log_ndtr", _standard(means, scales, x))
    peak = xp.max(terms, axis=0)
    direct = peak + xp.log(xp.sum(xp.exp(terms - peak[None, :]), axis=0))
    upper = sf(weights, means, scales, x)
    high = upper < 0.5
    return xp.where(high, xp.log1p(-xp.where(high, upper, xp.zeros_like(upper))), direct)


def log_sf(weights: Array, means: Array, scales: Array, x: Array) -> Array:
    """log of `sf`."""
    return log_cdf(weights, -means, scales, -x)


def _standard(means: Array, scales: Array, x: Array) -> Array:
    if not bool(array_namespace(x).all(scales > 0.0)):
        raise FieldUndefinedError("covariances: a component has variance zero; its distribution function jumps")
    return (x[None, :] - means[:, None]) / scales[:, None]


def _normal(name: str, z: Array) -> Array:
    """`ndtr` or `log_ndtr` from the library of z; libraries without one go through SciPy on the host."""
    xp: Any = array_namespace(z)
    if is_torch_namespace(xp):
        import torch

        # torch's own ndtr is 1 + erf below zero and keeps no digit past 8 sigma.
        return 0.5 * torch.special.erfc(-z * math.sqrt(0.5)) if name == "ndtr" else torch.special.log_ndtr(z)
    if is_cupy_namespace(xp):
        from cupyx.scipy import special as cupy_special

        return getattr(cupy_special, name)(z)
    from scipy import special

    return xp.asarray(getattr(special, name)(to_numpy(z)), device=device(z))
