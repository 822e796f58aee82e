"""The fused path kernels: the same particles step by step outside them, with the same noise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from si_verify.kernels.cuda_compile import entries, ptx
from si_verify.kernels.cuda_paths import plan
from si_verify.kernels.cuda_records import path_records, stage_times
from si_verify.kernels.cuda_source import path_kernel, source
from si_verify.kernels.philox import normals
from si_verify.subject import Unavailable
from tests.si_verify.kernels.cuda_on_cpu import Library
from tests.si_verify.kernels.laws import mixture

KINDS, METHODS, DTYPES = ("isotropic", "diagonal", "full"), ("euler", "heun", "rk4"), ("float64", "float32")
SEED, STREAM, FIRST = (7 << 32) + 5, 3, 1000
TIMES = np.linspace(0.1, 0.8, 6)
N, K, DIM = 70, 6, 5


DRAWS = """
template <class Real> __global__ void draws(const Real* u, const Real* v, Real* even, Real* odd, Index n) {
    const Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) box_muller(u[i], v[i], even[i], odd[i]);
}
"""


def noisy(method: str) -> bool:
    return method != "rk4"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    names = [path_kernel(kind, DIM, dtype, m, noisy(m)) for kind in KINDS for dtype in DTYPES for m in METHODS]
    built = Library([*names, "draws<float>"], tmp_path_factory.mktemp("paths"), source() + DRAWS)
    with built.installed():
        yield built


def fused(interpolant, x, times, method, epsilon, first_step=0) -> np.ndarray:
    x = torch.as_tensor(x)
    paths = plan(interpolant, times, method, epsilon, x.dtype, x.device)
    return paths(x, SEED, stream=STREAM, first_particle=FIRST, first_step=first_step).numpy()


def one_step(interpolant, t0, t1, x, method, epsilon, step, dtype) -> np.ndarray:
    """The scheme from the yardstick's drift and the same noise, in float64."""
    h = t1 - t0
    direction = "forward" if h > 0 else "backward"

    def f(t, y):
        return np.asarray(interpolant.drift(t, y, epsilon, direction))

    noise = np.sqrt(2 * epsilon * abs(h)) * normals(FIRST + np.arange(len(x)), step, DIM, SEED, STREAM, dtype)
    if method == "euler":
        return x + h * f(t0, x) + noise
    if method == "heun":
        slope = f(t0, x)
        return x + 0.5 * h * (slope + f(t1, x + h * slope + noise)) + noise
    middle = t0 + 0.5 * h
    k1 = f(t0, x)
    k2 = f(middle, x + 0.5 * h * k1)
    k3 = f(middle, x + 0.5 * h * k2)
    return x + h * (k1 + 2 * k2 + 2 * k3 + f(t1, x + h * k3)) / 6


def allowed(x: np.ndarray, dtype: str) -> float:
    # 1000 units of the state: the drifts' conditions are below 1e2 here, times h, and a handful of roundings a step.
    return 1000 * float(np.finfo(dtype).eps) * np.abs(x).max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backward", [False, True])
def test_every_step_of_a_path_is_the_schemes_with_the_same_noise(library, kind, method, dtype, backward):
    interpolant = mixture(K, DIM, kind)
    epsilon = 0.7 if noisy(method) else 0.0
    times = TIMES[::-1] if backward else TIMES
    x = np.asarray(interpolant.sample(float(times[0]), N, 3)).astype(dtype)
    start = x
    for step, (t0, t1) in enumerate(pairwise(times)):
        exact = one_step(interpolant, t0, t1, x.astype(np.float64), method, epsilon, step, dtype)
        x = fused(interpolant, x, (t0, t1), method, epsilon, step)
        assert np.abs(x - exact).max() <= allowed(exact, dtype)
    whole = fused(interpolant, start, times, method, epsilon)
    # One launch of all steps is the same arithmetic as a launch a step.
    np.testing.assert_array_equal(whole, x)


def test_normals_of_any_uniform_are_a_few_units_off(library):
    """The logarithm and the turn are the kernel's own; near 1 a logarithm has nothing but its relative error."""
    rng = np.random.default_rng(0)
    edges = [2.0**-33, 2.0**-32, 0.25, 0.5, np.sqrt(0.5), 0.75, 1 - 2.0**-24, 1 - 2.0**-12, 1.0]
    u = np.append(np.repeat(edges, 1000), np.exp(-(10.0 ** rng.uniform(-7, 1.3, 20_000))))
    v = np.resize(np.append(np.arange(17) / 16, rng.random(983)), u.shape)
    u, v = (torch.as_tensor(a, dtype=torch.float32).clamp(2.0**-33, 1.0) for a in (u, v))
    even, odd = torch.full_like(u, torch.nan), torch.full_like(u, torch.nan)
    library("draws<float>", -(-len(u) // 128), 128, u, v, even, odd, np.int64(len(u)))
    radius, angle = torch.sqrt(-2 * torch.log(u.double())), 2 * np.pi * v.double()
    allowed = 4 * torch.finfo(torch.float32).eps * radius
    assert bool(((even - radius * torch.cos(angle)).abs() <= allowed).all())
    assert bool(((odd - radius * torch.sin(angle)).abs() <= allowed).all())


def test_noise_follows_the_particle_not_its_place(library):
    interpolant = mixture(K, DIM, "diagonal")
    x = np.zeros((N, DIM))
    a = fused(interpolant, x, TIMES, "euler", 0.5)
    assert len(np.unique(a)) == a.size
    assert np.array_equal(a[:9], fused(interpolant, x[:9], TIMES, "euler", 0.5))


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_sources_compile_to_ptx(architecture):
    names = [path_kernel("isotropic", 16, "float32", "euler", True), path_kernel("full", 8, "float64", "rk4", False)]
    try:
        assert len(entries(ptx(names, architecture))) == 2
    except Unavailable as error:
        pytest.skip(str(error))


def test_bad_paths_are_refused():
    interpolant = mixture(2, 2)
    for times, message in (((0.1,), "two"), ((0.1, 0.1), "monotone"), ((0.1, 0.4, 0.2), "monotone")):
        with pytest.raises(ValueError, match=message):
            path_records(interpolant, times, "euler", 0.5, np.float32)
    with pytest.raises(ValueError, match="method"):
        stage_times((0.0, 1.0), "milstein")
    with pytest.raises(ValueError, match="epsilon"):
        path_records(interpolant, (0.1, 0.2), "euler", -1.0, np.float32)
    with pytest.raises(ValueError, match="one thread"):
        path_kernel("full", 64, "float32", "euler", True)
    cpu = torch.device("cpu")
    with pytest.raises(ValueError, match="rk4"):
        plan(interpolant, (0.1, 0.2), "rk4", 0.5, torch.float32, cpu)
    paths = plan(interpolant, (0.1, 0.2), "euler", 0.5, torch.float32, cpu)
    with pytest.raises(ValueError, match="first_particle"):
        paths(torch.zeros(2, 2), 1, first_particle=2**32 - 1)
    with pytest.raises(ValueError, match="x0"):
        paths(torch.zeros(2, 3), 1)
