"""How far each component's slope g_k lies from the score, without the cancellation of g_k - s.

Near t = 0 of a one-sided path all components nearly coincide: g_k - s is of order t while g_k and s are of
the order of |x|, and their difference keeps no digits at t = 1e-12. But for any y

    C_k (g_k - y) = (m_k - M) - C'_k y - [(x - M) + C* y],     C_k = C* + C'_k,

with M = alpha M0 + beta M1 near the posterior means of m_k, and C* the part of C_k that all components
share. The bracket is the same for every k, so its rounding drops out of the differences between
components; m_k - M and C'_k come from the raw parameters and keep their relative accuracy at every t.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from array_api_compat import array_namespace

from analytic.arrays import Array
from analytic.covariance import apply
from analytic.moments import anchored, mean_of
from analytic.posterior import Block, Source, average, weigh, weigh_constants


@dataclass(frozen=True, eq=False)
class Centre:
    """Posterior averages (B, P, D) at points x (B, P, D) that a second pass is centred on."""

    x: Array
    score: Array
    value: Array
    mean0: Array
    mean1: Array

    def value_at(self, block: Block) -> Array:
        """The averaged field at the block's points, (B, 1, P, D)."""
        return self.value[block.times, block.where, :][:, None, :, :]

    def slope_spread(self, block: Block) -> Array:
        """g_k - s, (B, k, P, D)."""
        c = block.components
        kind, tied = c.parameters.kind, c.parameters.tied
        x, s, mean0, mean1 = (
            a[block.times, block.where, :][:, None, :, :] for a in (self.x, self.score, self.mean0, self.mean1)
        )
        anchor, offset = anchored(c.coefficients, mean0, mean1, tied)
        common = ((x - anchor) + offset) + apply(c.common_covariance[:, :1, ...], s, kind)
        apart = mean_of(c.coefficients, c.mean0[:, :, None, :] - mean0, c.mean1[:, :, None, :] - mean1, tied)
        return c.factor.solve((apart - apply(c.own_covariance, s, kind)) - common)[1]


def centre_of(source: Source, x: Array, size: int, field: Callable[[Block], Array]) -> Centre:
    """The first pass: score, `field` and the posterior means of m0 and m1."""

    def accumulate(weights: Array, block: Block) -> tuple[Array, ...]:
        xp, c = array_namespace(weights), block.components
        n_times = weights.shape[0]
        raw = (weigh_constants(weights, xp.broadcast_to(m, (n_times, *m.shape[1:]))) for m in (c.mean0, c.mean1))
        return (weigh(weights, block.slope), weigh(weights, field(block)), *raw)

    score, value, mean0, mean1 = average(source, x, accumulate, size)[1]
    return Centre(x, score, value, mean0, mean1)
