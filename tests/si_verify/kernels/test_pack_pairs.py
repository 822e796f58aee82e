"""Logits that factorise: taken where they do, left where they do not, right to rounding in the kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify.faults import kernel_pairs
from si_verify.fields.conditioning import sensitivity
from si_verify.kernels.pack_pairs import LARGEST, REACH, Pairs, pack_pairs

T = 0.4


def _end(rng: np.random.Generator, k: int, dim: int, far: float, variance: float = 0.5) -> GaussianMixture:
    return GaussianMixture(rng.dirichlet(np.ones(k)), far * rng.standard_normal((k, dim)), np.full(k, variance))


def _law(k0: int = 5, k1: int = 9, dim: int = 2, far: float = 2.0, seed: int = 0) -> Interpolant:
    rng = np.random.default_rng([k0, k1, dim, seed])
    ends = _end(rng, k0, dim, far), _end(rng, k1, dim, far)
    return Interpolant(Coupling.independent(*ends), Schedule.linear())


def _with(law: Interpolant, **changed: np.ndarray) -> Interpolant:
    c = law.coupling
    names = ("weights", "mean0", "mean1", "cov00", "cov11", "cov01")
    arrays = {name: np.asarray(getattr(c, name)) for name in names} | changed
    return Interpolant(Coupling.correlated(*(arrays[name] for name in names)), law.schedule)


def _by_factors(p: Pairs, x: np.ndarray, quantity: str) -> np.ndarray:
    """As the docstring has it, nothing scaled."""
    y = x - p.centre
    shares = np.exp2((p.left_bias + y @ p.left.T)[:, :, None] + p.joint + (p.right_bias + y @ p.right.T)[:, None, :])
    shares /= shares.sum((1, 2), keepdims=True)
    left, right, slope = p.fields[quantity]
    return shares.sum(2) @ left + shares.sum(1) @ right + slope * y


@pytest.mark.parametrize("weights", ["product", "any"])
def test_factors_are_the_yardsticks_fields(weights):
    law = _law()
    if weights == "any":
        law = _with(law, weights=np.random.default_rng(1).dirichlet(np.ones(45)))
    p = pack_pairs(law, T)
    assert p is not None
    x = np.asarray(law.sample(T, 20, 3))
    for quantity in ("score", "velocity"):
        exact = getattr(law, quantity)(T, x)
        np.testing.assert_allclose(_by_factors(p, x, quantity), exact, rtol=1e-10, atol=1e-10 * np.abs(exact).max())


def test_pairs_in_any_order_and_correlated_alike_are_taken():
    law = _law()
    order = np.random.default_rng(2).permutation(45)
    arrays = {n: np.asarray(getattr(law.coupling, n))[order] for n in ("weights", "mean0", "mean1", "cov00", "cov11")}
    law = _with(law, **arrays, cov01=np.full(45, 0.2))
    p = pack_pairs(law, T)
    assert p is not None
    x = np.asarray(law.sample(T, 20, 3))
    np.testing.assert_allclose(_by_factors(p, x, "velocity"), law.velocity(T, x), rtol=1e-9, atol=1e-9)


def _one_variance_differs() -> Interpolant:
    law = _law()
    cov = np.asarray(law.coupling.cov11).copy()
    cov[7] *= 1.0 + 1e-12
    return _with(law, cov11=cov)


def _one_pair_missing() -> Interpolant:
    law = _law()
    c = law.coupling
    arrays = [np.asarray(a)[:-1] for a in (c.weights, c.mean0, c.mean1, c.cov00, c.cov11, c.cov01)]
    return Interpolant(Coupling.correlated(arrays[0] / arrays[0].sum(), *arrays[1:]), law.schedule)


@pytest.mark.parametrize(
    "make", [_one_variance_differs, _one_pair_missing, lambda: _law(2, 3), lambda: _law(3, LARGEST + 1)]
)
def test_what_does_not_factorise_or_does_not_gain_is_left(make):
    assert pack_pairs(make(), T) is None


def _worst(law: Interpolant, x: torch.Tensor, quantity: str, answer: torch.Tensor) -> float:
    exact = torch.as_tensor(getattr(law, quantity)(T, x.double()))
    scale = sensitivity(law, T, x, torch.Generator().manual_seed(0))[quantity]
    gap = torch.linalg.vector_norm(answer.double() - exact, dim=1)
    return float((gap / (torch.finfo(x.dtype).eps * scale)).max())


def _points(law: Interpolant, dtype: torch.dtype, spread: float = 1.0) -> torch.Tensor:
    x = torch.as_tensor(law.sample(T, 50, 4))
    tails = x.mean(0) + 30.0 * (x[:10] - x.mean(0))
    return torch.cat([x, tails]).to(dtype)


@pytest.mark.parametrize("shape", [(3, 11, 2), (8, 8, 16), (17, 4, 1), (3, 100, 3), (40, 3, 5)])
@pytest.mark.parametrize("far", [0.5, 3.0, 6.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_kernel_is_within_a_hundred_units_taken_or_not(shape, far, dtype):
    pytest.importorskip("numba")
    from si_verify.subjects.fields import numba_fields

    law = _law(*shape, far)
    x = _points(law, dtype)
    fields = numba_fields.build(law, dtype, torch.device("cpu"))
    for quantity in ("score", "velocity"):
        assert _worst(law, x, quantity, fields[quantity](T, x)) <= 100.0, quantity


def test_means_out_of_reach_and_an_r_out_of_range_are_left():
    pytest.importorskip("numba")
    from si_verify.kernels import numba_pair_law

    near, wide, far = (pack_pairs(_law(far=f), T) for f in (2.0, 8.0, 50.0))
    assert near is not None
    assert wide is not None
    assert far is not None
    assert far.reach > REACH
    assert wide.reach < REACH
    assert wide.spread > 127.0
    assert [numba_pair_law.prepare(p, "float32", "score") is None for p in (near, wide, far)] == [False, True, True]
    assert [numba_pair_law.prepare(p, "float64", "score") is None for p in (near, wide, far)] == [False, False, True]


def _opposed(far: float) -> Interpolant:
    """Means near ±far at both ends. A point at those of one end is between those of the other: R favours one of these
    by all its spread, and Q the other.
    """
    means = far * np.array([[-1.001], [-1.0], [1.0], [1.001]])
    end = GaussianMixture(np.full(4, 0.25), means, np.full(4, 0.5))
    return Interpolant(Coupling.independent(end, end), Schedule.linear())


def test_points_whose_sum_is_too_small_are_asked_again():
    pytest.importorskip("numba")
    from si_verify.kernels import numba_pair_law
    from si_verify.subjects.fields import numba_fields

    unit = pack_pairs(_opposed(1.0), T)
    assert unit is not None
    far = float(np.sqrt(117.0 / unit.spread))
    law = _opposed(far)
    p = pack_pairs(law, T)
    assert p is not None
    factors = numba_pair_law.prepare(p, "float32", "score")
    assert factors is not None
    x = torch.linspace(0.0, 0.8 * far, 200)[:, None]
    values, again = numba_pair_law.evaluate(factors, x)
    assert 0 < int(again.sum()) < len(x)
    assert _worst(law, x[~again], "score", values[~again]) <= 100.0
    assert _worst(law, x[again], "score", values[again]) > 1e4
    field = numba_fields.build(law, torch.float32, torch.device("cpu"))["score"]
    assert _worst(law, x, "score", field(T, x)) <= 100.0


def test_emulated_factors_are_right_and_each_fault_is_not():
    law = _law(3, 11, far=3.0)
    x = _points(law, torch.float64)
    builds = [kernel_pairs.build_by_factors(), *(fault.subject.load() for fault in kernel_pairs.FAULTS)]
    ratios = [_worst(law, x, "score", b(law, torch.float64, torch.device("cpu"))["score"](T, x)) for b in builds]
    assert ratios[0] <= 100.0
    assert min(ratios[1:]) > 1e6
