"""GaussianMixture: density against SciPy, tails to 40 sigma, samples, marginals, and bad input named."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
import torch
from scipy import stats

from analytic import FieldUndefinedError, GaussianMixture
from analytic.covariance import promote
from tests.analytic.builders import EPS, KINDS, mixture


@pytest.mark.parametrize("kind", KINDS)
def test_density_is_scipys(kind: str) -> None:
    rng = np.random.default_rng(1)
    law, x = mixture(rng, kind, 3, 4), rng.normal(size=(20, 4)) * 2
    full = promote(law.covariances, "full", 4)
    wanted = np.log(
        sum(w * stats.multivariate_normal(m, c).pdf(x) for w, m, c in zip(law.weights, law.means, full, strict=True))
    )
    # Both round a quadratic form of size |log rho| through a matrix of condition below 10.
    np.testing.assert_allclose(law.log_density(x), wanted, rtol=0, atol=64 * 10 * EPS * np.abs(wanted).max())


@pytest.mark.parametrize("kind", KINDS)
def test_storage_does_not_change_the_law(kind: str) -> None:
    rng = np.random.default_rng(2)
    law = mixture(rng, kind, 3, 3)
    wide = GaussianMixture(law.weights, law.means, promote(law.covariances, "full", 3))
    x = rng.normal(size=(9, 3))
    for method in ("log_density", "score", "responsibilities"):
        wanted = getattr(wide, method)(x)
        np.testing.assert_allclose(getattr(law, method)(x), wanted, rtol=0, atol=640 * EPS * np.abs(wanted).max())
    np.testing.assert_allclose(law.covariance(), wide.covariance(), rtol=0, atol=16 * EPS * 4)
    some, part = law.marginal([2, 0]), wide.marginal([2, 0])
    np.testing.assert_allclose(some.log_density(x[:, [2, 0]]), part.log_density(x[:, [2, 0]]), rtol=0, atol=1e4 * EPS)


def test_marginal_is_the_integral_over_the_rest() -> None:
    rng = np.random.default_rng(3)
    law = mixture(rng, "full", 2, 2)
    grid = np.linspace(-12, 12, 4001)  # spacing 0.006 against widths over 0.4: the trapezoidal sum is exact to rounding
    points = np.stack([np.full_like(grid, 0.3), grid], axis=1)
    total = np.sum(np.exp(law.log_density(points))) * (grid[1] - grid[0])
    np.testing.assert_allclose(np.exp(law.marginal([0]).log_density(np.array([[0.3]])))[0], total, rtol=4001 * EPS)


def test_samples_have_its_moments_and_a_seed_repeats_them() -> None:
    """Each entry within 5 standard errors at a fixed seed; covariance of components and of means both count."""
    for kind in KINDS:
        law, n = mixture(np.random.default_rng(4), kind, 3, 2), 20_000
        x = law.sample(n, 11)
        centred = x - law.mean()
        products = centred[:, :, None] * centred[:, None, :]
        assert np.all(np.abs(centred.mean(0)) < 5 * centred.std(0) / np.sqrt(n))
        assert np.all(np.abs(products.mean(0) - law.covariance()) < 5 * products.std(0) / np.sqrt(n))
        np.testing.assert_array_equal(x, law.sample(n, 11))
        assert not np.array_equal(x, law.sample(n, 12))


def tail(law: GaussianMixture, x: float, sign: int) -> Any:
    """sum_k w_k Phi(sign (x - m_k) / s_k) at 60 digits, from erfc."""
    with mp.workdps(60):
        terms = []
        for w, m, v in zip(law.weights, law.means[:, 0], law.covariances, strict=True):
            z = (mp.mpf(x) - mp.mpf(float(m))) / mp.sqrt(mp.mpf(float(v)))
            terms.append(mp.mpf(float(w)) * mp.erfc(-sign * z / mp.sqrt(2)) / 2)
        return mp.fsum(terms)


@pytest.mark.parametrize("x", [-35.0, -9.0, -2.0, 0.0, 0.4, 1.0, 6.0, 30.0])
@pytest.mark.parametrize("give", [np.asarray, torch.asarray])
def test_distribution_function_is_relatively_accurate_in_both_tails(x: float, give: Any) -> None:
    """cdf and sf to eps z^2, the condition of Phi in its argument; their logarithms also where they underflow."""
    law = GaussianMixture([0.25, 0.75], [[-0.5], [1.0]], [1.0, 0.25])
    condition = 1 + max((x - m) ** 2 / v for m, v in zip(law.means[:, 0], law.covariances, strict=True))
    points = give(np.array([[x]]))
    for sign, plain, log in ((1, law.cdf, law.log_cdf), (-1, law.sf, law.log_sf)):
        wanted = tail(law, x, sign)
        if wanted > 1e-300:
            np.testing.assert_allclose(float(plain(points)[0]), float(wanted), rtol=16 * EPS * condition)
        with mp.workdps(60):
            logarithm = float(mp.log1p(-tail(law, x, -sign)) if wanted > 0.5 else mp.log(wanted))
        got = float(log(points)[0])
        # d log Phi / Phi: relative error of the probability is an absolute one here, and log1p(-sf) is relative.
        scale = min(abs(logarithm), 1.0) if wanted > 0.5 else 1.0
        np.testing.assert_allclose(got, logarithm, rtol=16 * EPS, atol=16 * EPS * condition * scale)


def test_distribution_function_blocks_and_shapes() -> None:
    law = mixture(np.random.default_rng(5), "isotropic", 50, 1)
    small = GaussianMixture(law.weights, law.means, law.covariances, block_elements=60)
    x = np.linspace(-3, 3, 17)
    np.testing.assert_array_equal(law.cdf(x), law.cdf(x[:, None]))
    np.testing.assert_allclose(small.cdf(x), law.cdf(x), rtol=50 * EPS)
    np.testing.assert_allclose(law.cdf(x) + law.sf(x), 1.0, rtol=50 * EPS)
    with pytest.raises(ValueError, match="x: a distribution function needs dim 1, this mixture has dim 2"):
        mixture(np.random.default_rng(5), "full", 2, 2).cdf(x)
    with pytest.raises(FieldUndefinedError, match="variance zero; its distribution function jumps"):
        GaussianMixture([1.0], [[0.0]], [0.0]).cdf(x)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [0.5, 0.6]}, r"weights: expected a sum of 1 .* got 1 \+0.1"),
        ({"weights": [0.5, 0.5 + 1e-13]}, r"weights: expected a sum of 1"),
        ({"weights": [-0.5, 1.5]}, "weights: expected no negative weight, got -0.5"),
        ({"weights": [np.nan, 1.0]}, "weights: expected finite numbers"),
        ({"weights": [[0.5, 0.5]]}, r"weights: expected 1 dimension\(s\), got shape \(1, 2\)"),
        ({"weights": [1.0]}, r"means: expected shape \(1, D\), got \(2, 2\)"),
        ({"means": [0.0, 1.0]}, "means: expected 2 dimension"),
        ({"covariances": [1.0]}, r"covariances: expected shape \(2,\) or \(2, 2\) or \(2, 2, 2\), got \(1,\)"),
        ({"covariances": [1.0, -1.0]}, "covariances: expected no negative variance, got -1"),
        ({"covariances": [[[1, 0], [0, 1]], [[1, 0.5], [0, 1]]]}, "covariances: expected symmetric .* component 1"),
        ({"covariances": [[[1, 0], [0, 1]], [[1, 2], [2, 1]]]}, "covariances: .* component 1 has eigenvalue -1"),
    ],
)
def test_bad_parameters_are_named(change: dict[str, Any], message: str) -> None:
    good = {"weights": [0.5, 0.5], "means": [[0.0, 0.0], [1.0, 1.0]], "covariances": [1.0, 1.0]}
    GaussianMixture(**good)
    with pytest.raises(ValueError, match=message):
        GaussianMixture(**good | change)


def test_weights_are_not_compared_with_one_exactly() -> None:
    """Ten tenths, a thousand thousandths and Dirichlet draws miss 1 by rounding and are welcome."""
    rng = np.random.default_rng(6)
    for weights in ([0.1] * 10, np.full(1000, 1e-3), np.full(1797, 1 / 1797), rng.dirichlet(np.ones(500))):
        GaussianMixture(weights, np.zeros((len(weights), 1)), np.ones(len(weights)))
    with pytest.raises(TypeError, match="weights: expected numbers or an array"):
        GaussianMixture("half", [[0.0]], [1.0])
    with pytest.raises(ValueError, match="dims: expected indices below 1"):
        GaussianMixture([1.0], [[0.0]], [1.0]).marginal([1])
