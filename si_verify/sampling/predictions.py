"""What a denoising model may predict, and the linear maps between the predictions (MATH.md section 8).

At x = a x1 + s z, with x̂ = E[x1 | x] and ε̂ = E[z | x], so that x = a x̂ + s ε̂:

    noise ε̂,   data x̂ = (x − s ε̂)/a,   velocity v = p x̂ + q ε̂ with the clock's weights (p, q),   score = −ε̂/s

Each is known from any other. From v:  ε̂ = (a v − p x)/(a q − p s),  x̂ = (q x − s v)/(a q − p s).
"""

from __future__ import annotations

from typing import Any

from si_verify.sampling.clock import Clock, Level

PREDICTIONS: tuple[str, ...] = ("noise", "data", "velocity", "score")


def check_prediction(name: str) -> str:
    """``name`` if it is one; ValueError otherwise."""
    if name not in PREDICTIONS:
        raise ValueError(f"prediction: expected one of {', '.join(PREDICTIONS)}, got {name!r}")
    return name


def to_noise(kind: str, value: Any, x: Any, level: Level, clock: Clock) -> Any:
    """ε̂ (N, D) from a prediction of this kind. ``data`` needs s > 0."""
    if check_prediction(kind) == "noise":
        return value
    if kind == "score":
        return -level.s * value
    if kind == "data":
        if level.s == 0.0:
            raise ValueError("level: the noise does not follow from the data where s = 0")
        return (x - level.a * value) / level.s
    p, q = clock.velocity(level)
    return (level.a * value - p * x) / (level.a * q - p * level.s)


def to_data(kind: str, value: Any, x: Any, level: Level, clock: Clock) -> Any:
    """x̂ (N, D) from a prediction of this kind. ``noise`` and ``score`` need a > 0."""
    if check_prediction(kind) == "data":
        return value
    if kind == "velocity":
        p, q = clock.velocity(level)
        return (q * x - level.s * value) / (level.a * q - p * level.s)
    if level.a == 0.0:
        raise ValueError(f"level: the data do not follow from the {kind} where a = 0")
    return (x - level.s * to_noise(kind, value, x, level, clock)) / level.a


def convert(kind: str, wanted: str, value: Any, x: Any, level: Level, clock: Clock) -> Any:
    """A prediction of one kind as another."""
    if check_prediction(wanted) == check_prediction(kind):
        return value
    if wanted == "data":
        return to_data(kind, value, x, level, clock)
    if wanted == "velocity":
        p, q = clock.velocity(level)
        return p * to_data(kind, value, x, level, clock) + q * to_noise(kind, value, x, level, clock)
    noise = to_noise(kind, value, x, level, clock)
    if wanted == "noise":
        return noise
    if level.s == 0.0:
        raise ValueError("level: no score where s = 0")
    return -noise / level.s
