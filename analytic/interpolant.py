"""The stochastic interpolant x_t = alpha x0 + beta x1 + gamma z and its exact fields.

Albergo, Boffi, Vanden-Eijnden, arXiv:2303.08797: Definition 1 and Theorem 6 (velocity), Theorem 8 and
equation 2.14 (score, denoiser), Corollary 10 (drifts).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from array_api_compat import array_namespace, device

from analytic import fields
from analytic.arrays import Array, points, restore, transfer
from analytic.coupling import Coupling
from analytic.errors import FieldUndefinedError
from analytic.joint import JointSample, draw_joint
from analytic.law import LawInTime, Moments, moments_at, parameters_of, require_standard_base
from analytic.mixture import GaussianMixture
from analytic.moments import Parameters
from analytic.posterior import log_terms
from analytic.sampling import Seed
from analytic.schedule import Schedule
from analytic.times import is_scalar, over_times


@dataclass(frozen=True, eq=False)
class Interpolant:
    """x_t = alpha x0 + beta x1 + gamma z for a coupling of (x0, x1) and a schedule, z ~ N(0, I) independent.

    coupling: a Coupling, or a pair (base, target) of GaussianMixtures, taken as independent. A one-sided
    schedule needs a standard normal base with C01 = 0, a mirror schedule a coupling with x0 = x1.

    Every field takes t, a float or (N,) in [0, 1], and x (N, D) of any floating dtype in NumPy, torch or
    CuPy, and answers in the library, dtype and device of x after computing in float64; it is differentiable
    in x (and, in torch, in t). FieldUndefinedError says where and why a field does not exist: every one
    whose formula holds C_k^-1 where a component's C_k is singular (a point mass at its own end).
    `block_elements` bounds the size of temporaries: no (N, K, D) array is ever formed.
    """

    coupling: Coupling
    schedule: Schedule
    block_elements: int = field(default=250_000, kw_only=True, repr=False)
    _moved: dict[Any, Parameters] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        coupling = self.coupling
        if isinstance(coupling, (tuple, list)) and len(coupling) == 2:
            coupling = Coupling.independent(*coupling)
            object.__setattr__(self, "coupling", coupling)
        if not isinstance(coupling, Coupling):
            raise TypeError(f"coupling: expected a Coupling or a pair (base, target), got {type(coupling).__name__}")
        if not isinstance(self.schedule, Schedule):
            raise TypeError(f"schedule: expected a Schedule, got {type(self.schedule).__name__}")
        if self.schedule.one_sided:
            require_standard_base(coupling, self.schedule)
        if self.schedule.name == "mirror" and not coupling.tied:
            raise ValueError("coupling: a mirror schedule needs x0 = x1; build it with Coupling.mirror(law)")

    @property
    def dim(self) -> int:
        """D."""
        return self.coupling.dim

    def moments(self, t: float) -> Moments:
        """Component moments at one time t: mean, mean_dot (K, D); cov, cov_dot, cross A in the coupling's storage."""
        like = self.coupling.mean0
        return moments_at(self._at(self._one_time(t, like), like).components(slice(0, 1), slice(None)))

    def marginal(self, t: float) -> GaussianMixture:
        """The law of x_t: sum_k w_k N(m_k(t), C_k(t))."""
        moments = self.moments(t)
        return GaussianMixture(self.coupling.weights, moments.mean, moments.cov)

    def log_density(self, t: float | Array, x: Array) -> Array:
        """log rho(t, x), (N,)."""
        return self._field(t, x, fields.log_density)

    def score(self, t: float | Array, x: Array) -> Array:
        """s = grad log rho = sum_k r_k g_k, (N, D)."""
        return self._mean(t, x, fields.score)

    def velocity(self, t: float | Array, x: Array) -> Array:
        """b = E[x_dot | x_t = x] = sum_k r_k (m_dot_k - A_k g_k), (N, D)."""
        return self._mean(t, x, fields.velocity)

    def interpolant_velocity(self, t: float | Array, x: Array) -> Array:
        """v = E[alpha_dot x0 + beta_dot x1 | x_t = x] = b + gamma gamma_dot s, computed directly, (N, D)."""
        return self._mean(t, x, fields.interpolant_velocity)

    def base_denoiser(self, t: float | Array, x: Array) -> Array:
        """eta_0 = E[x0 | x_t = x], (N, D); the noise prediction of a one-sided schedule."""
        return self._mean(t, x, fields.base_denoiser)

    def target_denoiser(self, t: float | Array, x: Array) -> Array:
        """eta_1 = E[x1 | x_t = x], (N, D); the data prediction."""
        return self._mean(t, x, fields.target_denoiser)

    def denoiser(self, t: float | Array, x: Array) -> Array:
        """eta_z = E[z | x_t = x] = -gamma s, (N, D); FieldUndefinedError where gamma(t) = 0."""

        def evaluate(law: LawInTime, x64: Array, size: int) -> Array:
            xp, gamma = array_namespace(x64), law.coefficients.gamma
            if not bool(xp.all(gamma > 0.0)):
                reason = (
                    "a one-sided schedule has no latent z; its noise is x0: use base_denoiser"
                    if self.schedule.one_sided
                    else "gamma(t) = 0 there: x_t holds no latent z"
                )
                raise FieldUndefinedError(f"t: the denoiser E[z | x] does not exist; {reason}")
            return -gamma[:, None, None] * fields.means(law, x64, size, fields.score)[0]

        return self._field(t, x, evaluate)

    def divergence(self, t: float | Array, x: Array) -> Array:
        """div b, (N,), without forming the Jacobian."""
        return self._field(t, x, fields.divergence)

    def velocity_jacobian(self, t: float | Array, x: Array) -> Array:
        """d b_i / d x_j, (N, D, D)."""
        return self._field(t, x, fields.velocity_jacobian)

    def score_jacobian(self, t: float | Array, x: Array) -> Array:
        """Hessian of log rho, (N, D, D), symmetric."""
        return self._field(t, x, fields.score_jacobian)

    def laplacian_log_density(self, t: float | Array, x: Array) -> Array:
        """Laplacian of log rho = div s, (N,)."""
        return self._field(t, x, fields.laplacian)

    def dt_log_density(self, t: float | Array, x: Array) -> Array:
        """d/dt log rho(t, x) at fixed x, (N,)."""
        return self._field(t, x, fields.dt_log_density)

    def drift(
        self,
        t: float | Array,
        x: Array,
        epsilon: float | Array | Callable[[Any], Any],
        direction: str = "forward",
    ) -> Array:
        """b_F = b + epsilon s (forward) or b_B = b - epsilon s (backward), (N, D).

        epsilon >= 0 is a number, (N,) or a callable of t giving either; the SDE has sqrt(2 epsilon) dW.
        """
        if direction not in ("forward", "backward"):
            raise ValueError(f"direction: expected 'forward' or 'backward', got {direction!r}")
        xp, x64 = points(x, self.dim)
        amount: Any = epsilon(t) if callable(epsilon) else epsilon
        if not is_scalar(amount):
            if tuple(amount.shape) != (x.shape[0],):
                raise ValueError(f"epsilon: expected a number or shape ({x.shape[0]},), got {tuple(amount.shape)}")
            amount = transfer(amount, x64)[:, None]
        else:
            amount = xp.asarray(float(amount), dtype=xp.float64, device=device(x64))
        if not bool(xp.all(amount >= 0.0)):
            raise ValueError("epsilon: expected no negative (or NaN) diffusion")

        def evaluate(law: LawInTime, x_: Array, size: int) -> Array:
            return xp.concat(fields.means(law, x_, size, fields.velocity, fields.score), axis=-1)

        both = self._evaluate(t, x64, evaluate)
        b, s = both[:, : self.dim], both[:, self.dim :]
        return restore(b + amount * s if direction == "forward" else b - amount * s, x)

    def responsibilities(self, t: float | Array, x: Array) -> Array:
        """r_k(t, x), (N, K), materialised."""

        def evaluate(law: LawInTime, x64: Array, size: int) -> Array:
            xp, logs = array_namespace(x64), log_terms(law, x64)
            shares = xp.exp(logs - xp.max(logs, axis=1)[:, None, :])
            return xp.matrix_transpose(shares / xp.sum(shares, axis=1)[:, None, :])

        return self._field(t, x, evaluate)

    def sample(self, t: float | Array, n: int, seed: Seed) -> Array:
        """n draws of x_t, (n, D), float64, in the library of the coupling; t a float or (n,)."""
        return self.sample_joint(t, n, seed).x_t

    def sample_joint(self, t: float | Array, n: int, seed: Seed) -> JointSample:
        """n joint draws of (x0, x1, z, x_t), each (n, D)."""
        return draw_joint(self.coupling, self.schedule, t, n, seed)

    def _mean(self, t: float | Array, x: Array, per_component: fields.Field) -> Array:
        return self._field(t, x, lambda law, x64, size: fields.means(law, x64, size, per_component)[0])

    def _field(self, t: float | Array, x: Array, evaluate: Any) -> Array:
        _, x64 = points(x, self.dim)
        return restore(self._evaluate(t, x64, evaluate), x)

    def _evaluate(self, t: float | Array, x64: Array, evaluate: Any) -> Array:
        return over_times(t, x64, lambda times, xs: evaluate(self._at(times, xs), xs, self.block_elements))

    def _at(self, times: Array, like: Array) -> LawInTime:
        return LawInTime(self._parameters(like), self.schedule.at(times), times, self.coupling.n_components)

    def _one_time(self, t: float, like: Array) -> Array:
        if not is_scalar(t):
            raise TypeError(f"t: expected one time, got {type(t).__name__}")
        xp = array_namespace(like)
        return xp.asarray([float(t)], dtype=xp.float64, device=device(like))

    def _parameters(self, like: Array) -> Parameters:
        key = (array_namespace(like).__name__, str(device(like)))
        if key not in self._moved:
            self._moved[key] = parameters_of(self.coupling, like)
        return self._moved[key]
