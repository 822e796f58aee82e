"""The theorems on learned fields, with every number exact: KL identity, bounds that hold, a witness that is tight."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Schedule, problems
from analytic.affine import AffineField, GaussianPath
from analytic.perturbation import PerturbedFields, integrate, tightness_witness, zero_field

EPS = np.finfo(np.float64).eps


def random_errors(seed: int, name: str = "gaussian-2d-crossed", size: float = 0.3) -> PerturbedFields:
    rng = np.random.default_rng(seed)
    path = GaussianPath.of(problems.get(name).interpolant)

    def field() -> AffineField:
        m, o, w = rng.standard_normal((path.dim, path.dim)), rng.standard_normal(path.dim), rng.uniform(0, 6)
        return AffineField(
            lambda t: size * np.cos(w * t)[:, None, None] * m, lambda t: size * np.sin(w * t + 1.0)[:, None] * o
        )

    return PerturbedFields(path, field(), field())


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 20.0])
def test_the_witness_reaches_the_bound_as_the_theorem_says(epsilon: float) -> None:
    witness = tightness_witness(epsilon, Schedule.linear("brownian", scale=2.0))
    ratio = witness.kl(epsilon) / witness.bound_drift(epsilon)
    assert ratio == pytest.approx(1.0 - np.exp(-2.0 * epsilon), abs=0.0, rel=1e3 * EPS)
    assert witness.bound_velocity_score(epsilon) == pytest.approx(witness.bound_drift(epsilon), abs=0.0, rel=1e3 * EPS)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("epsilon", [0.05, 0.5, 3.0])
def test_no_bound_is_violated(seed: int, epsilon: float) -> None:
    fields = random_errors(seed)
    kl = fields.kl(epsilon)
    assert 0.0 < kl <= fields.bound_drift(epsilon)
    # Young's inequality loses between the sharp bound and the two corollaries, never the other way.
    assert fields.bound_drift(epsilon) <= fields.bound_velocity_score(epsilon) * (1.0 + 64 * EPS)
    assert fields.bound_drift(epsilon) <= fields.bound_interpolant_score(epsilon) * (1.0 + 64 * EPS)


@pytest.mark.parametrize("epsilon", [0.0, 0.4])
def test_the_growth_rate_of_kl_integrates_to_kl(epsilon: float) -> None:
    """The transport identity for eps = 0, its Fokker-Planck form otherwise."""
    fields = random_errors(1)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    times = np.concatenate([[0.0], 0.5 * (nodes + 1.0)])
    total = 0.5 * weights @ fields.kl_rate(epsilon, times)[1:]
    assert total == pytest.approx(fields.kl(epsilon), abs=0.0, rel=1e-10)  # 24 nodes resolve these analytic rates


def test_errors_of_b_and_v_differ_by_the_score_error() -> None:
    fields = random_errors(2)
    t, x = 0.3, np.array([[0.5, -1.0]])
    coefficients = fields.path.schedule.at(t)
    gap = fields.interpolant_velocity_error()(t, x) - fields.velocity_error(t, x)
    np.testing.assert_allclose(gap, coefficients.gamma_gamma_dot * fields.score_error(t, x), rtol=16 * EPS)


def test_an_error_divergence_free_against_the_law_moves_nothing() -> None:
    """db = R s with R antisymmetric has ∇·(rho db) = 0: the flow keeps the law, though E|db|² is not small."""
    path = GaussianPath.of(problems.get("gaussian-2d-crossed").interpolant)
    score, turn = path.score(), np.array([[0.0, 1.0], [-1.0, 0.0]])
    gauge = AffineField(lambda t: turn @ score.matrix(t), lambda t: score.offset(t) @ turn.T)
    fields = PerturbedFields(path, gauge, zero_field(2))
    assert fields.excess(gauge) > 0.1
    assert fields.kl(0.0) < 1e4 * EPS


def test_the_drift_error_law_matches_monte_carlo_of_the_excess() -> None:
    fields, n = random_errors(3), 20_000
    rng = np.random.default_rng(8)
    times = rng.uniform(size=400)
    values = np.concatenate(
        [np.sum(fields.velocity_error(t, fields.path.law(t).sample(n // 400, rng)) ** 2, axis=1) for t in times]
    )
    grouped = 0.5 * values.reshape(400, -1).mean(axis=1)
    exact = fields.excess(fields.velocity_error)
    assert abs(grouped.mean() - exact) < 6.0 * grouped.std(ddof=1) / np.sqrt(400)


def test_integrals_that_do_not_settle_are_refused() -> None:
    assert integrate(lambda t: np.exp(t), (0.0, 1.0)) == pytest.approx(np.e - 1.0, abs=0.0, rel=16 * EPS)
    with pytest.raises(ArithmeticError, match="settle"):
        integrate(lambda t: 1.0 / t, (0.0, 1.0), max_panels=256)
