"""A reference flow where no closed form exists: two unrelated integrators of high order that must agree.

One is the Runge-Kutta pair DOP853 of SciPy (order 8), the other Gragg's extrapolated midpoint rule (order 16)
written here from Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.9. They share no
coefficients, so their disagreement bounds the error of both unless both err alike at one point by accident. That
was seen (1.3e-12 and 1.4e-12 of one sign under a tolerance of 1e-11), so the stated error is also no less than a
multiple of the tolerance: each of some tens of steps may commit as much.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

Array = NDArray[np.floating[Any]]
Rhs = Callable[[float, Array], Array]  # (t, y (N, F)) -> (N, F)
_EPS = float(np.finfo(np.float64).eps)
_COLUMNS = 8
_STEPS = 16.0


@dataclass(frozen=True, eq=False)
class NumericalFlow:
    """The probability flow of an `Interpolant`, integrated twice; raises where the two do not agree.

    error_bound: the largest error, relative to max(1, |X_t|), with which an answer is given at all. tolerance: the
    local one of both integrators, relative. breaks: times at which a derivative of b jumps; no step crosses one.
    """

    interpolant: Any
    error_bound: float = 1e-9
    tolerance: float = 1e-13
    breaks: tuple[float, ...] = ()
    exact: bool = False

    def __call__(self, x: Array, s: float, t: float) -> Array:
        """X_t (N, D) for X_s = x (N, D); ArithmeticError where the integrators disagree by more than error_bound."""
        return self._solve(self._velocity, np.asarray(x, dtype=np.float64), s, t)[0]

    def error(self, x: Array, s: float, t: float) -> Array:
        """The bound on |computed − exact| (N,): twice the disagreement, plus 16 tolerances and rounding."""
        return self._solve(self._velocity, np.asarray(x, dtype=np.float64), s, t)[1]

    def log_det(self, x: Array, s: float, t: float) -> Array:
        """log |det dX_t/dx| = ∫_s^t ∇·b(u, X_u) du, (N,)."""
        x = np.asarray(x, dtype=np.float64)

        def rhs(u: float, y: Array) -> Array:
            here = np.ascontiguousarray(y[:, :-1])
            return np.concatenate([self._velocity(u, here), self.interpolant.divergence(u, here)[:, None]], axis=1)

        return self._solve(rhs, np.concatenate([x, np.zeros((len(x), 1))], axis=1), s, t)[0][:, -1]

    def jacobian(self, x: Array, s: float, t: float) -> Array:
        """dX_t/dx (N, D, D) from the variational equation J' = ∇b J."""
        x = np.asarray(x, dtype=np.float64)
        n, dim = x.shape

        def rhs(u: float, y: Array) -> Array:
            here = np.ascontiguousarray(y[:, :dim])
            growth = self.interpolant.velocity_jacobian(u, here) @ y[:, dim:].reshape(n, dim, dim)
            return np.concatenate([self._velocity(u, here), growth.reshape(n, -1)], axis=1)

        start = np.concatenate([x, np.tile(np.eye(dim).reshape(1, -1), (n, 1))], axis=1)
        return self._solve(rhs, start, s, t)[0][:, dim:].reshape(n, dim, dim)

    def _velocity(self, t: float, x: Array) -> Array:
        return self.interpolant.velocity(t, x)

    def _solve(self, rhs: Rhs, y0: Array, s: float, t: float) -> tuple[Array, Array]:
        if s == t:
            return y0.copy(), np.zeros(len(y0))
        inside = sorted((u for u in self.breaks if min(s, t) < u < max(s, t)), reverse=t < s)
        stops = [s, *inside, t]
        first = second = y0
        for start, end in itertools.pairwise(stops):
            first = dop853(rhs, first, start, end, self.tolerance)
            second = extrapolated_midpoint(rhs, second, start, end, self.tolerance)
        size = np.linalg.norm(second, axis=1)
        # Rounding: the state is re-rounded a few hundred times along the path.
        error = 2.0 * np.linalg.norm(first - second, axis=1) + 64.0 * _EPS * size
        error += _STEPS * self.tolerance * np.maximum(1.0, size)
        worst = float(np.max(error / np.maximum(1.0, size), initial=0.0))
        if not worst <= self.error_bound:
            raise ArithmeticError(
                f"the two reference integrators differ by {worst:.3g} (relative) from t = {s:.6g} to {t:.6g}; "
                f"allowed {self.error_bound:.3g}"
            )
        return second, error


def dop853(rhs: Rhs, y0: Array, s: float, t: float, tolerance: float) -> Array:
    """SciPy's DOP853 from s to t on a batch y0 (N, F); the local error of every row is held to `tolerance`."""
    shape = y0.shape
    # SciPy controls a root mean square over all entries; one bad row among N must not hide in it.
    tight = max(tolerance / np.sqrt(max(1, y0.size)), 2.3e-14)
    answer = solve_ivp(
        lambda u, y: rhs(float(u), y.reshape(shape)).reshape(-1),
        (s, t),
        y0.reshape(-1),
        method="DOP853",
        rtol=tight,
        atol=tight,
        t_eval=[t],
    )
    if not answer.success:
        raise ArithmeticError(f"DOP853 failed between t = {s:.6g} and {t:.6g}: {answer.message}")
    return answer.y[:, -1].reshape(shape)


def extrapolated_midpoint(rhs: Rhs, y0: Array, s: float, t: float, tolerance: float, max_steps: int = 20_000) -> Array:
    """Gragg's rule with 2, 4, ..., 16 substeps, extrapolated to order 16, with step-size control on every row."""
    y, u, h = y0.copy(), s, (t - s) / 16.0
    for _ in range(max_steps):
        if (t - u) * np.sign(t - s) <= 0.0:
            return y
        last = abs(h) >= abs(t - u)
        h = t - u if last else h
        fresh, difference = _extrapolate(rhs, u, y, h)
        size = np.maximum(1.0, np.max(np.abs(y), axis=1))
        ratio = float(np.max(np.max(np.abs(difference), axis=1) / size, initial=0.0)) / tolerance
        if not np.isfinite(ratio):
            h *= 0.1
            continue
        if ratio <= 1.0:
            y, u = fresh, (t if last else u + h)
        h *= float(np.clip(0.9 * max(ratio, 1e-12) ** (-1.0 / (2 * _COLUMNS - 1)), 0.2, 2.0))
    raise ArithmeticError(f"the extrapolated midpoint rule needs more than {max_steps} steps from {s:.6g} to {t:.6g}")


def _extrapolate(rhs: Rhs, u: float, y: Array, h: float) -> tuple[Array, Array]:
    start = rhs(u, y)
    rows: list[Array] = []
    for j in range(1, _COLUMNS + 1):
        n = 2 * j
        step = h / n
        before, now = y, y + step * start
        for i in range(1, n):
            before, now = now, before + 2.0 * step * rhs(u + i * step, now)
        # Gragg's smoothing step keeps the error expansion in even powers at the end point.
        fresh: list[Array] = [0.5 * (before + now + step * rhs(u + h, now))]
        for k in range(1, j):
            fresh.append(fresh[k - 1] + (fresh[k - 1] - rows[k - 1]) / ((j / (j - k)) ** 2 - 1.0))
        rows = fresh
    return rows[-1], rows[-1] - rows[-2]
