"""The textbook paths (α, β, γ), written down as the functions they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analytic.oracle.arithmetic import Arithmetic

Triple = tuple[Any, Any, Any]


def _latent(a: Arithmetic, t: Any, name: str, scale: float) -> Any:
    """γ(t) = √a · {√(t(1−t)), t(1−t), sin²(πt), 0}: a multiplies γ²."""
    root = a.sqrt(a.number(scale))
    if name == "brownian":
        return root * a.sqrt(t * (1 - t))
    if name == "quadratic":
        return root * t * (1 - t)
    if name == "sine_squared":
        return root * a.sin(a.pi() * t) ** 2
    if name == "none":
        return 0 * t
    raise ValueError(f"latent: expected brownian, quadratic, sine_squared or none, got {name!r}")


def _linear(a: Arithmetic, t: Any) -> tuple[Any, Any]:
    return 1 - t, t


def _trigonometric(a: Arithmetic, t: Any) -> tuple[Any, Any]:
    angle = a.pi() * t / 2
    return a.cos(angle), a.sin(angle)


def _encoding_decoding(a: Arithmetic, t: Any) -> tuple[Any, Any]:
    square = a.cos(a.pi() * t) ** 2
    return (square, 0 * t) if 2 * t < 1 else (0 * t, square)


def _variance_preserving(a: Arithmetic, t: Any) -> tuple[Any, Any]:
    return a.sqrt(1 - t**2), t


PATHS: dict[str, Callable[[Arithmetic, Any], tuple[Any, Any]]] = {
    "linear": _linear,
    "trigonometric": _trigonometric,
    "encoding_decoding": _encoding_decoding,
    "one_sided_linear": _linear,
    "one_sided_trigonometric": _trigonometric,
    "variance_preserving": _variance_preserving,
    "mirror": _linear,
}
"""name -> (α, β) as functions of t (arXiv:2303.08797, sections 3 and 4)."""

_FIXED_LATENT = {
    "encoding_decoding": "sine_squared",
    "one_sided_linear": "none",
    "one_sided_trigonometric": "none",
    "variance_preserving": "none",
}


@dataclass(frozen=True)
class Path:
    """x_t = α(t) x0 + β(t) x1 + γ(t) z by name; `scale` is the a of the latent."""

    name: str
    latent: str = "none"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in PATHS:
            raise ValueError(f"name: expected one of {sorted(PATHS)}, got {self.name!r}")

    def at(self, a: Arithmetic, t: Any) -> Triple:
        """(α, β, γ) at the number t."""
        alpha, beta = PATHS[self.name](a, t)
        return alpha, beta, _latent(a, t, _FIXED_LATENT.get(self.name, self.latent), self.scale)

    def rates(self, a: Arithmetic, t: Any, step: Any) -> Triple:
        """(α̇, β̇, γ̇) by central differences; truncation error O(step²) relative to the distance from the ends."""
        ahead, behind = self.at(a, t + step), self.at(a, t - step)
        return tuple((p - m) / (2 * step) for p, m in zip(ahead, behind, strict=True))  # type: ignore[return-value]
