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
from analytic.errors import FieldUndefinedError
from analytic.gains import Gain, split
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
    shared: tuple[bool, bool, bool]  # whether C00, C11, C01 are the same in every component

    @property
    def dim(self) -> int:
        return self.mean0.shape[1]


def over(coefficient: Array, like: Array) -> Array:
    """A coefficient (B,) with trailing axes to multiply `like`, which has B or one as its first."""
    return array_namespace(coefficient).reshape(coefficient, (-1,) + (1,) * (like.ndim - 1))


def mean_of(c: Coefficients, mean0: Array, mean1: Array, tied: bool) -> Array:
    """alpha m0 + beta m1 for means (1 or B, ..., D)."""
    if tied:
        return over(c.alpha + c.beta, mean0) * mean0
    return over(c.alpha, mean0) * mean0 + over(c.beta, mean1) * mean1


def anchored(c: Coefficients, mean0: Array, mean1: Array, tied: bool) -> tuple[Array, Array]:
    """(anchor, anchor - m), so that x - m = (x - anchor) + offset, for means (1 or B, ..., D).

    The anchor is the endpoint's mean whose coefficient is nearer one, or 0: x - anchor then loses nothing
    where x has come close to it, and the offset has 1 - alpha or 1 - beta where that is the small number.
    """
    xp = array_namespace(mean0)
    if tied:
        return mean0, over(1.0 - (c.alpha + c.beta), mean0) * mean0
    use1 = c.beta > 0.5
    use0 = xp.logical_and(c.alpha > 0.5, xp.logical_not(use1))
    anchor = over(xp.astype(use0, xp.float64), mean0) * mean0 + over(xp.astype(use1, xp.float64), mean1) * mean1
    offset = (
        over(xp.where(use0, c.one_minus_alpha, -c.alpha), mean0) * mean0
        + over(xp.where(use1, c.one_minus_beta, -c.beta), mean1) * mean1
    )
    return anchor, offset


@dataclass(frozen=True, eq=False)
class InterpolantComponents:
    """Components `ks` at B times; each moment is formed when first asked for. Coefficients are (B,)."""

    parameters: Parameters
    coefficients: Coefficients
    times: Array
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
    def anchor(self) -> Array:
        """m0, m1 or 0 exactly; see `anchored`."""
        return self._anchored[0]

    @cached_property
    def offset(self) -> Array:
        """anchor - m; see `anchored`."""
        return self._anchored[1]

    @cached_property
    def _anchored(self) -> tuple[Array, Array]:
        return anchored(self.coefficients, self.mean0, self.mean1, self.parameters.tied)

    @cached_property
    def mean(self) -> Array:
        return mean_of(self.coefficients, self.mean0, self.mean1, self.parameters.tied)

    @cached_property
    def mean_dot(self) -> Array:
        p = self.parameters
        beta_dot = self._finite("beta_dot")
        if p.tied:
            return over(self._finite("alpha_dot") + beta_dot, self.mean0) * self.mean0
        second = over(beta_dot, self.mean1) * self.mean1
        return second if p.base_centred else over(self._finite("alpha_dot"), self.mean0) * self.mean0 + second

    @cached_property
    def covariance(self) -> Array:
        return self._covariance((True, True, True)) + self._identity(self.coefficients.gamma2)

    @cached_property
    def common_covariance(self) -> Array:
        """The part of C that every component shares, gamma^2 I among it; one component wide, or as C."""
        return self._covariance(self.parameters.shared) + self._identity(self.coefficients.gamma2)

    @cached_property
    def own_covariance(self) -> Array:
        """The part of C that differs from component to component: C - common_covariance."""
        shared = self.parameters.shared
        return self._covariance((not shared[0], not shared[1], not shared[2]))

    def _covariance(self, wanted: tuple[bool, bool, bool]) -> Array:
        """The wanted ones of alpha^2 C00 + beta^2 C11 + alpha beta (C01 + C10)."""
        c, p = self.coefficients, self.parameters
        total = 0.0 * self._scaled(c.alpha, p.cov00)
        if p.tied:
            return self._scaled((c.alpha + c.beta) ** 2, p.cov00) if wanted[0] else total
        if wanted[0]:
            total = total + self._scaled(c.alpha**2, p.cov00)
        if wanted[1]:
            total = total + self._scaled(c.beta**2, p.cov11)
        if wanted[2] and not p.uncorrelated:
            cross = self._scaled(c.alpha * c.beta, p.cov01)
            total = total + (cross + transpose(cross, p.kind))
        return total

    @cached_property
    def endpoint_cross(self) -> Array:
        """Cov(alpha_dot x0 + beta_dot x1, x) = A - gg' I."""
        c, p = self.coefficients, self.parameters
        if p.tied:
            rate = self._finite("alpha_dot") + self._finite("beta_dot")
            return self._scaled((c.alpha + c.beta) * rate, p.cov00)
        own = self._scaled(self._finite("alpha_alpha_dot"), p.cov00)
        own = own + self._scaled(self._finite("beta_beta_dot"), p.cov11)
        if p.uncorrelated:
            return own
        return (
            own
            + self._scaled(self._finite("alpha_dot_beta"), p.cov01)
            + transpose(self._scaled(self._finite("beta_dot_alpha"), p.cov01), p.kind)
        )

    @cached_property
    def cross(self) -> Array:
        """A = Cov(x_dot, x)."""
        return self.endpoint_cross + self._identity(self._finite("gamma_gamma_dot"))

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
    def base_split(self) -> Gain:
        """Cov(x0, x), split."""
        c = self.coefficients
        one, zero = self._xp.ones_like(c.alpha), self._xp.zeros_like(c.alpha)
        return self._split(self.base_gain, (None, self.target_gain), (one, zero))

    @cached_property
    def target_split(self) -> Gain:
        """Cov(x1, x), split."""
        c = self.coefficients
        one, zero = self._xp.ones_like(c.alpha), self._xp.zeros_like(c.alpha)
        return self._split(self.target_gain, (self.base_gain, None), (zero, one))

    @cached_property
    def cross_split(self) -> Gain:
        """A = Cov(x_dot, x), split."""
        c = self.coefficients
        return self._split(self.cross, (self.base_gain, self.target_gain), (c.alpha_dot, c.beta_dot), c.gamma_gamma_dot)

    @cached_property
    def endpoint_split(self) -> Gain:
        """Cov(alpha_dot x0 + beta_dot x1, x), split."""
        c = self.coefficients
        return self._split(self.endpoint_cross, (self.base_gain, self.target_gain), (c.alpha_dot, c.beta_dot))

    def _split(
        self, direct: Array, gains: tuple[Array | None, Array | None], rates: tuple[Array, Array], noise: Any = 0.0
    ) -> Gain:
        """`direct` = r0 G0 + r1 G1 + noise I for `rates` (r0, r1) and `gains` (G0, G1)."""
        p = self.parameters
        if p.kind != "full":
            return Gain(None, direct)
        return split(self.coefficients, direct, gains, rates, noise, p.eye, p.tied)

    @cached_property
    def slope_ratio(self) -> Array:
        """A C^-1."""
        gain = self.cross_split
        ratio = self.factor.ratio(gain.rest)
        return ratio if gain.share is None else ratio + gain.share[:, :, None, None] * self.parameters.eye

    @cached_property
    def inverse(self) -> Array:
        """C^-1, for the Hessian of log rho only; solves never use it."""
        xp, p = self._xp, self.parameters
        eye = p.eye[None, None, ...] if p.kind == "full" else xp.ones_like(self.covariance)
        return self.factor.ratio(xp.broadcast_to(eye, self.covariance.shape))

    @property
    def _when(self) -> str:
        return f"t = {float(self.times[0])!r}" if self.times.shape[0] == 1 else "one of the times t"

    @property
    def _xp(self) -> Any:
        return array_namespace(self.parameters.mean0)

    def _finite(self, name: str) -> Array:
        """A coefficient that a velocity needs; FieldUndefinedError where it is infinite."""
        value = getattr(self.coefficients, name)
        if not bool(self._xp.all(self._xp.isfinite(value))):
            raise FieldUndefinedError(
                f"t: the velocity does not exist at {self._when}: the schedule's {name} is not finite there"
            )
        return value

    def _scaled(self, coefficient: Array, block: Array) -> Array:
        part = block[self.ks, ...][None, ...]
        return over(coefficient, part) * part

    def _identity(self, amount: Array) -> Array:
        """amount (B,) times I, to be added in the storage of this kind."""
        p = self.parameters
        spread = over(amount, p.cov00[None, ...])
        return spread * p.eye if p.kind == "full" else spread
