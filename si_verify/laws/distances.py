"""Energy distance and sliced Wasserstein distance to a Gaussian mixture, with bounds that hold at every sample size."""

from __future__ import annotations

import math

import numpy as np

from si_verify.laws.statistics import Row, components, projected_cdf
from si_verify.laws.terminal_sample import TerminalSample
from si_verify.stats import mean_test

# Exact points beside every sampled one: their own scatter then hardly counts.
_BESIDE = 8
_GRID = 400
_REACH = 8.0


def energy_row(sample: TerminalSample, alpha: float, rng: np.random.Generator) -> Row:
    """Squared energy distance 2 E|X − Y| − E|X − X'| − E|Y − Y'| (Székely & Rizzo, J. Stat. Plan. Inference 143, 2013).

    Unbiased, and a mean of independent terms, one for each pair of samples and 2 × 8 exact points: Student's bound
    applies (stats.mean_test), which the usual double sum denies.
    """
    half = len(sample.fine) // 2
    exact = np.asarray(sample.law.sample(2 * _BESIDE * half, rng)).reshape(2, _BESIDE, half, -1)
    between = _lengths(exact[0] - exact[1]).mean(0)

    def terms(x: np.ndarray) -> np.ndarray:
        first, second = x[:half], x[half : 2 * half]
        mixed = _lengths(first - exact[0]).mean(0) + _lengths(second - exact[1]).mean(0)
        return np.asarray(mixed - _lengths(first - second) - between)

    fine, coarse = terms(sample.fine), terms(sample.coarse)
    test = mean_test(fine, 0.0, alpha)
    allowance = sample.excuse * abs(float(np.mean(fine - coarse)))
    return Row("squared energy distance", test.deviation, test.critical, test.detectable, allowance, alpha)


def sliced_row(sample: TerminalSample, directions: np.ndarray, alpha: float) -> Row:
    """Mean over ``directions`` (P, D), of unit length, of the 1-Wasserstein distance ∫ |F_n − F| to the exact marginal.

    E ∫ |F_n − F| ≤ ∫ √(F(1 − F)/n), and as 1/n-Lipschitz in every point the mean lies above its expectation by more
    than √(2c log(1/α)/n) with probability α at most, c the sub-Gaussian constant of the law (Bobkov & Götze, J. Funct.
    Anal. 163, 1999); see ``sub_gaussian``.
    """
    n = len(sample.fine)
    both = [_wasserstein(sample, line) for line in directions]
    value, expected, moved = (float(np.mean(column)) for column in zip(*both, strict=True))
    proxy = sub_gaussian(sample.law)
    critical = expected + math.sqrt(2.0 * proxy * math.log(1.0 / alpha) / n)
    power = math.sqrt(2.0 * proxy * math.log(100.0) / n)
    return Row("sliced Wasserstein distance", value, critical, critical + power, sample.excuse * moved, alpha)


def sub_gaussian(law: object) -> float:
    """c with E exp(λ(f − E f)) ≤ exp(cλ²/2) for every 1-Lipschitz f.

    Within a component the largest variance in any direction; over the components Hoeffding's ¼ of the squared range
    of E_k f, which is at most the largest 2-Wasserstein distance, |m_k − m_l| and |C_k^½ − C_l^½| in Frobenius norm.
    """
    _, means, covs = components(law)
    values, vectors = np.linalg.eigh(covs)
    roots = np.einsum("kij,kj,klj->kil", vectors, np.sqrt(np.maximum(values, 0.0)), vectors)
    gaps = ((means[:, None] - means[None]) ** 2).sum(-1) + ((roots[:, None] - roots[None]) ** 2).sum((-2, -1))
    return float(values.max() + 0.25 * gaps.max())


def _wasserstein(sample: TerminalSample, line: np.ndarray) -> tuple[float, float, float]:
    """∫ |F_n − F|, ∫ √(F(1 − F)/n), and the distance between the two runs, along one line."""
    law, fine, coarse = sample.law, np.sort(sample.fine @ line), np.sort(sample.coarse @ line)
    if not (np.isfinite(fine).all() and np.isfinite(coarse).all()):
        return math.nan, 0.0, 0.0
    _, means, covs = components(law)
    deviation = math.sqrt(float(np.einsum("i,kij,j->k", line, covs, line).max()))
    ends = (means @ line).min() - _REACH * deviation, (means @ line).max() + _REACH * deviation
    x = np.union1d(fine, np.linspace(*ends, _GRID))
    exact = projected_cdf(law, line, x[:, None] * line[None])
    steps = np.searchsorted(fine, x, "right")[:-1] / fine.size
    width = np.diff(x)
    distance = 0.5 * float(np.sum(width * (np.abs(exact[:-1] - steps) + np.abs(exact[1:] - steps))))
    scatter = np.sqrt(np.maximum(exact * (1.0 - exact), 0.0) / fine.size)
    return distance, float(np.trapezoid(scatter, x)), float(np.abs(fine - coarse).mean())


def _lengths(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt((x**2).sum(-1)))
