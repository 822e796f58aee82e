"""The numba kernels: elementary functions to the last place, ragged shapes, far tails, poisoned outputs, two fields."""

from __future__ import annotations

import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify.fields.conditioning import sensitivity

numba = pytest.importorskip("numba")

from si_verify.kernels import numba_elementary as elementary  # noqa: E402
from si_verify.kernels import numba_law, pack_one_end  # noqa: E402
from si_verify.kernels.numba_fields import CHUNK  # noqa: E402
from si_verify.kernels.numba_lanes import intrinsic, load, permutes, spread, store, width_of  # noqa: E402
from si_verify.kernels.numba_sums import exponentials  # noqa: E402
from si_verify.kernels.pack import pack  # noqa: E402
from si_verify.kernels.pack_ends import pack_ends  # noqa: E402
from si_verify.subjects.fields import numba_fields  # noqa: E402

T = 0.4


@numba.njit
def _elementary(x, base, powers, logs):
    w = width_of(x)
    for i in range(0, len(x), w):
        store(powers, i, elementary.exp2_below(load(x, i), load(base, i)))
        store(logs, i, elementary.log2(load(powers, i)))


@pytest.mark.parametrize(("dtype", "low"), [("float64", -950.0), ("float32", -115.0)])
def test_powers_and_logarithms_are_right_to_a_few_halves_of_the_last_place(dtype, low):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(low, 0, 4096), rng.uniform(-1, 0, 4096)]).astype(dtype)
    powers, logs = np.empty_like(x), np.empty_like(x)
    _elementary(x, np.zeros_like(x), powers, logs)
    eps = np.finfo(dtype).eps
    assert np.abs(powers / np.exp2(x.astype(np.longdouble)) - 1).max() <= eps
    exact = np.log2(powers.astype(np.longdouble))
    assert (np.abs(logs - exact) / np.maximum(np.abs(exact), 0.1)).max() <= 2 * eps
    special = np.full_like(x, -np.inf)
    special[:2] = np.nan, 0.0
    _elementary(special, np.zeros_like(x), powers, logs)
    assert np.isnan(powers[0])
    assert np.isnan(logs[0])
    assert (powers[1], logs[1]) == (1.0, 0.0)
    assert (powers[2:] == 2.0 ** elementary.LOWEST[8 * powers.itemsize]).all()


def _form(looked_up):
    @intrinsic
    def power(typing, x):
        return x(x), lambda context, builder, sig, args: elementary.emit_exp2(builder, args[0], looked_up)

    @numba.njit
    def powers(x, answers):
        for i in range(0, len(x), width_of(x)):
            store(answers, i, power(load(x, i)))

    return powers


@pytest.mark.parametrize("looked_up", [False, True], ids=["polynomial", "looked up"])
@pytest.mark.parametrize(("dtype", "low", "high"), [("float64", -1000.0, 1000.0), ("float32", -120.0, 120.0)])
def test_both_forms_of_a_power_are_right_to_a_unit_and_exact_at_whole_numbers(dtype, low, high, looked_up):
    if looked_up and not permutes():
        pytest.skip("this machine does not look up a register's numbers in one instruction (AVX-512)")
    near = np.arange(-2048, 2048) / 256.0  # ties of every rounding among them
    x = np.concatenate([np.random.default_rng(1).uniform(low, high, 4096), near]).astype(dtype)
    powers = np.empty_like(x)
    _form(looked_up)(x, powers)
    assert np.abs(powers / np.exp2(x.astype(np.longdouble)) - 1).max() <= np.finfo(dtype).eps
    assert (powers[4096::256] == 2.0 ** near[::256]).all()


def test_a_machine_that_numba_is_told_of_is_the_one_that_code_is_made_for():
    """numba reads what it was told when it is imported: NUMBA_CPU_NAME=generic has no features at all."""
    ask = "from si_verify.kernels.numba_lanes import permutes; print(permutes())"
    for told, answer in (("generic", "False"), ("skylake-avx512", "True")):
        features = {"NUMBA_CPU_FEATURES": "+avx2,+avx512f"} if told != "generic" else {}
        told_so = (
            {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")} | {"NUMBA_CPU_NAME": told} | features
        )
        done = subprocess.run([sys.executable, "-c", ask], env=told_so, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == answer


@numba.njit
def _shares(logits, count, tops, sums):
    w = width_of(logits)
    least = spread(logits.dtype.type(-np.inf))
    top0, top1, sum0, sum1 = exponentials(logits, count, least, least)
    store(tops, 0, top0)
    store(tops, w, top1)
    store(sums, 0, sum0)
    store(sums, w, sum1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [1, 4, 7])
@pytest.mark.parametrize("place", [0.0, -300.25, -3e5, 1e6, -1e15, -1e30])
def test_shares_keep_their_digits_wherever_the_logits_lie(dtype, count, place):
    """A whole number near the maximum is taken away in the rounding; beyond what that can hold, before it."""
    points = 2 * 64 // np.dtype(dtype).itemsize
    # Far out numbers have no digits for a spread of forty: there it is a thousandth of the place.
    size = max(40.0, 1e-3 * abs(place) if abs(place) >= 1e30 else 0.0)
    spread_out = size * np.random.default_rng(count).uniform(-1, 0, (count, points))
    logits = (place + spread_out).astype(dtype)
    exact = logits.astype(np.longdouble)
    tops, sums, found = np.empty(points, dtype), np.empty(points, dtype), logits.reshape(-1).copy()
    _shares(found, count, tops, sums)
    assert (tops == np.rint(exact.max(0))).all()
    eps = np.finfo(dtype).eps
    wanted = np.exp2(np.maximum(exact - tops, elementary.LOWEST[8 * logits.itemsize]))
    assert np.abs(found.reshape(count, points) / wanted - 1).max() <= 2 * eps
    assert np.abs(sums / wanted.sum(0) - 1).max() <= (count + 1) * eps


@pytest.mark.parametrize("bits", [64, 32])
def test_the_polynomials_are_the_fits_they_say_they_are(bits):
    with mpmath.workdps(40):
        log_two = mpmath.log(2)
        half = mpmath.mpf(1) / 2
        power = mpmath.chebyfit(lambda r: (2**r - 1) / r if r else log_two, [-half, half], len(elementary.EXP2[bits]))
        edge = (3 - 2 * mpmath.sqrt(2)) ** 2
        log = mpmath.chebyfit(
            lambda v: 2 * mpmath.atanh(mpmath.sqrt(v)) / mpmath.sqrt(v) / log_two if v else 2 / log_two,
            [0, edge],
            len(elementary.LOG2[bits]),
        )
        short = mpmath.chebyfit(
            lambda r: (2**r - 1) / r if r else log_two, [-half * bits / 512, half * bits / 512],
            len(elementary.SHORT_EXP2[bits]),
        )  # fmt: skip
    assert [float(c) for c in short] == pytest.approx(elementary.SHORT_EXP2[bits], rel=1e-14)
    assert [float(c) for c in power] == pytest.approx(elementary.EXP2[bits], rel=1e-14)
    assert [float(c) for c in log] == pytest.approx(elementary.LOG2[bits], rel=1e-14)


def _interpolant(kind: str, k: int, dim: int, extreme: bool = False) -> Interpolant:
    rng = np.random.default_rng([k, dim])
    weights = rng.dirichlet(np.full(k, 1.0)) if not extreme else np.exp(-30.0 * rng.uniform(size=k))
    weights /= weights.sum()
    scale = rng.uniform(0.3, 1.5, k)
    cov = {"isotropic": scale, "diagonal": scale[:, None] * rng.uniform(0.5, 2.0, (k, dim))}.get(kind)
    if cov is None:
        root = rng.standard_normal((k, dim, dim)) / np.sqrt(dim)
        cov = scale[:, None, None] * (np.eye(dim) + root @ root.swapaxes(1, 2))
    base = GaussianMixture(np.ones(1), np.zeros((1, dim)), np.ones(1))
    target = GaussianMixture(weights, 4.0 * rng.standard_normal((k, dim)), cov)
    return Interpolant(Coupling.independent(base, target), Schedule.one_sided_linear())


def _worst(interpolant: Interpolant, x: torch.Tensor, quantity: str, answer: torch.Tensor, t: float = T) -> float:
    exact = torch.as_tensor(getattr(interpolant, quantity)(t, x.double()))
    scale = sensitivity(interpolant, t, x, torch.Generator().manual_seed(0))[quantity]
    gap = (answer.double() - exact).abs()
    gap = gap if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
    return float((gap / (torch.finfo(x.dtype).eps * scale)).max())


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full"])
@pytest.mark.parametrize(
    ("k", "dim", "n"),
    [(1, 1, 1), (7, 2, 33), (33, 3, 7), (129, 4, 34), (5, 7, 40), (3, 8, 70), (400, 16, 33), (6, 33, 17)],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ragged_shapes_and_tails_within_a_hundred_units(kind, k, dim, n, dtype):
    if kind == "full" and k > 200:
        pytest.skip("the same path as smaller ones, and slow to make")
    interpolant = _interpolant(kind, k, dim, extreme=k == 7)
    rng = np.random.default_rng(1)
    x = torch.as_tensor(rng.standard_normal((n, dim)) * rng.choice([0.1, 3.0, 60.0], size=(n, 1))).to(dtype)
    fields = numba_fields.build(interpolant, dtype, torch.device("cpu"))
    for quantity, f in fields.items():
        assert _worst(interpolant, x, quantity, f(T, x)) <= 100.0, quantity


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_many_components_in_any_order_lose_no_more_than_a_chunk_does(dtype):
    """Half of the means on either side of the point, in order: running sums reach far past what is left of them."""
    k, rng = 20_000, np.random.default_rng(3)
    means = np.sort(8.0 * rng.standard_normal(k))[:, None] + np.zeros((1, 2))
    base = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones(1))
    target = GaussianMixture(np.full(k, 1 / k), means, np.full(k, 60.0))
    interpolant = Interpolant(Coupling.independent(base, target), Schedule.one_sided_linear())
    x = torch.as_tensor(rng.normal(scale=2.0, size=(5, 2))).to(dtype)
    fields = numba_fields.build(interpolant, dtype, torch.device("cpu"))
    for quantity, f in fields.items():
        assert _worst(interpolant, x, quantity, f(T, x)) <= CHUNK**0.5, quantity  # 128 roundings, of either sign


@pytest.mark.parametrize(
    ("k0", "k1", "dim", "n"),
    [(3, 4, 1, 9), (4, 5, 3, 34), (2, 9, 6, 17), (8, 8, 16, 200), (5, 7, 33, 70), (4, 4, 130, 3)],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("t", [T, 0.02, 0.97])
@pytest.mark.parametrize("alone", [True, False], ids=["one end", "both ends"])
def test_full_covariances_of_both_ends_by_their_ends(k0, k1, dim, n, dtype, t, alone, monkeypatch):
    """Chunks of components and tiles of blocks are both cut here, and padded coordinates sit beside every D."""
    if not alone:
        monkeypatch.setattr(pack_one_end, "pack_one_end", lambda interpolant, t: None)
    rng = np.random.default_rng([k0, k1, dim])

    def end(k: int) -> GaussianMixture:
        root = rng.standard_normal((k, dim, dim)) / np.sqrt(dim)
        cov = rng.uniform(0.3, 1.5, k)[:, None, None] * (np.eye(dim) + root @ root.swapaxes(1, 2))
        return GaussianMixture(rng.dirichlet(np.ones(k)), 3.0 * rng.standard_normal((k, dim)), cov)

    interpolant = Interpolant(Coupling.independent(end(k0), end(k1)), Schedule.linear())
    ends = pack_ends(interpolant, t)
    assert (ends is None) == (2 * (k0 + k1) > k0 * k1)
    assert not alone or pack_one_end.pack_one_end(interpolant, t) is not None
    x = torch.as_tensor(rng.standard_normal((n, dim)) * rng.choice([0.1, 3.0, 60.0], size=(n, 1))).to(dtype)
    fields = numba_fields.build(interpolant, dtype, torch.device("cpu"))
    for quantity, f in fields.items():
        assert _worst(interpolant, x, quantity, f(t, x), t) <= 100.0, quantity
    x[0] = float("nan")
    assert torch.isnan(fields["velocity"](t, x)[0]).all()
    assert torch.equal(fields["velocity"](t, x[1:]), fields["velocity"](t, x)[1:])


def test_ends_are_not_taken_where_a_coupling_correlates_them():
    cov = np.repeat(np.array([[[1.0, 0.2], [0.2, 1.0]]]), 9, 0)
    mirror = Coupling.mirror(GaussianMixture(np.full(9, 1 / 9), np.arange(18.0).reshape(9, 2), cov))
    assert pack_ends(Interpolant(mirror, Schedule.linear()), T) is None


def test_two_fields_and_the_density_in_one_pass_are_those_of_three():
    interpolant = _interpolant("diagonal", 9, 5)
    packed = pack(interpolant, T)
    law = numba_law.prepare(packed, "float64", [numba_law.affine(packed, q) for q in ("score", "velocity")])
    x = torch.randn(100, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    logs, (score, velocity) = numba_law.evaluate(law, x, True)
    for name, value in (("log_density", logs), ("score", score), ("velocity", velocity)):
        assert _worst(interpolant, x, name, value) <= 100.0


def test_views_are_read_as_they_are_and_nan_comes_out_where_it_went_in():
    interpolant = _interpolant("isotropic", 4, 2)
    score = numba_fields.build(interpolant, torch.float64, torch.device("cpu"))["score"]
    wide = torch.randn(101, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = wide[1::2, 2:4]
    assert torch.equal(score(T, x), score(T, x.contiguous()))
    bad = x.clone()
    bad[17] = float("nan")
    answer = score(T, bad)
    assert torch.isnan(answer[17]).all()
    assert torch.equal(answer[:17], score(T, x)[:17])
