"""Couplings: each constructor gives the joint law it names, and refuses what is no law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from analytic.covariance import promote
from tests.analytic.builders import EPS, KINDS, correlated, mixture, standard


@pytest.mark.parametrize("base_kind", KINDS)
@pytest.mark.parametrize("target_kind", KINDS)
def test_independent_has_both_laws_as_margins(base_kind: str, target_kind: str) -> None:
    rng = np.random.default_rng(0)
    base, target, x = mixture(rng, base_kind, 2, 3), mixture(rng, target_kind, 3, 3), rng.normal(size=(6, 3))
    joint = Coupling.independent(base, target)
    assert (joint.n_components, joint.dim, joint.uncorrelated) == (6, 3, True)
    assert joint.kind == max(base_kind, target_kind, key=KINDS.index)
    for got, wanted in ((joint.base, base), (joint.target, target)):
        a, b = got.log_density(x), wanted.log_density(x)
        np.testing.assert_allclose(a, b, rtol=0, atol=640 * EPS * np.abs(b).max())
    np.testing.assert_array_equal(np.outer(base.weights, target.weights).reshape(-1), joint.weights)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_joint_covariance(kind: str) -> None:
    """Cov(x0, x1), not its transpose: each entry within 5 standard errors (fixed seed)."""
    n = 40_000
    for joint in (correlated(np.random.default_rng(1), kind, 1, 2), correlated(np.random.default_rng(2), kind, 1, 3)):
        x0, x1 = joint.sample(n, 3)
        left, right = x0 - joint.mean0[0], x1 - joint.mean1[0]
        for a, b, block in ((left, right, joint.cov01), (left, left, joint.cov00), (right, right, joint.cov11)):
            products, wanted = a[:, :, None] * b[:, None, :], promote(block, "full", joint.dim)[0]
            assert np.all(np.abs(products.mean(0) - wanted) < 5 * products.std(0) / np.sqrt(n))


def test_dataset_is_a_point_mass_per_sample() -> None:
    atoms = np.arange(12.0).reshape(6, 2)
    joint = Coupling.dataset(standard(2), atoms)
    assert joint.n_components == 6
    assert not np.any(joint.cov11)
    x0, x1 = joint.sample(400, 0)
    assert {tuple(row) for row in x1} == {tuple(row) for row in atoms}
    assert np.all(np.abs(x0.mean(0)) < 5 / np.sqrt(400))
    two = Coupling.dataset(GaussianMixture([0.25, 0.75], np.zeros((2, 2)), [1.0, 2.0]), atoms)
    np.testing.assert_allclose(two.weights, np.repeat([0.25, 0.75], 6) / 6, rtol=2 * EPS)


def test_mirror_returns_the_same_point() -> None:
    law = mixture(np.random.default_rng(2), "full", 3, 2)
    joint = Coupling.mirror(law)
    x0, x1 = joint.sample(50, 1)
    np.testing.assert_array_equal(x0, x1)
    still = Interpolant(joint, Schedule.mirror("none"))
    np.testing.assert_array_equal(still.velocity(0.37, x0), 0.0)
    np.testing.assert_allclose(still.log_density(0.37, x0), law.log_density(x0), rtol=0, atol=640 * EPS * 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [0.0, 1e-3, 0.7, 30.0])
def test_entropic_coupling_solves_its_own_equation(kind: str, sigma: float) -> None:
    """Schroedinger system for Gaussians, C01^T A^-1 C01 + sigma^2 A^-1 C01 = B.

    Equivalently the joint precision has -I / sigma^2 off its diagonal (joint density = f(x0) g(x1)
    exp(x0.x1 / sigma^2)). Both are checked without the formula's square roots.
    """
    rng = np.random.default_rng(3)
    base, target = mixture(rng, kind, 1, 3), mixture(rng, kind, 1, 3)
    joint = Coupling.entropic(base, target, sigma)
    a, b, c = (promote(block, "full", 3)[0] for block in (joint.cov00, joint.cov11, joint.cov01))
    # Condition of A below 10; the terms are of the size of B and sigma^2 A^-1 C01 (which tends to B).
    got = c.T @ np.linalg.solve(a, c) + sigma**2 * np.linalg.solve(a, c)
    np.testing.assert_allclose(got, b, rtol=0, atol=64 * 10 * EPS * np.abs(b).max())
    if sigma >= 0.5:
        precision = np.linalg.inv(np.block([[a, c], [c.T, b]]))
        np.testing.assert_allclose(
            precision[:3, 3:], -np.eye(3) / sigma**2, rtol=0, atol=6400 * EPS * np.abs(precision).max()
        )
    if sigma == 0.0:  # the optimal map C01^T A^-1 is symmetric and pushes A to B
        map_ = np.linalg.solve(a, c).T
        np.testing.assert_allclose(map_, map_.T, rtol=0, atol=6400 * EPS * np.abs(map_).max())
        np.testing.assert_allclose(map_ @ a @ map_.T, b, rtol=0, atol=6400 * EPS * np.abs(b).max())


def test_entropic_coupling_with_a_singular_base_or_large_noise() -> None:
    """No inverse of A is taken and sigma^2 is not subtracted: C01 -> A B / sigma^2 relatively."""
    base = GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 0.0]]])
    target = GaussianMixture([1.0], [[0.0, 0.0]], [[[2.0, 0.5], [0.5, 1.0]]])
    for sigma in (0.0, 1.0):
        assert np.all(np.isfinite(Coupling.entropic(base, target, sigma).cov01))
    wide = Coupling.entropic(target, target, 1e6)
    np.testing.assert_allclose(wide.cov01[0], (target.covariances @ target.covariances)[0] / 1e12, rtol=1e-11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cov01": [1.5]}, r"cov01: expected a joint covariance .* component 0 has cov01\^2 > cov00 cov11"),
        ({"cov01": [[0.1, -1.5]]}, "cov01: expected a joint covariance"),
        ({"cov01": [[[0.0, 1.5], [0.0, 0.0]]]}, "cov01: .* joint covariance .* eigenvalue"),
        ({"mean1": [[0.0]]}, r"mean1: expected shape \(1, 2\) as mean0 has, got \(1, 1\)"),
        ({"weights": [0.5, 0.5]}, r"weights: expected shape \(1,\) as mean0 has, got \(2,\)"),
        ({"weights": [0.9]}, "weights: expected a sum of 1"),
        ({"cov00": [-1.0]}, "cov00: expected no negative variance"),
        ({"cov11": [1.0, 1.0]}, r"cov11: expected shape \(1,\) or"),
        ({"cov01": [0.0, 0.0]}, "cov01: expected one of the shapes"),
        ({"cov01": [np.inf]}, "cov01: expected finite numbers"),
    ],
)
def test_bad_parameters_are_named(change: dict[str, Any], message: str) -> None:
    good = {
        "weights": [1.0],
        "mean0": [[0.0, 0.0]],
        "mean1": [[0.0, 0.0]],
        "cov00": [1.0],
        "cov11": [1.0],
        "cov01": [0.5],
    }
    Coupling.correlated(**good)
    with pytest.raises(ValueError, match=message):
        Coupling.correlated(**good | change)


def test_other_constructors_name_their_arguments() -> None:
    two = GaussianMixture([0.5, 0.5], np.zeros((2, 2)), [1.0, 1.0])
    for call, message in (
        (lambda: Coupling.independent(two, standard(3)), "target: expected dim 2 as base has, got 3"),
        (lambda: Coupling.entropic(two, standard(2), 1.0), "base: the entropic coupling needs one Gaussian, got 2"),
        (lambda: Coupling.entropic(standard(2), two, 1.0), "target: the entropic coupling needs one Gaussian"),
        (lambda: Coupling.entropic(standard(2), standard(2), -1.0), "sigma: expected a finite number >= 0, got -1.0"),
        (lambda: Coupling.dataset(standard(2), np.zeros((4, 3))), r"points: expected shape \(n, 2\)"),
        (lambda: Coupling.dataset(standard(2), np.zeros((0, 2))), r"points: expected shape \(n, 2\) with n >= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="base: expected a GaussianMixture, got list"):
        Coupling.independent([1.0], two)


@pytest.mark.parametrize("sigma", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_entropic_coupling_of_nearly_singular_laws_is_a_law(sigma, seed):
    """Condition 1e10 twice: a squared spectrum would leave eigenvalues of -1e-9, and the joint law is no law."""
    rng = np.random.default_rng(seed)

    def cov(dim=24):
        axes = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        c = (axes * np.logspace(-5, 5, dim)) @ axes.T
        return 0.5 * (c + c.T)

    a, b = (GaussianMixture(np.ones(1), np.zeros((1, 24)), cov()[None]) for _ in range(2))
    coupling = Coupling.entropic(a, b, sigma)
    c01 = np.asarray(coupling.cov01)[0]
    if sigma == 0.0:
        # Optimal transport: tr C01 is the nuclear norm of A^(1/2) B^(1/2).
        halves = [np.linalg.cholesky(np.asarray(m.covariances)[0]) for m in (a, b)]
        nuclear = np.linalg.svd(halves[0].T @ halves[1], compute_uv=False).sum()
        assert np.trace(c01) == pytest.approx(nuclear, rel=1e-10)
