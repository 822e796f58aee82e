"""One code path for every library: the same numbers, in the library, dtype and device of the points."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from tests.analytic.builders import ALL, EPS, KINDS, case, mixture

FIELDS = (
    "log_density",
    "score",
    "velocity",
    "interpolant_velocity",
    "base_denoiser",
    "target_denoiser",
    "divergence",
    "velocity_jacobian",
    "score_jacobian",
    "laplacian_log_density",
    "dt_log_density",
    "responsibilities",
)
LIBRARIES = {
    "torch": (torch.asarray, lambda a: a.numpy()),
    "strict": (array_api_strict.asarray, lambda a: np.asarray(a)),
}
DISTINCT = {schedule: (name, schedule) for name, schedule in ALL} | {name: (name, schedule) for name, schedule in ALL}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", DISTINCT)
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_the_same_in_every_library(library: str, name: str, kind: str) -> None:
    """Agreement to rounding: libraries sum in different orders."""
    give, take = LIBRARIES[library]
    one = case(*DISTINCT[name], kind, n=3, dim=3, t=0.37, seed=7)
    times = np.linspace(0.2, 0.8, one.x.shape[0])
    for field in FIELDS:
        for t, t_given in ((one.t, one.t), (times, give(times))):
            wanted = getattr(one.interpolant, field)(t, one.x)
            got = getattr(one.interpolant, field)(t_given, give(one.x))
            assert type(got) is type(give(one.x))
            np.testing.assert_allclose(take(got), wanted, rtol=0, atol=one.band(wanted, one.x), err_msg=field)


@pytest.mark.parametrize("parameters", [torch.asarray, array_api_strict.asarray])
def test_parameters_of_one_library_serve_points_of_another(parameters: object) -> None:
    rng = np.random.default_rng(0)
    host = [mixture(rng, "full", 2, 3) for _ in range(2)]
    given = [GaussianMixture(*(parameters(a) for a in (m.weights, m.means, m.covariances))) for m in host]
    x = rng.normal(size=(4, 3))
    for schedule in (Schedule.linear(), Schedule.encoding_decoding()):
        wanted, got = (Interpolant(tuple(pair), schedule).velocity(0.3, x) for pair in (host, given))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=64 * EPS * np.abs(wanted).max())
    assert type(Interpolant(tuple(given), schedule).sample(0.5, 3, 0)) is type(given[0].means)
    # Constructors that do linear algebra on the parameters work in their library too.
    single = [GaussianMixture(m.weights[:1] * 0 + 1.0, m.means[:1, :], m.covariances[:1, :, :]) for m in given]
    assert type(Coupling.entropic(single[0], single[1], 0.5).cov01) is type(given[0].means)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("field", FIELDS)
def test_answer_is_the_float64_field_at_the_given_point_cast_to_its_dtype(dtype: torch.dtype, field: str) -> None:
    """The yardstick of a float32 subject is the exact field at its float32 point: no float32 arithmetic within."""
    one = case("independent", "linear", "full", n=3, dim=3, t=0.37, seed=3)
    x = torch.asarray(one.x).to(dtype)
    got = getattr(one.interpolant, field)(one.t, x)
    wanted = getattr(one.interpolant, field)(one.t, x.to(torch.float64)).to(dtype)
    assert got.dtype == dtype
    assert got.device == x.device
    assert torch.equal(got, wanted)


def test_numpy_float32_points_get_float32_answers() -> None:
    one = case("correlated", "linear", "full", n=3, dim=3, t=0.37, seed=3)
    x = one.x.astype(np.float32)
    times = np.full(x.shape[0], one.t)
    for field in FIELDS:
        got = getattr(one.interpolant, field)(times, x)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, getattr(one.interpolant, field)(one.t, x.astype(float)).astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_times", ["one", "few", "all"])
def test_batched_times_give_each_point_its_own_time(kind: str, n_times: str) -> None:
    one = case("correlated", "trigonometric", kind, n=3, dim=2, t=0.4, seed=1, n_points=24)
    rng = np.random.default_rng(0)
    times = {"one": np.full(24, 0.3), "few": rng.choice([0.2, 0.5, 0.9], 24), "all": rng.uniform(0.1, 0.9, 24)}[n_times]
    for field in FIELDS:
        got = getattr(one.interpolant, field)(times, one.x)
        singly = [getattr(one.interpolant, field)(float(t), x[None, :])[0] for t, x in zip(times, one.x, strict=True)]
        np.testing.assert_allclose(got, np.stack(singly), rtol=0, atol=one.band(got, one.x), err_msg=field)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("t", [0.37, "each"])
def test_blocks_change_nothing_but_rounding(kind: str, t: float | str) -> None:
    one = case("independent", "linear", kind, n=5, dim=3, t=0.37, seed=5, n_points=11)
    small = Interpolant(one.interpolant.coupling, one.interpolant.schedule, block_elements=7)
    when = np.linspace(0.1, 0.9, 11) if t == "each" else t
    for field in FIELDS:
        wanted, got = (getattr(i, field)(when, one.x) for i in (one.interpolant, small))
        np.testing.assert_allclose(got, wanted, rtol=0, atol=one.band(wanted, one.x), err_msg=field)


def test_no_points_no_trouble() -> None:
    one = case("independent", "linear", "full", n=2, dim=3, t=0.5, seed=0)
    for field in FIELDS:
        shape = getattr(one.interpolant, field)(0.5, one.x).shape
        assert getattr(one.interpolant, field)(0.5, one.x[:0]).shape == (0, *shape[1:])


def test_inputs_are_left_as_they_were() -> None:
    one = case("independent", "linear", "full", n=2, dim=3, t=0.5, seed=0)
    x, t = one.x.copy(), np.linspace(0.1, 0.9, one.x.shape[0])
    for field in FIELDS:
        getattr(one.interpolant, field)(t, x)
    np.testing.assert_array_equal(x, one.x)
    np.testing.assert_array_equal(t, np.linspace(0.1, 0.9, one.x.shape[0]))


def test_a_hundred_thousand_components_fit_in_blocks() -> None:
    """K = 1e5 agrees with the same law summed at once, and (N, K, D) is never formed (its peak would be 480 MB)."""
    import tracemalloc

    rng = np.random.default_rng(0)
    k, n = 100_000, 200
    target = GaussianMixture(np.full(k, 1 / k), rng.normal(size=(k, 3)), np.full(k, 0.05))
    interpolant = Interpolant((GaussianMixture([1.0], np.zeros((1, 3)), [1.0]), target), Schedule.one_sided_linear())
    x = rng.normal(size=(n, 3))
    interpolant.score(0.6, x[:1])
    tracemalloc.start()
    got = interpolant.score(0.6, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * k * 3 * 8 / 10
    variance = 0.4**2 + 0.6**2 * 0.05
    delta = x[:3, None, :] - 0.6 * target.means
    logs = -0.5 * np.sum(delta**2, axis=-1) / variance
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    wanted = -np.einsum("nk,nkd->nd", shares / shares.sum(axis=1, keepdims=True), delta) / variance
    # A sum of K terms added one after another: K eps at worst.
    np.testing.assert_allclose(got[:3], wanted, rtol=k * EPS, atol=k * EPS)
