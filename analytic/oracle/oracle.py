"""The front door: any field of an interpolant at (t, x), limits at the ends included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analytic.oracle.arithmetic import Arithmetic, fastest
from analytic.oracle.fields import SCALAR_FIELDS, VECTOR_FIELDS, Point
from analytic.oracle.law import JointMixture, SingularLawError
from analytic.oracle.path import Path

FIELDS = (*SCALAR_FIELDS, *VECTOR_FIELDS, "velocity_jacobian")


@dataclass(frozen=True)
class Oracle:
    """Reference values of one interpolant: x_t = α x0 + β x1 + γ z with (x0, x1) from `mixture`.

    mixture: JointMixture; path: Path; arithmetic: Arithmetic, by default the fastest there is.
    Values are numbers of the arithmetic; their precision holds inside `arithmetic.session()`.
    """

    mixture: JointMixture
    path: Path
    arithmetic: Arithmetic = field(default_factory=fastest)

    def at(self, t: float, x: Sequence[float]) -> tuple[Arithmetic, Point]:
        """The point (t, x) and the arithmetic it lives in; enter its session to use it.

        t in [0, 1] and x (D,) are exact. At an end the point lies 10^(−0.9·digits) inside, with twice the
        digits: the distance to the limit is O(√) of that, and a limit that does not exist shows in `undefined`.
        """
        if not 0.0 <= t <= 1.0:
            raise ValueError(f"t: expected a time in [0, 1], got {t!r}")
        if len(x) != self.mixture.dim:
            raise ValueError(f"x: expected {self.mixture.dim} coordinates, got {len(x)}")
        if 0.0 < t < 1.0:
            return self._point(self.arithmetic, t, x, 0)
        deep = 9 * self.arithmetic.digits // 10  # the root of 10^−deep, which α of √(1−t²) is, stays below 10^−60
        return self._point(self.arithmetic.with_digits(2 * self.arithmetic.digits), t, x, deep)

    def _point(self, a: Arithmetic, t: float, x: Sequence[float], inside: int) -> tuple[Arithmetic, Point]:
        with a.session():
            time = a.number(t)
            if inside:
                gap = a.number(10) ** -inside
                time = gap if t == 0.0 else 1 - gap
            return a, Point(a, self.mixture, self.path, time, [a.number(float(v)) for v in x])

    def field(self, name: str, t: float, x: Sequence[float]) -> list[float]:
        """The field rounded to float64: 1, D or (Jacobian, row i = ∇b_i) D·D numbers."""
        a, point = self.at(t, x)
        with a.session():
            return [float(v) for v in evaluate(point, name)]

    def text(self, name: str, t: float, x: Sequence[float], digits: int = 30) -> list[str]:
        """The field as decimal strings with `digits` digits."""
        a, point = self.at(t, x)
        with a.session():
            return [a.text(v, digits) for v in evaluate(point, name)]

    def doubtful(self, t: float) -> bool:
        """Whether some field may fail to exist at t, so that `undefined` is worth asking: ends, and γ(t) = 0."""
        a = self.arithmetic
        with a.session():
            return not 0.0 < t < 1.0 or not self.path.at(a, a.number(t))[2] > 0

    def undefined(self, name: str, t: float, x: Sequence[float]) -> str | None:
        """Why the field does not exist at (t, x), or None where it does."""
        return self.reasons((name,), t, x)[name]

    def reasons(self, names: Sequence[str], t: float, x: Sequence[float]) -> dict[str, str | None]:
        """For each field why it does not exist at (t, x), or None where it does.

        It does not where the law of x_t has no density, where it is the mean of z and γ(t) = 0 (z is then no part
        of x_t), and where it has no limit from inside: two distances to the end must agree.
        """
        a = self.arithmetic
        with a.session():
            nothing = a.number(10) ** -(a.digits // 2)  # cos(π/2) is 10^−digits in any arithmetic; here it is 0
            left = tuple(v if v > nothing else 0 * v for v in self.path.at(a, a.number(t)))
            try:
                Point(a, self.mixture, self.path, a.number(t), [a.number(float(v)) for v in x], left)
            except SingularLawError as error:
                return dict.fromkeys(names, str(error))
            found = {name: "gamma(t) = 0" if name == "denoiser" and not left[2] > 0 else None for name in names}
        if 0.0 < t < 1.0:
            return found
        digits = self.arithmetic.digits
        wide = self.arithmetic.with_digits(2 * digits)
        near, far = (self._point(wide, t, x, n)[1] for n in (digits // 2, digits // 4))
        u = [1.0 + i / 7 for i in range(self.mixture.dim)]  # any direction that no symmetry singles out
        with wide.session():
            # a limit leaves O(10^(−digits/8)) between the two; a singular product at least 10^(digits/8)
            tolerance = wide.number(10) ** -(digits // 20)
            for name in names:
                here, there = _sample(near, name, u), _sample(far, name, u)
                if found[name] is None and not abs(here - there) <= tolerance * (1 + abs(here)):
                    found[name] = "no limit from inside"
        return found


def _sample(point: Point, name: str, u: Sequence[float]) -> Any:
    """One number that tells whether the field converges; traces through one of their terms."""
    if name in VECTOR_FIELDS:
        return point.component(name, u)
    if name in ("divergence", "velocity_jacobian"):
        return point.jacobian(u, u)
    return point.hessian(u, u) if name == "laplacian_log_density" else evaluate(point, name)[0]


def evaluate(point: Point, name: str) -> list[Any]:
    """All components of the field at `point`, as numbers of its arithmetic."""
    if name in SCALAR_FIELDS:
        return [getattr(point, name)()]
    units = [point.unit(i) for i in range(point.dim)]
    if name in VECTOR_FIELDS:
        return [point.component(name, u) for u in units]
    if name == "velocity_jacobian":
        return [point.jacobian(u, v) for u in units for v in units]
    raise ValueError(f"name: expected one of {FIELDS}, got {name!r}")
