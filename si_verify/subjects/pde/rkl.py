"""Runge–Kutta–Legendre super time stepping, order 2: its coefficients, and how many stages are stable.

    R_s(z) = a_s + b_s P_s(1 + w z),  w = 4/(s² + s − 2),  a_s = 1 − b_s,  b_s = (s² + s − 2)/(2 s (s + 1))

stable down to −(s² + s − 2)/2 on the real axis for s stages: C. D. Meyer, D. S. Balsara, T. D. Aslam, J. Comput.
Phys. 257 (2014), eqs. 16–20. Drift needs room off the axis as well, which is looked for numerically.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

# Stages beyond those that diffusion alone would need are tried to this multiple before a step is cut.
_PATIENCE = 2
# By how much a region is enlarged before its outline is sampled: between samples R may exceed what it is at them.
_MARGIN, _SAMPLES = 1.02, 256
_ROUNDING = 1e-13
# Regions are rounded up to these fractions, so that few are ever looked at.
_FINE = 128


def _b(j: int) -> float:
    return 1.0 / 3.0 if j < 2 else (j * j + j - 2) / (2.0 * j * (j + 1))


@cache
def coefficients(stages: int) -> np.ndarray:
    """(s, 4): μ, ν, μ̃, γ̃ of Y_j = μ Y_{j−1} + ν Y_{j−2} + (1 − μ − ν) Y_0 + μ̃ τM Y_{j−1} + γ̃ τM Y_0, j = 1 to s."""
    if stages < 2:
        raise ValueError(f"stages: expected at least 2, got {stages}")
    w = 4.0 / (stages * stages + stages - 2)
    rows = [(1.0, 0.0, _b(1) * w, 0.0)]
    for j in range(2, stages + 1):
        mu = (2 * j - 1) / j * _b(j) / _b(j - 1)
        rows.append((mu, -(j - 1) / j * _b(j) / _b(j - 2), mu * w, -(1.0 - _b(j - 1)) * mu * w))
    return np.array(rows)


def growth(stages: int, z: np.ndarray) -> np.ndarray:
    """R_s(z) for complex z."""
    x = 1.0 + 4.0 / (stages * stages + stages - 2) * z
    before, now = np.ones_like(x), x
    for j in range(2, stages + 1):
        before, now = now, ((2 * j - 1) * x * now - (j - 1) * before) / j
    return np.asarray(1.0 - _b(stages) + _b(stages) * now)


@cache
def _stable(stages: int, reach: float, slant: float) -> bool:
    """|R_s| ≤ 1 on the ellipse from −reach to 0 whose height is ``slant`` times its length."""
    angle = np.linspace(0.0, math.pi, _SAMPLES)
    outline = 0.5 * _MARGIN * reach * (np.cos(angle) - 1.0 + 1j * slant * np.sin(angle))
    return bool(np.abs(growth(stages, outline)).max() <= 1.0 + _ROUNDING)


@cache
def _chosen(reach: float, slant: float) -> tuple[int, int]:
    parts = 1
    while True:
        part = reach / parts
        # Diffusion alone: s² + s − 2 ≥ 2 z.
        least = max(2, math.ceil(0.5 * (math.sqrt(9.0 + 8.0 * part) - 1.0)))
        # Among many, one in some thirty: the last stages saved are not worth the looking.
        for stages in range(least, _PATIENCE * least + 2, max(1, least // 32)):
            if _stable(stages, part, slant):
                return stages, parts
        parts += 1


def stages_for(spreading: list[float], moving: list[float]) -> tuple[int, int]:
    """Stages, and how many steps to make of one, that are stable for τM with frozen coefficients.

    Its eigenvalues are z = −Σ_d [2 c_d (1 − cos θ_d) + i v_d sin θ_d]; ``spreading`` has c_d, ``moving`` the largest
    |v_d| ≤ 2 c_d. A sum of ellipses with half axes a_d = 2 c_d and v_d lies within one with Σ a_d = A and
    (A Σ v_d²/a_d)^½ (the inequality of the means, 2 √(XY) ≤ kX + Y/k, under the square of its support function).
    R is a polynomial: where it is at most one on an outline, it is inside.
    """
    half = 2.0 * sum(spreading)
    if half == 0.0:
        return 2, 1
    if not math.isfinite(half):
        raise ValueError(f"spreading: expected finite rates, got {spreading}")
    slant = math.sqrt(sum([v * v / (2.0 * c) for v, c in zip(moving, spreading, strict=True) if c > 0]) / half)
    reach = 2.0 ** (math.ceil(_FINE * math.log2(2.0 * half)) / _FINE)
    return _chosen(reach, min(1.0, math.ceil(_FINE * slant) / _FINE))
