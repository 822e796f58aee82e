"""Schedules alpha, beta, gamma^2 of x_t = alpha x0 + beta x1 + gamma z, and the products that stay finite.

Albergo, Boffi, Vanden-Eijnden, arXiv:2303.08797, Section 4 and Table 8 (linear, trigonometric,
encoding-decoding), Section 3.2 (one-sided), Section 3.4 (mirror).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from analytic import schedule_paths as paths
from analytic.arrays import Array, namespace, to_numpy
from analytic.errors import FieldUndefinedError
from analytic.schedule_custom import HostFunctions, check_consistency


class Coefficients(NamedTuple):
    """Schedule values at one time (floats) or at N times (arrays (N,)).

    gamma_dot alone is never formed: for the Brownian latent it is infinite at both ends, while
    gamma_gamma_dot is finite. alpha_dot and alpha_dot_beta are -inf at t = 1 for the
    variance-preserving schedule, whose alpha_alpha_dot = -t is finite. one_minus_alpha and
    one_minus_beta are computed without cancellation.
    """

    alpha: Any
    beta: Any
    gamma2: Any
    alpha_dot: Any
    beta_dot: Any
    alpha_alpha_dot: Any
    beta_beta_dot: Any
    gamma_gamma_dot: Any
    alpha_dot_beta: Any
    beta_dot_alpha: Any
    one_minus_alpha: Any
    one_minus_beta: Any

    @property
    def gamma(self) -> Any:
        """gamma = sqrt(gamma2) >= 0."""
        if isinstance(self.gamma2, float):
            return self.gamma2**0.5
        return array_namespace(self.gamma2).sqrt(self.gamma2)


@dataclass(frozen=True, eq=False)
class Schedule:
    """A schedule on t in [0, 1]: alpha falls 1 -> 0, beta rises 0 -> 1, gamma vanishes at both ends.

    `scale` multiplies gamma^2, so the Brownian latent is gamma^2 = scale t (1 - t). `one_sided` means
    gamma = 0 and a standard normal base that takes the part of the latent z.
    Build one with the named constructors; `at(t)` evaluates it.
    """

    name: str
    latent: str
    scale: float
    one_sided: bool
    path: Callable[[Any, Array], dict[str, Array]]
    noise: Callable[[Any, Array], tuple[Array, Array]]

    def at(self, t: Any) -> Coefficients:
        """Coefficients at t, a float or (N,) array in [0, 1]; the answer is float64, in t's library.

        Relative accuracy is a few ulp of every coefficient down to t = 1e-12 and 1 - t = 1e-12.
        Raises FieldUndefinedError (a ValueError) where t is outside [0, 1] or not finite.
        """
        scalar = isinstance(t, (int, float, np.number)) or getattr(t, "ndim", None) == 0
        if scalar:
            t = np.asarray([float(t)], dtype=np.float64)
        xp = namespace(t, "t")
        if t.ndim != 1:
            raise ValueError(f"t: expected a float or shape (N,), got shape {tuple(t.shape)}")
        t = xp.astype(t, xp.float64, copy=False)
        if not bool(xp.all((t >= 0.0) & (t <= 1.0))):
            host = to_numpy(t)
            worst = float(host[~((host >= 0.0) & (host <= 1.0))][0])
            raise FieldUndefinedError(f"t: the interpolant exists for 0 <= t <= 1 only, got {worst!r}")
        values = self.path(xp, t)
        gamma2, gamma_gamma_dot = self.noise(xp, t)
        values |= {"gamma2": self.scale * gamma2, "gamma_gamma_dot": self.scale * gamma_gamma_dot}
        if scalar:
            return Coefficients(**{key: float(value[0]) for key, value in values.items()})
        return Coefficients(**values)

    @classmethod
    def linear(cls, latent: str = "brownian", scale: float = 1.0) -> Schedule:
        """alpha = 1 - t, beta = t, with gamma^2 = scale * (t(1-t) | t^2(1-t)^2 | sin^4(pi t) | 0)."""
        return _with_latent("linear", paths.linear, latent, scale)

    @classmethod
    def trigonometric(cls, latent: str = "brownian", scale: float = 1.0) -> Schedule:
        """alpha = cos(pi t / 2), beta = sin(pi t / 2), latent as in `linear`."""
        return _with_latent("trigonometric", paths.trigonometric, latent, scale)

    @classmethod
    def encoding_decoding(cls) -> Schedule:
        """alpha = cos^2(pi t) for t < 1/2, beta = cos^2(pi t) for t > 1/2, gamma = sin^2(pi t)."""
        return _with_latent("encoding_decoding", paths.encoding_decoding, "sine_squared", 1.0)

    @classmethod
    def one_sided_linear(cls) -> Schedule:
        """alpha = 1 - t, beta = t, gamma = 0, base N(0, I)."""
        return _with_latent("one_sided_linear", paths.linear, "none", 1.0, one_sided=True)

    @classmethod
    def one_sided_trigonometric(cls) -> Schedule:
        """alpha = cos(pi t / 2), beta = sin(pi t / 2), gamma = 0, base N(0, I)."""
        return _with_latent("one_sided_trigonometric", paths.trigonometric, "none", 1.0, one_sided=True)

    @classmethod
    def variance_preserving(cls) -> Schedule:
        """alpha = sqrt(1 - t^2), beta = t, gamma = 0, base N(0, I); alpha_dot = -inf at t = 1."""
        return _with_latent("variance_preserving", paths.variance_preserving, "none", 1.0, one_sided=True)

    @classmethod
    def mirror(cls, latent: str = "brownian", scale: float = 1.0) -> Schedule:
        """x_t = x0 + gamma z for x0 = x1: alpha = 1 - t, beta = t, so alpha + beta = 1."""
        return _with_latent("mirror", paths.linear, latent, scale)

    @classmethod
    def custom(
        cls,
        alpha: Callable[[np.ndarray], np.ndarray],
        alpha_dot: Callable[[np.ndarray], np.ndarray],
        beta: Callable[[np.ndarray], np.ndarray],
        beta_dot: Callable[[np.ndarray], np.ndarray],
        gamma2: Callable[[np.ndarray], np.ndarray],
        gamma2_dot: Callable[[np.ndarray], np.ndarray],
        *,
        alpha_alpha_dot: Callable[[np.ndarray], np.ndarray] | None = None,
        one_sided: bool = False,
        name: str = "custom",
    ) -> Schedule:
        """A schedule from your own callables, each t (N,) NumPy float64 -> (N,).

        gamma enters as gamma^2 and its derivative, which are finite where gamma_dot is not. Where
        alpha_dot is infinite give the finite product `alpha_alpha_dot` too. Checked here: the boundary
        values, gamma^2 >= 0, and every derivative against an eighth-order difference of its function;
        ValueError says which callable is wrong, where and by how much. Not differentiable in t.
        """
        functions = HostFunctions(alpha, alpha_dot, beta, beta_dot, gamma2, gamma2_dot, alpha_alpha_dot)
        check_consistency(functions, one_sided)
        return cls(name, "custom", 1.0, one_sided, functions.path, functions.noise)


def _with_latent(name: str, path: Callable[..., Any], latent: str, scale: float, one_sided: bool = False) -> Schedule:
    if latent not in paths.LATENTS:
        raise ValueError(f"latent: expected one of {sorted(paths.LATENTS)}, got {latent!r}")
    if not (isinstance(scale, (int, float)) and np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale: expected a positive finite number, got {scale!r}")
    return Schedule(name, latent, float(scale), one_sided, path, paths.LATENTS[latent])
