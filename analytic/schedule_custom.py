"""A user's own schedule: evaluation on the host, and the check that its functions agree with each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import device

from analytic.arrays import Array, to_numpy

Function = Callable[[np.ndarray], np.ndarray]

# Central differences of order 8: weights of f(t + j h) - f(t - j h), j = 1..4.
STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class HostFunctions:
    """Callables t (N,) float64 NumPy -> (N,), lifted to any library by a trip through the host."""

    alpha: Function
    alpha_dot: Function
    beta: Function
    beta_dot: Function
    gamma2: Function
    gamma2_dot: Function
    alpha_alpha_dot: Function | None = None

    def values(self, name: str, t: np.ndarray) -> np.ndarray:
        """The callable `name` at t as float64 (N,); ValueError where it gives another shape."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value = np.asarray(getattr(self, name)(t), dtype=np.float64)
        if value.shape not in ((), t.shape):
            raise ValueError(f"{name}: expected shape {t.shape} or a number for t of that shape, got {value.shape}")
        return np.broadcast_to(value, t.shape)

    def path(self, xp: Any, t: Array) -> dict[str, Array]:
        """alpha, beta, derivatives and products in the library of t."""
        host = np.asarray(to_numpy(t), dtype=np.float64)
        v = {k: self.values(k, host) for k in ("alpha", "alpha_dot", "beta", "beta_dot")}
        with np.errstate(invalid="ignore"):
            v["alpha_alpha_dot"] = (
                v["alpha"] * v["alpha_dot"] if self.alpha_alpha_dot is None else self.values("alpha_alpha_dot", host)
            )
            v["beta_beta_dot"] = v["beta"] * v["beta_dot"]
            v["alpha_dot_beta"] = v["alpha_dot"] * v["beta"]
            v["beta_dot_alpha"] = v["beta_dot"] * v["alpha"]
        v["one_minus_alpha"], v["one_minus_beta"] = 1.0 - v["alpha"], 1.0 - v["beta"]
        return {k: _lift(xp, a, t) for k, a in v.items()}

    def noise(self, xp: Any, t: Array) -> tuple[Array, Array]:
        """(gamma^2, gamma gamma_dot = (gamma^2)_dot / 2) in the library of t."""
        host = np.asarray(to_numpy(t), dtype=np.float64)
        return (
            _lift(xp, self.values("gamma2", host), t),
            _lift(xp, 0.5 * self.values("gamma2_dot", host), t),
        )


def _lift(xp: Any, value: np.ndarray, t: Array) -> Array:
    return xp.asarray(np.array(value), dtype=xp.float64, device=device(t))


def check_consistency(functions: HostFunctions, one_sided: bool) -> None:
    """Raise ValueError where boundary values, signs or derivatives contradict each other.

    Derivatives: an eighth-order central difference at 61 interior times, for two steps. Its own error is
    bounded by the difference of the two (truncation) plus c eps max|f| / h (rounding), so a kink or a
    steep end widens the band there instead of raising a false alarm.
    """
    ends = np.array([0.0, 1.0])
    for name, wanted in (("alpha", (1.0, 0.0)), ("beta", (0.0, 1.0)), ("gamma2", (0.0, 0.0))):
        got = functions.values(name, ends)
        for t, have, want in zip(ends, got, wanted, strict=True):
            # The end values come from a handful of rounded operations on numbers of order one.
            if not abs(have - want) <= 16 * EPS:
                raise ValueError(f"{name}: expected {name}({t:g}) = {want:g}, got {have:.17g}")
    t = np.linspace(0.0, 1.0, 63)[1:-1]
    gamma2 = functions.values("gamma2", t)
    if not np.all(gamma2 >= 0.0):
        worst = int(np.argmin(np.where(np.isnan(gamma2), -np.inf, gamma2)))
        raise ValueError(f"gamma2: expected gamma2 >= 0, got {gamma2[worst]:.6g} at t = {t[worst]:.6g}")
    if one_sided and np.any(gamma2 != 0.0):
        raise ValueError("gamma2: a one-sided schedule has gamma2 = 0 throughout; its base is the noise")
    for name in ("alpha", "beta", "gamma2"):
        _check_derivative(functions, name, t)
    if functions.alpha_alpha_dot is not None:
        product = functions.values("alpha", t) * functions.values("alpha_dot", t)
        given = functions.values("alpha_alpha_dot", t)
        _reject(np.abs(given - product), 16 * EPS * (1 + np.abs(product)), "alpha_alpha_dot", t, given, product)


def _check_derivative(functions: HostFunctions, name: str, t: np.ndarray) -> None:
    given = functions.values(f"{name}_dot", t)
    step = np.minimum(0.01, np.minimum(t, 1.0 - t) / 8.0)
    coarse, fine = (_difference(functions, name, t, h) for h in (step, step / 2))
    largest = max(1.0, float(np.max(np.abs(functions.values(name, t)))))
    # 64 covers the stencil's weights and a function accurate to a few ulp; the last term is `given`'s own.
    band = 4 * np.abs(coarse - fine) + 64 * EPS * (largest / step + np.abs(given))
    _reject(np.abs(given - fine), band, f"{name}_dot", t, given, fine)


def _difference(functions: HostFunctions, name: str, t: np.ndarray, h: np.ndarray) -> np.ndarray:
    total = np.zeros_like(t)
    for j, weight in enumerate(STENCIL, start=1):
        total += weight * (functions.values(name, t + j * h) - functions.values(name, t - j * h))
    return total / h


def _reject(
    error: np.ndarray, band: np.ndarray, name: str, t: np.ndarray, given: np.ndarray, wanted: np.ndarray
) -> None:
    bad = ~(error <= band)
    if np.any(bad):
        i = int(np.argmax(np.where(np.isnan(error), np.inf, error - band)))
        raise ValueError(
            f"{name}: inconsistent with its function at t = {t[i]:.6g}: it returns {given[i]:.12g}, a "
            f"finite difference of the function gives {wanted[i]:.12g} (numerical error below {band[i]:.1e})"
        )
