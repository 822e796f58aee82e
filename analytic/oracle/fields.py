"""Fields at one (t, x): numerical derivatives of the log density, plain and tilted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analytic.oracle.arithmetic import Arithmetic
from analytic.oracle.law import Blocks, Eliminated, JointMixture
from analytic.oracle.path import Path

Vector = Sequence[Any]

VECTOR_FIELDS = (
    "score",
    "velocity",
    "denoiser",
    "interpolant_velocity",
    "base_denoiser",
    "target_denoiser",
)
TRACE_FIELDS = ("divergence", "laplacian_log_density")
SCALAR_FIELDS = ("log_density", "dt_log_density", *TRACE_FIELDS)


@dataclass
class _Component:
    weight: Any
    mean0: list[Any]
    mean1: list[Any]
    blocks: Blocks
    law: Eliminated
    peak: Any  # w / √det(2πC)
    tilts: dict[Any, tuple[Any, Any]] = field(default_factory=dict)  # mean and variance of the tilting variable


class Point:
    """The interpolant's law around (t, x), with every derivative taken by central differences.

    Steps are relative to the law's own scale: 10^(−0.3·digits) for first derivatives, 10^(−digits/4) for
    second ones, so that truncation (step²) and rounding (10^−digits/step or /step²) both stay below
    10^(−digits/2) of that scale. Use inside `arithmetic.session()`.
    """

    def __init__(
        self,
        a: Arithmetic,
        mixture: JointMixture,
        path: Path,
        t: Any,
        x: Vector,
        left: Any = None,
        blocks: Sequence[Blocks] | None = None,
    ) -> None:
        self.a, self.mixture, self.path, self.t, self.x = a, mixture, path, t, list(x)
        self.first, self.second = a.number(10) ** -(3 * a.digits // 10), a.number(10) ** -(a.digits // 4)
        # Times: finer still, as at a kink (encoding-decoding, t = 1/2) the error is the step and not its square.
        self.instant = a.number(10) ** -min(3 * a.digits // 7, 60) * min(t, 1 - t)
        self.left = path.at(a, t) if left is None else left  # (α, β, γ)
        self.dim = mixture.dim
        self._rates: tuple[Any, Any, Any] | None = None
        self._directions: dict[tuple[Any, ...], Any] = {}
        self._steps: dict[Any, Any] = {}
        blocks = blocks or [Blocks.of(a, mixture, k) for k in range(mixture.n_components)]
        self.components = [self._component(k, block) for k, block in enumerate(blocks)]
        # e^shift is taken out of every term, for numbers whose exponent has a bound (MPFR's ends at e^-7e8).
        self.shift = min(c.law.product("x", "x") for c in self.components) / 2

    def _component(self, k: int, blocks: Blocks) -> _Component:
        a, mixture = self.a, self.mixture
        mean0, mean1 = ([a.number(float(v)) for v in m[k]] for m in (mixture.mean0, mixture.mean1))
        law = Eliminated.of(blocks.map_covariance(self.left), blocks.full)
        mean = [self.left[0] * p + self.left[1] * q for p, q in zip(mean0, mean1, strict=True)]
        law.add("x", [p - q for p, q in zip(self.x, mean, strict=True)])
        weight = a.number(float(mixture.weights[k]))
        peak = weight / a.sqrt((2 * a.pi()) ** self.dim * law.determinant())
        return _Component(weight, mean0, mean1, blocks, law, peak)

    # -- the law along chosen directions ------------------------------------------------------------------

    def _direction(self, u: Vector) -> Any:
        key = tuple(float(v) for v in u)
        if key not in self._directions:
            name = ("u", len(self._directions))
            numbers = [self.a.number(v) for v in key]
            for c in self.components:
                c.law.add(name, numbers)
            self._directions[key] = name
            self._steps[name] = 1 / self.a.sqrt(max(c.law.product(name, name) for c in self.components))
        return self._directions[key]

    def rates(self) -> tuple[Any, Any, Any]:
        """(α̇, β̇, γ̇)."""
        if self._rates is None:
            self._rates = self.path.rates(self.a, self.t, self.instant)
        return self._rates

    def _functional(self, name: str) -> tuple[Any, Any, Any]:
        """The (l0, l1, lz) of the variable whose conditional mean the field is."""
        zero, one = self.a.number(0), self.a.number(1)
        if name in ("velocity", "interpolant_velocity", "divergence", "velocity_jacobian"):
            rates = self.rates()
            return rates if name != "interpolant_velocity" else (*rates[:2], zero)
        table = {
            "base_denoiser": (one, zero, zero),
            "target_denoiser": (zero, one, zero),
            "denoiser": (zero, zero, one),
        }
        return table[name]

    def _tilt(self, name: str, u: Vector) -> Any:
        """Registers the variable y = uᵀ(l0 x0 + l1 x1 + lz z); returns its key."""
        functional = self._functional(name)
        kind = "velocity" if name in ("divergence", "velocity_jacobian") else name
        direction = self._direction(u)
        key = (kind, direction)
        if key not in self._steps:
            numbers = [self.a.number(float(v)) for v in u]
            scale = self.a.number(0)
            for c in self.components:
                cross = c.blocks.map_cross(self.left, functional, numbers, direction)
                own = c.blocks.map_cross(functional, functional, numbers, direction)
                mean = sum(
                    v * (functional[0] * p + functional[1] * q)
                    for v, p, q in zip(numbers, c.mean0, c.mean1, strict=True)
                )
                variance = sum(v * w for v, w in zip(numbers, own, strict=True))
                c.law.add(key, cross)
                c.tilts[key] = (mean, variance)
                scale = max(scale, abs(mean), self.a.sqrt(abs(variance)))
            self._steps[key] = 1 / scale if scale > 0 else self.a.number(1)
        return key

    def _log_tilted(self, moves: Sequence[tuple[Any, Any]], tilt: Any = None, amount: Any = 0) -> Any:
        """log Σ_k w_k ∫ e^{λy} N((x + Σ h u, y); joint law of component k) dy, λ = `amount`.

        An exponential tilt of a Gaussian moves its mean by λ Cov(·, y) and multiplies it by E[e^{λy}].
        """
        total = self.a.number(0)
        for c in self.components:
            terms = [("x", 1), *moves]
            exponent = self.a.number(0)
            if tilt is not None:
                mean, variance = c.tilts[tilt]
                exponent = amount * mean + amount * amount * variance / 2
                terms.append((tilt, -amount))
            square = self.a.number(0)
            for i, (p, hp) in enumerate(terms):
                square += hp * hp * c.law.product(p, p)
                for q, hq in terms[:i]:
                    square += 2 * hp * hq * c.law.product(p, q)
            total += c.peak * self.a.exp(self.shift + exponent - square / 2)
        return self.a.log(total) - self.shift

    # -- fields ------------------------------------------------------------------------------------------

    def log_density(self) -> Any:
        """log ρ(t, x)."""
        return self._log_tilted(())

    def component(self, name: str, u: Vector) -> Any:
        """uᵀ field for a field of VECTOR_FIELDS."""
        if name == "score":
            key = self._direction(u)
            h = self.first * self._steps[key]
            return (self._log_tilted([(key, h)]) - self._log_tilted([(key, -h)])) / (2 * h)
        key = self._tilt(name, u)
        h = self.first * self._steps[key]
        return (self._log_tilted((), key, h) - self._log_tilted((), key, -h)) / (2 * h)

    def jacobian(self, u: Vector, v: Vector) -> Any:
        """uᵀ (∇b) v, the derivative along v of the component of b along u."""
        key, move = self._tilt("velocity", u), self._direction(v)
        p, q = self.second * self._steps[key], self.second * self._steps[move]
        f = self._log_tilted
        return (
            f([(move, q)], key, p) - f([(move, -q)], key, p) - f([(move, q)], key, -p) + f([(move, -q)], key, -p)
        ) / (4 * p * q)

    def hessian(self, u: Vector, v: Vector) -> Any:
        """uᵀ (∇∇ log ρ) v."""
        left, right = self._direction(u), self._direction(v)
        p, q = self.second * self._steps[left], self.second * self._steps[right]
        f = self._log_tilted
        if left == right:
            return (f([(left, p)]) - 2 * f(()) + f([(left, -p)])) / (p * p)
        return (
            f([(left, p), (right, q)])
            - f([(left, -p), (right, q)])
            - f([(left, p), (right, -q)])
            + f([(left, -p), (right, -q)])
        ) / (4 * p * q)

    def unit(self, i: int) -> list[float]:
        """The i-th coordinate direction."""
        return [float(i == j) for j in range(self.dim)]

    def divergence(self) -> Any:
        """∇·b, summed over the coordinates."""
        return sum(self.jacobian(self.unit(i), self.unit(i)) for i in range(self.dim))

    def laplacian_log_density(self) -> Any:
        """∇·∇ log ρ."""
        return sum(self.hessian(self.unit(i), self.unit(i)) for i in range(self.dim))

    def dt_log_density(self) -> Any:
        """∂_t log ρ(t, x)."""
        h = self.instant
        blocks = [c.blocks for c in self.components]
        ahead, behind = (Point(self.a, self.mixture, self.path, self.t + s * h, self.x, blocks=blocks) for s in (1, -1))
        return (ahead.log_density() - behind.log_density()) / (2 * h)
