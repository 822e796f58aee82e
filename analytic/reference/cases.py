"""What is frozen: small joint mixtures of every coupling, on every schedule, at ends, near ends and inside.

The numbers are chosen by hand, have few digits and no symmetry that could hide an exchanged index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analytic.oracle import JointMixture, Path

TIMES = (0.0, 1e-12, 0.125, 0.5, 0.7, 1.0 - 2.0**-40, 1.0)


@dataclass(frozen=True)
class ReferenceCase:
    """A named interpolant and the points at which it is frozen; every t of TIMES at every x."""

    name: str
    coupling: dict[str, Any]
    path: dict[str, Any]
    points: tuple[tuple[float, ...], ...]

    def mixture(self) -> JointMixture:
        return JointMixture(**self.coupling)

    def oracle_path(self) -> Path:
        return Path(**self.path)


def _coupling(kind: str, weights: Any, mean0: Any, mean1: Any, cov00: Any, cov11: Any, cov01: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "weights": weights,
        "mean0": mean0,
        "mean1": mean1,
        "cov00": cov00,
        "cov11": cov11,
        "cov01": cov01,
    }


_ZERO2 = [[0.0, 0.0], [0.0, 0.0]]
_EYE2 = [[1.0, 0.0], [0.0, 1.0]]

# One dimension, 2 x 3 modes of the bimodal-to-trimodal family.
INDEPENDENT = _coupling(
    "isotropic",
    [0.125, 0.25, 0.125, 0.125, 0.25, 0.125],
    [[-3.0]] * 3 + [[3.0]] * 3,
    [[-6.0], [0.0], [6.0]] * 2,
    [0.25] * 3 + [0.5] * 3,
    [0.375, 0.5, 0.25] * 2,
    [0.0] * 6,
)
# Two dimensions, C01 far from symmetric.
CORRELATED = _coupling(
    "full",
    [0.75, 0.25],
    [[0.5, -1.0], [-2.0, 0.25]],
    [[1.0, 2.0], [0.0, -1.5]],
    [[[1.0, 0.25], [0.25, 0.75]], [[0.5, -0.125], [-0.125, 1.5]]],
    [[[1.5, -0.5], [-0.5, 1.0]], [[0.75, 0.25], [0.25, 0.5]]],
    [[[0.5, 0.375], [-0.25, 0.125]], [[-0.125, 0.25], [0.5, 0.0]]],
)
MIRROR = _coupling(
    "diagonal",
    [0.5, 0.375, 0.125],
    [[0.0, 1.0], [2.0, -1.0], [-1.0, -3.0]],
    [[0.0, 1.0], [2.0, -1.0], [-1.0, -3.0]],
    [[0.5, 2.0], [1.0, 0.25], [0.125, 0.75]],
    [[0.5, 2.0], [1.0, 0.25], [0.125, 0.75]],
    [[0.5, 2.0], [1.0, 0.25], [0.125, 0.75]],
)
ONE_SIDED = _coupling(
    "full",
    [0.625, 0.375],
    [[0.0, 0.0], [0.0, 0.0]],
    [[2.0, -1.0], [-1.0, 1.5]],
    [_EYE2, _EYE2],
    [[[0.5, 0.25], [0.25, 0.375]], [[2.0, -0.75], [-0.75, 0.5]]],
    [_ZERO2, _ZERO2],
)
# Stiff: condition 1e8 beside a tiny weight.
STIFF = _coupling(
    "diagonal",
    [1.0 - 1e-12, 1e-12],
    [[0.0, 0.0, 0.0], [4.0, -2.0, 1.0]],
    [[1.0, 1.0, -1.0], [0.0, 3.0, 2.0]],
    [[1.0, 1e-4, 1e-8], [0.5, 2.0, 1.0]],
    [[1e-8, 1.0, 1e-4], [1.0, 0.25, 4.0]],
    [[0.0] * 3] * 2,
)
# The Schroedinger coupling of N(0, 1) and N(1, 4) for sigma^2 = 3: 4 h = sqrt(4*4 + 9) - 3, C01 = 1.
ENTROPIC = _coupling("isotropic", [1.0], [[0.0]], [[1.0]], [1.0], [4.0], [1.0])
DATASET = _coupling(
    "isotropic",
    [0.25] * 4,
    [[0.0, 0.0]] * 4,
    [[1.0, 0.0], [0.0, 2.0], [-1.0, -1.0], [3.0, -2.0]],
    [1.0] * 4,
    [0.0] * 4,
    [0.0] * 4,
)


def _paths() -> Iterator[tuple[str, dict[str, Any], dict[str, Any], tuple[tuple[float, ...], ...]]]:
    def path(name: str, latent: str = "none", scale: float = 1.0) -> dict[str, Any]:
        return {"name": name, "latent": latent, "scale": scale}

    line = ((0.75,), (-7.0,))
    plane = ((0.5, -0.25), (-3.0, 4.0))
    yield "independent", INDEPENDENT, path("linear", "brownian", 2.0), line
    yield "independent", INDEPENDENT, path("trigonometric", "quadratic"), line
    yield "independent", INDEPENDENT, path("encoding_decoding"), line
    yield "correlated", CORRELATED, path("linear", "brownian"), plane
    yield "correlated", CORRELATED, path("linear", "none"), plane
    yield "correlated", CORRELATED, path("trigonometric", "sine_squared", 0.5), plane
    yield "mirror", MIRROR, path("mirror", "brownian"), plane
    yield "mirror", MIRROR, path("mirror", "sine_squared"), plane
    for name in ("one_sided_linear", "one_sided_trigonometric", "variance_preserving"):
        yield "one-sided", ONE_SIDED, path(name), plane
        yield "data-set", DATASET, path(name), plane
    yield "stiff", STIFF, path("linear", "quadratic"), ((1.0, 1.0, -1.0), (0.5, 40.0, 0.25))
    yield "entropic", ENTROPIC, path("linear", "brownian", 3.0), line


def cases() -> list[ReferenceCase]:
    """All of them, in the order of the file."""
    return [
        ReferenceCase(f"{name}, {path['name']}, {path['latent']}", coupling, path, points)
        for name, coupling, path, points in _paths()
    ]
