"""The yardstick with one thing wrong: what the accuracy suite must turn down.

Each mutant patches the code under test in place (pytest's monkeypatch) and names the fields and the cases in which
the mistake can show at all; the suite must find it among those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analytic import covariance, moments, posterior, schedule, schedule_paths
from analytic.gains import Gain
from tests.cases import CaseSpec

Patch = Callable[[Any], None]


@dataclass(frozen=True)
class Mutant:
    """name: what is wrong; apply(monkeypatch); fields to look at; cases that reach the changed line."""

    name: str
    apply: Patch
    fields: tuple[str, ...]
    reaches: Callable[[CaseSpec], bool] = lambda spec: True


def _expanded_square(monkeypatch: Any) -> None:
    """(x − m)² as x² − 2xm + m²."""
    sound = posterior.see

    def see(components: Any, x: Any, times: slice, where: slice) -> Any:
        block = sound(components, x, times, where)
        mean = components.mean[:, :, None, :]
        at = x[:, None, :, :] + 0.0 * mean
        exact = covariance_square(components, block.residual)
        split = [covariance_square(components, v) for v in (at, mean + 0.0 * at)]
        cross = np.sum(at * components.factor.solve(mean + 0.0 * at)[1], axis=-1)
        return replace(block, log_term=block.log_term + 0.5 * exact - 0.5 * (split[0] - 2 * cross + split[1]))

    def covariance_square(components: Any, vectors: Any) -> Any:
        return components.factor.solve(vectors)[0]

    monkeypatch.setattr(posterior, "see", see)


def _explicit_inverse(monkeypatch: Any) -> None:
    """C⁻¹ formed and multiplied with, in place of triangular solves."""

    def solve(self: Any, delta: Any) -> Any:
        inverse = np.linalg.inv(self.lower @ np.swapaxes(self.lower, -1, -2))
        solved = delta @ inverse
        return np.sum(delta * solved, axis=-1), solved

    monkeypatch.setattr(covariance.FullFactor, "solve", solve)


def _cosine_at_its_zero(monkeypatch: Any) -> None:
    """α = cos(πt/2) near t = 1."""
    sound = schedule_paths.trigonometric

    def trigonometric(xp: Any, t: Any) -> dict[str, Any]:
        values = sound(xp, t)
        alpha = xp.abs(xp.cos(0.5 * np.pi * t))
        alpha_dot = values["alpha_dot"]
        return values | {"alpha": alpha, "alpha_alpha_dot": alpha * alpha_dot, "beta_dot": 0.5 * np.pi * alpha}

    monkeypatch.setattr(schedule_paths, "trigonometric", trigonometric)


def _one_minus_square(monkeypatch: Any) -> None:
    """α² = 1 − t² in place of (1 − t)(1 + t)."""
    sound = schedule_paths.variance_preserving

    def variance_preserving(xp: Any, t: Any) -> dict[str, Any]:
        values = sound(xp, t)
        alpha = xp.sqrt(xp.abs(1.0 - t * t))
        return values | {"alpha": alpha, "beta_dot_alpha": alpha}

    monkeypatch.setattr(schedule_paths, "variance_preserving", variance_preserving)


def _no_maximum(monkeypatch: Any) -> None:
    """Exponentiated before the maximum is taken away."""

    class _Flat:
        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        @staticmethod
        def max(array: Any, axis: int) -> Any:
            return np.zeros_like(np.max(array, axis=axis))

        @staticmethod
        def maximum(left: Any, right: Any) -> Any:
            return left

    sound = posterior._merge
    monkeypatch.setattr(posterior, "_merge", lambda xp, *rest: sound(_Flat(), *rest))


def _no_weights(monkeypatch: Any) -> None:
    """log w_k left out."""
    whole = moments.InterpolantComponents.log_weight.func
    monkeypatch.setattr(moments.InterpolantComponents, "log_weight", property(lambda self: 0.0 * whole(self)))


def _half_rate(monkeypatch: Any) -> None:
    """½ Ċ in place of A."""
    whole = moments.InterpolantComponents.cross.func

    def cross(self: Any) -> Any:
        value = whole(self)
        return 0.5 * (value + covariance.transpose(value, self.parameters.kind))

    monkeypatch.setattr(moments.InterpolantComponents, "cross", property(cross))
    monkeypatch.setattr(moments.InterpolantComponents, "cross_split", property(lambda self: Gain(None, self.cross)))


def _transposed_gain(monkeypatch: Any) -> None:
    """C01 for C10 in E[x1 | x]."""
    whole = moments.InterpolantComponents.target_gain.func

    def gain(self: Any) -> Any:
        return covariance.transpose(whole(self), self.parameters.kind)

    monkeypatch.setattr(moments.InterpolantComponents, "target_gain", property(gain))


def _whole_gain(monkeypatch: Any) -> None:
    """Gains that are nearly multiples of C pushed through the solve."""
    monkeypatch.setattr(moments, "split", lambda c, direct, *rest: Gain(None, direct))


def _single_time(monkeypatch: Any) -> None:
    """A float32 time grid."""
    sound = schedule.Schedule.at
    monkeypatch.setattr(schedule.Schedule, "at", lambda self, t: sound(self, np.float64(np.float32(t))))


def _single_solve(monkeypatch: Any) -> None:
    """A factor kept in single precision."""
    sound = covariance.cholesky
    monkeypatch.setattr(covariance, "cholesky", lambda c, what: sound(c, what).astype(np.float32).astype(np.float64))


def _silent_point_mass(monkeypatch: Any) -> None:
    """No error where the law is a point mass: infinities instead."""
    monkeypatch.setattr(covariance, "_positive", lambda variance, what: np.maximum(variance, 1e-300))


def _shy_at_the_end(monkeypatch: Any) -> None:
    """An error at t = 1 where the field exists."""
    sound = schedule.Schedule.at

    def at(self: Any, t: Any) -> Any:
        if np.any(np.asarray(t) >= 1.0):
            raise moments.FieldUndefinedError("t: no field at the end")
        return sound(self, t)

    monkeypatch.setattr(schedule.Schedule, "at", at)


def _far(spec: CaseSpec) -> bool:
    return spec.log_separation > 0 and spec.n_components > 1 and spec.kind != "full"


MUTANTS = (
    Mutant("|x|² − 2 x·m + |m|² logits", _expanded_square, ("log_density",), _far),
    Mutant("explicit inverse", _explicit_inverse, ("log_density", "score"), lambda s: s.kind == "full" and s.dim > 1),
    Mutant("cos(πt/2) at its zero", _cosine_at_its_zero, ("laplacian_log_density",), lambda s: "trigono" in s.path),
    Mutant("1 − t² at its zero", _one_minus_square, ("laplacian_log_density",), lambda s: "variance" in s.path),
    Mutant("exponential before maximum", _no_maximum, ("log_density", "score"), lambda s: s.radius > 38),
    Mutant("log-weights dropped", _no_weights, ("log_density",), lambda s: s.n_components > 1),
    Mutant("½ Ċ for A", _half_rate, ("velocity",), lambda s: s.coupling == "correlated" and s.kind == "full"),
    Mutant(
        "C01 for C10", _transposed_gain, ("target_denoiser",), lambda s: s.coupling == "correlated" and s.kind == "full"
    ),
    Mutant("gain through the solve", _whole_gain, ("target_denoiser", "base_denoiser"), lambda s: s.kind == "full"),
    Mutant("float32 time", _single_time, ("score",), lambda s: 1e-3 < s.t < 1.0),
    Mutant("float32 factor", _single_solve, ("score",), lambda s: s.kind == "full" and s.dtype == "float64"),
    Mutant("point mass without an error", _silent_point_mass, ("score",), lambda s: "dataset" in s.coupling),
    Mutant("error where the field exists", _shy_at_the_end, ("score",), lambda s: s.t == 1.0),
)
