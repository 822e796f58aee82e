"""Moments of x_t and its velocity, component by component (MATH: law of x_t).

m = alpha m0 + beta m1,  C = alpha^2 C00 + beta^2 C11 + alpha beta (C01 + C10) + gamma^2 I,
A = Cov(x_dot, x) = aa' C00 + bb' C11 + a'b C01 + b'a C10 + gg' I,  A + A^T = C_dot.
A is not half of C_dot where C01 is not symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from array_api_compat import array_namespace

from analytic.arrays import Array
from analytic.covariance import Factor, factorise, transpose
from analytic.schedule import Coefficients


@dataclass(frozen=True, eq=False)
class Parameters:
    """A coupling's arrays in the library and on the device of the points, and what is known to vanish."""

    log_weights: Array
    mean0: Array
    mean1: Array
    cov00: Array
    cov11: Array
    cov01: Array
    eye: Array
    kind: str
    base_centred: bool  # mean0 = 0 throughout
    uncorrelated: bool  # C01 = 0 throughout
    tied: bool  # x0 = x1

    @property
    def dim(self) -> int:
        return self.mean0.shape[1]


@dataclass(frozen=True, eq=False)
class InterpolantComponents:
    """Components `ks` at B times; each moment is formed when first asked for. Coefficients are (B,)."""

    parameters: Parameters
    coefficients: Coefficients
    ks: slice

    @cached_property
    def log_weight(self) -> Array:
        return self.parameters.log_weights[self.ks]

    @cached_property
    def mean0(self) -> Array:
        return self.parameters.mean0[None, self.ks, :]

    @cached_property
    def mean1(self) -> Array:
        return self.parameters.mean1[None, self.ks, :]

    @cached_property
    def _nearer(self) -> tuple[Array, Array]:
        """(use x0, use x1) per time: the endpoint whose coefficient is nearer one, or neither."""
        xp, c = self._xp, self.coefficients
        late = c.beta > 0.5
        return xp.logical_and(c.alpha > 0.5, xp.logical_not(late)), late

    @cached_property
    def anchor(self) -> Array:
        """m0, m1 or 0 exactly: x - anchor loses nothing where x has come close to an endpoint's mean."""
        if self.parameters.tied:
            return self.mean0
        xp = self._xp
        use0, use1 = (self._over(xp.astype(use, xp.float64), self.mean0) for use in self._nearer)
        return use1 * self.mean1 if self.parameters.base_centred else use0 * self.mean0 + use1 * self.mean1

    @cached_property
    def offset(self) -> Array:
        """anchor - m, from 1 - alpha or 1 - beta where that is the small number."""
        xp, c = self._xp, self.coefficients
        if self.parameters.tied:
            return self._over(1.0 - (c.alpha + c.beta), self.mean0) * self.mean0
        use0, use1 = self._nearer
        second = self._over(xp.where(use1, c.one_minus_beta, -c.beta), self.mean1) * self.mean1
        if self.parameters.base_centred:
            return second
        return self._over(xp.where(use0, c.one_minus_alpha, -c.alpha), self.mean0) * self.mean0 + second

    @cached_property
    def mean(self) -> Array:
        c = self.coefficients
        return self._over(c.alpha, self.mean0) * self.mean0 + self._over(c.beta, self.mean1) * self.mean1

    @cached_property
    def mean_dot(self) -> Array:
        c, p = self.coefficients, self.parameters
        if p.tied:
            return self._over(c.alpha_dot + c.beta_dot, self.mean0) * self.mean0
        second = self._over(c.beta_dot, self.mean1) * self.mean1
        return second if p.base_centred else self._over(c.alpha_dot, self.mean0) * self.mean0 + second

    @cached_property
    def covariance(self) -> Array:
        c, p = self.coefficients, self.parameters
        if p.tied:
            endpoints = self._scaled((c.alpha + c.beta) ** 2, p.cov00)
        else:
            endpoints = self._scaled(c.alpha**2, p.cov00) + self._scaled(c.beta**2, p.cov11)
            if not p.uncorrelated:
                cross = self._scaled(c.alpha * c.beta, p.cov01)
                endpoints = endpoints + (cross + transpose(cross, p.kind))
        return endpoints + self._identity(c.gamma2)

    @cached_property
    def endpoint_cross(self) -> Array:
        """Cov(alpha_dot x0 + beta_dot x1, x) = A - gg' I."""
        c, p = self.coefficients, self.parameters
        if p.tied:
            return self._scaled((c.alpha + c.beta) * (c.alpha_dot + c.beta_dot), p.cov00)
        own = self._scaled(c.alpha_alpha_dot, p.cov00) + self._scaled(c.beta_beta_dot, p.cov11)
        if p.uncorrelated:
            return own
        return (
            own
            + self._scaled(c.alpha_dot_beta, p.cov01)
            + transpose(self._scaled(c.beta_dot_alpha, p.cov01), p.kind)
        )

    @cached_property
    def cross(self) -> Array:
        """A = Cov(x_dot, x)."""
        return self.endpoint_cross + self._identity(self.coefficients.gamma_gamma_dot)

    @cached_property
    def base_gain(self) -> Array:
        """Cov(x0, x) = alpha C00 + beta C01."""
        c, p = self.coefficients, self.parameters
        own = self._scaled(c.alpha, p.cov00)
        return own if p.uncorrelated else own + self._scaled(c.beta, p.cov01)

    @cached_property
    def target_gain(self) -> Array:
        """Cov(x1, x) = alpha C10 + beta C11."""
        c, p = self.coefficients, self.parameters
        own = self._scaled(c.beta, p.cov11)
        return own if p.uncorrelated else own + transpose(self._scaled(c.alpha, p.cov01), p.kind)

    @cached_property
    def factor(self) -> Factor:
        p = self.parameters
        return factorise(self.covariance, p.kind, p.dim, f"component covariance at {self._when}")

    @cached_property
    def slope_ratio(self) -> Array:
        """A C^-1."""
        return self.factor.ratio(self.cross)

    @cached_property
    def inverse(self) -> Array:
        """C^-1, for the Hessian of log rho only; solves never use it."""
        xp, p = self._xp, self.parameters
        eye = p.eye[None, None, ...] if p.kind == "full" else xp.ones_like(self.covariance)
        return self.factor.ratio(xp.broadcast_to(eye, self.covariance.shape))

    @property
    def _when(self) -> str:
        alpha, beta = self.coefficients.alpha, self.coefficients.beta
        if alpha.shape[0] != 1:
            return "some t"
        return f"alpha = {float(alpha[0]):.6g}, beta = {float(beta[0]):.6g}"

    @property
    def _xp(self) -> Any:
        return array_namespace(self.parameters.mean0)

    def _over(self, coefficient: Array, like: Array) -> Array:
        """A coefficient (B,) with trailing axes to multiply `like` (1, k, ...)."""
        return self._xp.reshape(coefficient, (-1,) + (1,) * (like.ndim - 1))

    def _scaled(self, coefficient: Array, block: Array) -> Array:
        part = block[self.ks, ...][None, ...]
        return self._over(coefficient, part) * part

    def _identity(self, amount: Array) -> Array:
        """amount (B,) times I, to be added in the storage of this kind."""
        p = self.parameters
        spread = self._over(amount, p.cov00[None, ...])
        return spread * p.eye if p.kind == "full" else spread


@dataclass(frozen=True, eq=False)
class Moments:
    """Component moments at one time: mean, mean_dot (K, D); cov, cov_dot, cross in the storage `kind`.

    cross is A = Cov(x_dot, x_t), cov_dot = A + A^T. mean_dot, cov_dot and cross raise FieldUndefinedError
    where they are infinite.
    """

    kind: str
    mean: Array
    mean_dot: Array
    cov: Array
    cov_dot: Array
    cross: Array


def moments_at(components: InterpolantComponents) -> Moments:
    """The moments of components at their first time, broadcast to every component."""
    xp, kind = array_namespace(components.mean), components.parameters.kind
    first = {
        name: xp.broadcast_to(getattr(components, name), shape)[0, ...]
        for names, shape in (
            (("mean", "mean_dot"), components.mean0.shape),
            (("covariance", "cross"), components.parameters.cov00[None, ...].shape),
        )
        for name in names
    }
    cross = first["cross"]
    cov_dot = cross + transpose(cross, kind)
    return Moments(kind, first["mean"], first["mean_dot"], first["covariance"], cov_dot, cross)
