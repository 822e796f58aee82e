"""Fields of an interpolant as posterior averages (MATH: fields; arXiv:2303.08797, Section 2).

With g_k = -C_k^-1 (x - m_k) and r_k the responsibilities, every conditional mean is sum_k r_k (c_k - G_k g_k)
and every derivative is a posterior covariance, formed from centred factors in a second pass (`spread`):
the difference of two large averages would lose the digits far from the modes.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from analytic.arrays import Array
from analytic.covariance import promote
from analytic.gains import respond
from analytic.posterior import Block, Source, average, weigh, weigh_constants
from analytic.spread import centre_of

Field = Any  # Block -> (B, k, P, D)


def score(block: Block) -> Array:
    """g_k."""
    return block.slope


def velocity(block: Block) -> Array:
    """u_k = m_dot - A g = E[x_dot | x, k]."""
    c = block.components
    return c.mean_dot[:, :, None, :] + respond(c.cross_split, block.residual, block.slope, c.parameters.kind)


def interpolant_velocity(block: Block) -> Array:
    """E[alpha_dot x0 + beta_dot x1 | x, k], without the detour through b + gg' s."""
    c = block.components
    return c.mean_dot[:, :, None, :] + respond(c.endpoint_split, block.residual, block.slope, c.parameters.kind)


def base_denoiser(block: Block) -> Array:
    """E[x0 | x, k] = m0 - (alpha C00 + beta C01) g."""
    c = block.components
    return c.mean0[:, :, None, :] + respond(c.base_split, block.residual, block.slope, c.parameters.kind)


def target_denoiser(block: Block) -> Array:
    """E[x1 | x, k] = m1 - (alpha C10 + beta C11) g."""
    c = block.components
    return c.mean1[:, :, None, :] + respond(c.target_split, block.residual, block.slope, c.parameters.kind)


def log_density(source: Source, x: Array, size: int) -> Array:
    """log rho (B, P)."""
    return average(source, x, lambda weights, block: (), size)[0]


def means(source: Source, x: Array, size: int, *fields: Field) -> tuple[Array, ...]:
    """sum_k r_k f_k(x) for each field, (B, P, D)."""
    return average(source, x, lambda w, block: tuple(weigh(w, f(block)) for f in fields), size)[1]


def divergence(source: Source, x: Array, size: int) -> Array:
    """div b = sum_k r_k tr(A_k C_k^-1) + sum_k r_k (u_k - b).(g_k - s), (B, P); no Jacobian is formed."""
    centre = centre_of(source, x, size, velocity)

    def accumulate(weights: Array, block: Block) -> tuple[Array, ...]:
        xp = array_namespace(weights)
        trace = block.components.factor.trace(block.components.slope_ratio)
        left = velocity(block) - centre.value_at(block)
        return (xp.sum(weights * (trace[:, :, None] + xp.sum(left * centre.slope_spread(block), axis=-1)), axis=1),)

    return average(source, x, accumulate, size)[1][0]


def laplacian(source: Source, x: Array, size: int) -> Array:
    """Lap log rho = -sum_k r_k tr(C_k^-1) + sum_k r_k |g_k - s|^2, (B, P)."""
    centre = centre_of(source, x, size, score)

    def accumulate(weights: Array, block: Block) -> tuple[Array, ...]:
        xp = array_namespace(weights)
        trace = block.components.factor.trace(block.components.inverse)
        square = xp.sum(centre.slope_spread(block) ** 2, axis=-1)
        return (xp.sum(weights * (square - trace[:, :, None]), axis=1),)

    return average(source, x, accumulate, size)[1][0]


def dt_log_density(source: Source, x: Array, size: int) -> Array:
    """d_t log rho = -sum_k r_k [tr(A_k C_k^-1) + g_k.u_k], (B, P), as A + A^T = C_dot."""

    def accumulate(weights: Array, block: Block) -> tuple[Array, ...]:
        xp = array_namespace(weights)
        trace = block.components.factor.trace(block.components.slope_ratio)
        along = xp.sum(block.slope * velocity(block), axis=-1)
        return (-xp.sum(weights * (trace[:, :, None] + along), axis=1),)

    return average(source, x, accumulate, size)[1][0]


def velocity_jacobian(source: Source, x: Array, size: int) -> Array:
    """J_ij = d b_i / d x_j = sum_k r_k A_k C_k^-1 + sum_k r_k (u_k - b)(g_k - s)^T, (B, P, D, D)."""
    centre = centre_of(source, x, size, velocity)

    def accumulate(weights: Array, block: Block) -> tuple[Array, ...]:
        left = velocity(block) - centre.value_at(block)
        own = _mean_matrix(weights, block.components.slope_ratio, source)
        return (own + _outer(weights, left, centre.slope_spread(block)),)

    return average(source, x, accumulate, size)[1][0]


def score_jacobian(source: Source, x: Array, size: int) -> Array:
    """Hess log rho = -sum_k r_k C_k^-1 + sum_k r_k (g_k - s)(g_k - s)^T, (B, P, D, D)."""
    centre = centre_of(source, x, size, score)

    def accumulate(weights: Array, block: Block) -> tuple[Array, ...]:
        spread = centre.slope_spread(block)
        return (_outer(weights, spread, spread) - _mean_matrix(weights, block.components.inverse, source),)

    return average(source, x, accumulate, size)[1][0]


def _outer(weights: Array, left: Array, right: Array) -> Array:
    """sum_k weights left right^T, (B, P, D, D): one matrix product per point, never (k, D, D) at a time."""
    xp = array_namespace(weights)
    columns = xp.permute_dims(weights[..., None] * left, (0, 2, 3, 1))
    return xp.matmul(columns, xp.permute_dims(right, (0, 2, 1, 3)))


def _mean_matrix(weights: Array, matrices: Array, source: Source) -> Array:
    """sum_k weights (B, k, P) matrices (B, k[, D[, D]]) -> (B, P, D, D)."""
    xp, dim = array_namespace(weights), source.dim
    n_times, k, n_points = weights.shape
    flat = xp.reshape(matrices, (n_times, k, -1))
    mean = weigh_constants(weights, flat)
    if source.kind == "full":
        return xp.reshape(mean, (n_times, n_points, dim, dim))
    stacked = xp.reshape(mean, (-1,) if source.kind == "isotropic" else (-1, dim))
    return xp.reshape(promote(stacked, "full", dim), (n_times, n_points, dim, dim))
