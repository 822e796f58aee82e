"""Schroedinger bridges: right ends, right coupling, gradient drift, and optimal transport as the noise vanishes."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Coupling, GaussianMixture
from analytic.affine import laws, step_laws
from analytic.bridge import GaussianBridge, MixturePotentialBridge
from analytic.gaussian import Gaussian, sqrtm, transport_map

EPS = np.finfo(np.float64).eps
ROUNDING = 1e4 * EPS
BASE = Gaussian([-1.0, 0.5, 0.0], [[1.0, 0.3, 0.1], [0.3, 0.6, -0.2], [0.1, -0.2, 1.4]])
TARGET = Gaussian([1.0, 0.0, -2.0], [[0.4, -0.1, 0.0], [-0.1, 1.2, 0.3], [0.0, 0.3, 0.5]])
SIGMAS = [0.2, 1.0, 5.0]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_cross_covariance_is_the_textbook_one_and_the_catalogue_agrees(sigma: float) -> None:
    a, b = BASE.cov, TARGET.cov
    root = sqrtm(a)
    d = sqrtm(4.0 * root @ b @ root + sigma**4 * np.eye(3))
    textbook = 0.5 * (root @ d @ np.linalg.inv(root) - sigma**2 * np.eye(3))
    got = GaussianBridge(BASE, TARGET, sigma).cross_covariance()
    np.testing.assert_allclose(got, textbook, atol=64 * EPS * max(1.0, sigma**2) * 10)
    mixtures = (GaussianMixture([1.0], law.mean[None], law.cov[None]) for law in (BASE, TARGET))
    np.testing.assert_allclose(got, Coupling.entropic(*mixtures, sigma).cov01[0], atol=ROUNDING)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_sde_reaches_the_target_with_the_same_coupling_and_a_gradient_drift(sigma: float) -> None:
    bridge = GaussianBridge(BASE, TARGET, sigma)
    final = laws(bridge.sde(), BASE, np.array([0.0, 1.0]))[-1]
    np.testing.assert_allclose(final.mean, TARGET.mean, atol=ROUNDING)
    np.testing.assert_allclose(final.cov, TARGET.cov, atol=ROUNDING)
    # Cov(X0, X1) of the SDE is A Phi(1, 0)ᵀ: the endpoint coupling is C01 again, which is what makes it a bridge.
    transition = step_laws(bridge.sde(), np.array([0.0, 1.0])).transition[0]
    np.testing.assert_allclose(BASE.cov @ transition.T, bridge.cross_covariance(), atol=ROUNDING)
    matrices = bridge.drift().matrix(np.linspace(0.0, 1.0, 7))
    np.testing.assert_allclose(matrices, matrices.swapaxes(1, 2), atol=ROUNDING * (1.0 + sigma**2))


def test_another_coupling_with_the_same_ends_has_no_gradient_drift() -> None:
    """The check above can fail: independent ends give a drift whose matrix is not symmetric."""
    path = GaussianBridge(BASE, TARGET, 1.0).path
    independent = type(path)(path.schedule, path.mean0, path.mean1, path.cov00, path.cov11, 0.0 * path.cov01)
    matrix = independent.drift(0.5).matrix(np.array([0.5]))[0]
    assert np.max(np.abs(matrix - matrix.T)) > 1e-2


def test_vanishing_noise_gives_optimal_transport() -> None:
    monge = transport_map(BASE, TARGET).matrix
    gaps = []
    for sigma in (0.2, 0.1, 0.05):
        cross = GaussianBridge(BASE, TARGET, sigma).cross_covariance()
        gaps.append(np.max(np.abs(cross - BASE.cov @ monge)))
    # C01 = A T − ½ sigma² I + O(sigma⁴): the gap falls as sigma².
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(2.0, abs=0.02)
    assert np.log2(gaps[1] / gaps[2]) == pytest.approx(2.0, abs=0.02)
    assert gaps[-1] < 0.6 * 0.05**2


def test_strong_noise_gives_independence() -> None:
    # D − sigma² I -> 2 A^½ B A^½ / sigma², so C01 -> A B / sigma²; a form that subtracts loses it to rounding.
    cross = GaussianBridge(BASE, TARGET, 1e4).cross_covariance()
    np.testing.assert_allclose(cross, BASE.cov @ TARGET.cov / 1e8, rtol=1e-6, atol=1e-8 * ROUNDING)


def test_one_component_of_potential_is_a_gaussian_bridge() -> None:
    sigma = 0.8
    cov, mean = TARGET.cov, TARGET.mean
    mixture = MixturePotentialBridge([2.0], mean[None], cov[None], sigma)
    gain = cov / sigma**2
    target = Gaussian(mean + gain @ BASE.mean, cov + gain @ BASE.cov @ gain.T)
    bridge, x = GaussianBridge(BASE, target, sigma), BASE.sample(6, 1)
    for t in (0.0, 0.3, 0.9, 1.0):
        np.testing.assert_allclose(mixture.drift(t, x), bridge.drift()(t, x), rtol=ROUNDING, atol=ROUNDING)


def two_modes() -> MixturePotentialBridge:
    means = np.array([[-2.0, 0.5], [1.5, -1.0]])
    covariances = np.array([[[0.3, 0.1], [0.1, 0.2]], [[0.5, -0.2], [-0.2, 0.4]]])
    return MixturePotentialBridge([0.3, 0.7], means, covariances, 1.1)


def test_the_potential_is_space_time_harmonic_and_the_drift_its_gradient() -> None:
    """∂_t phi + ½ sigma² Δphi = 0, i.e. with l = log phi: ∂_t l + ½ sigma² (Δl + |∇l|²) = 0."""
    bridge, h = two_modes(), 1e-3
    x = np.random.default_rng(2).standard_normal((20, 2))
    s2, t = bridge.sigma**2, 0.4
    eye = h * np.eye(2)
    centre = bridge.log_potential(t, x)
    ahead = [bridge.log_potential(t, x + e) for e in eye]
    behind = [bridge.log_potential(t, x - e) for e in eye]
    gradient = np.stack([(a - b) / (2 * h) for a, b in zip(ahead, behind, strict=True)], axis=1)
    laplacian = sum((a - 2 * centre + b) / h**2 for a, b in zip(ahead, behind, strict=True))
    slope = (bridge.log_potential(t + h, x) - bridge.log_potential(t - h, x)) / (2 * h)
    tolerance = 50.0 * h**2 + 10 * EPS / h**2  # central differences: truncation and rounding
    np.testing.assert_allclose(bridge.drift(t, x), s2 * gradient, atol=tolerance)
    residual = slope + 0.5 * s2 * (laplacian + np.sum(gradient**2, axis=1))
    np.testing.assert_allclose(residual, 0.0, atol=tolerance)


def test_the_drift_carries_the_base_to_the_plan() -> None:
    """Euler paths of the drift against direct draws from the plan, through the first two moments of each start."""
    bridge, n, steps = two_modes(), 20_000, 100
    rng = np.random.default_rng(4)
    start = np.tile([[0.4, -0.3]], (n, 1))
    x = start
    for i in range(steps):
        noise = rng.standard_normal(x.shape) / np.sqrt(steps)
        x = x + bridge.drift(i / steps, x) / steps + bridge.sigma * noise
    direct = bridge.sample_target(start, 5)
    weights, means, _ = bridge.plan(start[:1])
    mean = weights[0] @ means[0]
    spread = direct.std(axis=0)
    # Six standard errors, and Euler's weak error O(1/steps).
    assert np.max(np.abs(direct.mean(axis=0) - mean) / spread) < 6.0 / np.sqrt(n)
    assert np.max(np.abs(x.mean(axis=0) - mean) / spread) < 6.0 / np.sqrt(n) + 2.0 / steps
    assert np.max(np.abs(x.std(axis=0) / spread - 1.0)) < 6.0 / np.sqrt(n) + 2.0 / steps


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="sigma"):
        GaussianBridge(BASE, TARGET, 0.0)
    with pytest.raises(ValueError, match="target"):
        GaussianBridge(BASE, Gaussian(0.0, 1.0), 1.0)
    with pytest.raises(ValueError, match="covariances"):
        MixturePotentialBridge([1.0], [[0.0, 0.0]], [[1.0, 1.0]], 1.0)
    with pytest.raises(ValueError, match="t:"):
        two_modes().drift(1.5, np.zeros((1, 2)))
