"""Gaussian KL, cross-entropy, entropy and transport agree with 50-digit arithmetic, also where they nearly vanish."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from analytic.gaussian import (
    Gaussian,
    bures_wasserstein,
    cross_entropy,
    entropy,
    factor,
    kl,
    sqrtm,
    transport_map,
)

EPS = np.finfo(np.float64).eps


def random_law(rng: np.random.Generator, dim: int, spread: float = 10.0) -> Gaussian:
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    cov = (turn * np.geomspace(1.0 / spread, 1.0, dim)) @ turn.T
    return Gaussian(rng.standard_normal(dim), 0.5 * (cov + cov.T))


def mp_kl(p: Gaussian, q: Gaussian) -> float:
    with mp.workdps(60):
        pc, qc = mp.matrix(p.cov.tolist()), mp.matrix(q.cov.tolist())
        shift = mp.matrix(p.mean.tolist()) - mp.matrix(q.mean.tolist())
        inverse = qc**-1
        product = inverse * pc
        trace = sum(product[i, i] for i in range(p.dim))
        square = (shift.T * inverse * shift)[0]
        return float((trace - p.dim - mp.log(mp.det(product)) + square) / 2)


@pytest.mark.parametrize("gap", [1.0, 1e-3, 1e-6, 1e-9])
def test_kl_keeps_its_relative_accuracy_as_the_laws_approach(gap: float) -> None:
    rng = np.random.default_rng(1)
    p = random_law(rng, 4)
    other = random_law(rng, 4)
    q = Gaussian(p.mean + gap * other.mean, p.cov + gap * other.cov)
    # The perturbation gap·cov itself is a difference of rounded numbers, which mpmath sees exactly: what is left is
    # the conditioning of Q (10) and the O(D²) operations on entries of relative size eps.
    assert kl(p, q) == pytest.approx(mp_kl(p, q), abs=0.0, rel=64 * 10 * EPS + 64 * EPS**2 / gap**2)


def test_kl_is_cross_entropy_less_entropy_and_zero_for_equal_laws() -> None:
    rng = np.random.default_rng(2)
    p, q = random_law(rng, 5), random_law(rng, 5)
    assert kl(p, q) == pytest.approx(cross_entropy(p, q) - entropy(p), abs=0.0, rel=1e3 * EPS)
    assert kl(p, p) == 0.0


def test_entropy_and_cross_entropy_in_one_dimension_match_quadrature() -> None:
    p, q = Gaussian(0.3, 0.7), Gaussian(-0.4, 1.9)

    def density(law: Gaussian, x: mp.mpf) -> mp.mpf:
        return mp.npdf(x, mp.mpf(law.mean[0]), mp.sqrt(mp.mpf(law.cov[0, 0])))

    with mp.workdps(30):
        grid = [-mp.inf, -2, 0, 2, mp.inf]
        cross = mp.quad(lambda x: -density(p, x) * mp.log(density(q, x)) if density(p, x) else mp.mpf(0), grid)
        own = mp.quad(lambda x: -density(p, x) * mp.log(density(p, x)) if density(p, x) else mp.mpf(0), grid)
    assert cross_entropy(p, q) == pytest.approx(float(cross), abs=0.0, rel=16 * EPS)
    assert entropy(p) == pytest.approx(float(own), abs=0.0, rel=16 * EPS)


def test_kl_handles_point_masses_and_refuses_singular_references() -> None:
    point, law = Gaussian([0.0, 0.0], 0.0), Gaussian([0.0, 0.0], 1.0)
    assert kl(point, law) == np.inf
    assert entropy(point) == -np.inf
    with pytest.raises(ValueError, match="positive definite"):
        kl(law, point)


def test_the_transport_map_pushes_forward_and_is_the_gradient_of_a_convex_function() -> None:
    rng = np.random.default_rng(3)
    p, q = random_law(rng, 6, 1e4), random_law(rng, 6, 1e4)
    t = transport_map(p, q)
    bound = 64 * 6 * 1e4 * EPS  # D operations an entry, amplified by the condition number of P
    np.testing.assert_allclose(t.matrix @ p.cov @ t.matrix.T, q.cov, atol=bound)
    np.testing.assert_allclose(t(p.mean[None])[0], q.mean, atol=bound)
    np.testing.assert_array_equal(t.matrix, t.matrix.T)
    assert np.linalg.eigvalsh(t.matrix)[0] > 0.0
    root = sqrtm(p.cov)
    inverse = np.linalg.inv(root)
    textbook = inverse @ sqrtm(root @ q.cov @ root) @ inverse
    np.testing.assert_allclose(t.matrix, textbook, rtol=1e4 * bound)


def test_wasserstein_is_the_cost_of_the_map_and_survives_close_and_singular_laws() -> None:
    rng = np.random.default_rng(4)
    p, q = random_law(rng, 3), random_law(rng, 3)
    t = transport_map(p, q)
    move = t.matrix - np.eye(3)
    cost = np.sqrt(np.trace(move @ p.cov @ move.T) + np.sum((q.mean - p.mean) ** 2))
    assert bures_wasserstein(p, q) == pytest.approx(cost, abs=0.0, rel=1e3 * EPS)
    assert bures_wasserstein(q, p) == pytest.approx(cost, abs=0.0, rel=1e3 * EPS)
    near = Gaussian(p.mean, (1.0 + 1e-10) * p.cov)
    # W2 between N(0, C) and N(0, (1+d)C) is (sqrt(1+d) − 1) sqrt(tr C); d = 1e-10 is itself known to eps / d.
    exact = 0.5e-10 * np.sqrt(np.trace(p.cov))
    assert bures_wasserstein(p, near) == pytest.approx(exact, abs=0.0, rel=64 * EPS / 1e-10)
    assert bures_wasserstein(Gaussian([1.0, 2.0], 0.0), Gaussian([4.0, 6.0], 0.0)) == 5.0


def test_sampling_has_the_stated_law() -> None:
    law = random_law(np.random.default_rng(5), 3)
    x = law.sample(40_000, 7)
    white = np.linalg.solve(factor(law.cov), (x - law.mean).T)
    # Six standard errors: means have sd n^-1/2, second moments at most sqrt(2/n).
    assert np.max(np.abs(white.mean(axis=1))) < 6.0 / np.sqrt(40_000)
    assert np.max(np.abs(np.cov(white) - np.eye(3))) < 6.0 * np.sqrt(2.0 / 40_000)


@pytest.mark.parametrize(
    ("mean", "cov", "match"),
    [
        ([0.0, np.nan], 1.0, "mean"),
        ([0.0, 0.0], [[1.0, 0.2], [0.1, 1.0]], "symmetric"),
        ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], "semi-definite"),
        ([0.0, 0.0], [1.0, 2.0, 3.0], "cov"),
    ],
)
def test_bad_parameters_are_named(mean: object, cov: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Gaussian(mean, cov)
