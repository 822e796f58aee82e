"""Gain matrices Cov(y, x_t | k) with the part that is a multiple of C_k taken out.

E[y | x, k] = E[y | k] + G C^-1 (x - m) is well conditioned where G is close to a multiple of C: near an end,
where C is that end's covariance, and for a data set at every t, where C = alpha^2 C00. But G and the Cholesky
factor of C are rounded each on its own, and their quotient then loses the condition number of C. Written

    G = share C + rest,     G C^-1 (x - m) = share (x - m) - rest g,     g = -C^-1 (x - m),

only `rest` meets the solve. With G0 = Cov(x0, x_t), G1 = Cov(x1, x_t), A = Cov(x_dot, x_t) the exact relations
are alpha G0 + beta G1 + gamma^2 I = C and A = alpha' G0 + beta' G1 + gamma gamma' I. Of the splittings that
follow from them each component takes the one whose rest has the least Frobenius norm. Isotropic and diagonal
storage divide entry by entry, lose nothing, and keep share = 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from analytic.arrays import Array
from analytic.covariance import apply


class Gain(NamedTuple):
    """G = share C + rest: share (B, k) or None for 0, rest in the storage of the kind."""

    share: Array | None
    rest: Array


def respond(gain: Gain, residual: Array, slope: Array, kind: str) -> Array:
    """G C^-1 (x - m) for residual x - m and slope g, both (B, k, P, D)."""
    pulled = -apply(gain.rest, slope, kind)
    return pulled if gain.share is None else pulled + gain.share[:, :, None, None] * residual


def split(
    c: Any,
    direct: Array,
    gains: tuple[Array | None, Array | None],
    rates: tuple[Array, Array],
    noise: Any,
    eye: Array,
    tied: bool,
) -> Gain:
    """`direct` = r0 G0 + r1 G1 + noise I split, in full storage.

    c: Coefficients (B,); gains: (G0, G1), each (B, k, D, D) or None where its rate is zero; rates: (r0, r1),
    each (B,); tied: x0 = x1, where G0 = G1 and one splitting removes both.
    """
    xp = array_namespace(direct)
    zero = xp.zeros_like(c.alpha)
    options = [(zero == 0.0, zero, direct)]
    if tied:
        allowed, share = _quotient(xp, rates[0] + rates[1], c.alpha + c.beta)
        options.append((allowed, share, _wide(noise - share * c.gamma2) * eye))
        return _leanest(options)
    for one, two in ((0, 1), (1, 0)):
        kept, (own, other) = gains[two], ((c.alpha, c.beta) if one == 0 else (c.beta, c.alpha))
        if kept is None:
            continue
        allowed, share = _quotient(xp, rates[one], own)
        allowed = xp.logical_and(allowed, xp.isfinite(rates[two]))
        left = xp.where(allowed, rates[two], zero) - share * other
        options.append((allowed, share, _wide(left) * kept + _wide(noise - share * c.gamma2) * eye))
    return _leanest(options)


def _wide(coefficient: Array) -> Array:
    return coefficient[:, None, None, None]


def _leanest(options: list[tuple[Array, Array, Array]]) -> Gain:
    """Of (allowed (B,), share (B,), rest (B, k or 1, D, D)) the one of least Frobenius norm, per component."""
    xp = array_namespace(options[0][2])
    _, share, rest = options[0]
    norm = xp.sum(rest * rest, axis=(-2, -1))
    share = xp.broadcast_to(share[:, None], norm.shape)
    for allowed, own_share, own_rest in options[1:]:
        own_norm = xp.sum(own_rest * own_rest, axis=(-2, -1))
        better = xp.logical_and(allowed[:, None], own_norm < norm)
        share, norm = xp.where(better, own_share[:, None], share), xp.where(better, own_norm, norm)
        rest = xp.where(better[:, :, None, None], own_rest, rest)
    return Gain(share, rest)


def _quotient(xp: Any, top: Array, bottom: Array) -> tuple[Array, Array]:
    """(where it is allowed, top / bottom), with a harmless number where bottom is zero or top infinite."""
    allowed = xp.logical_and(bottom > 0.0, xp.isfinite(top))
    one = xp.ones_like(bottom)
    return allowed, xp.where(allowed, top, one) / xp.where(allowed, bottom, one)
