"""Fused paths: the same path step by step from noise drawn outside, cut anywhere; noise to the last places."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

from si_verify.bench.mixtures import Shape, interpolant

pytest.importorskip("numba")

from si_verify.kernels import numba_noise, numba_paths
from si_verify.kernels.numba_walk import plan
from si_verify.kernels.philox import normals

SEED = 2**33 + 7
TIMES = np.linspace(0.05, 0.9, 8)


def _replay(law, times, method, epsilon, x, dtype):
    """The path with the yardstick's fields, in float64."""
    for i in range(len(times) - 1):
        t, u = times[i], times[i + 1]
        h = u - t
        way = "forward" if h > 0 else "backward"

        def drift(s, y, way=way):
            return torch.as_tensor(law.drift(s, y, epsilon, way) if epsilon else law.velocity(s, y))

        z = normals(np.arange(len(x)), i, x.shape[1], SEED, dtype=dtype) if epsilon else np.zeros(x.shape)
        noise = np.sqrt(2 * epsilon * abs(h)) * torch.as_tensor(z)
        f = drift(t, x)
        if method == "heun":
            f = 0.5 * (f + drift(u, x + h * f + noise))
        if method == "rk4":
            k2 = drift(t + h / 2, x + h / 2 * f)
            k3 = drift(t + h / 2, x + h / 2 * k2)
            f = (f + 2 * k2 + 2 * k3 + drift(u, x + h * k3)) / 6
        x = x + h * f + noise
    return x


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [Shape(4, 2, 40), Shape(7, 3, 37, "diag"), Shape(6, 5, 33, "full", base=2)], ids=str)
@pytest.mark.parametrize(("method", "epsilon"), [("euler", 0.5), ("heun", 0.5), ("rk4", 0.0)])
@pytest.mark.parametrize("backward", [False, True])
def test_a_path_is_the_one_its_noise_makes(dtype, shape, method, epsilon, backward):
    law, times = interpolant(shape), TIMES[::-1] if backward else TIMES
    x0 = torch.as_tensor(law.sample(times[0], shape.n, 3)).to(getattr(torch, dtype))
    ours = plan(law, times, method, epsilon, x0.dtype)(x0, SEED).double()
    exact = _replay(law, times, method, epsilon, x0.double(), dtype)
    # Seven steps of a few units each; the flow between modes stretches them by up to two orders.
    assert float(((ours - exact) / (1 + exact.abs())).abs().max()) <= 2000 * torch.finfo(x0.dtype).eps


def test_a_path_cut_in_two_and_particles_cut_apart_give_the_same_numbers():
    shape = Shape(4, 2, 40)
    law = interpolant(shape)
    x0 = torch.as_tensor(law.sample(0.05, 40, 3))
    whole = plan(law, TIMES, "euler", 0.5, torch.float64)(x0, SEED)
    first, second = (plan(law, part, "euler", 0.5, torch.float64) for part in (TIMES[:4], TIMES[3:]))
    assert torch.equal(second(first(x0, SEED), SEED, first_step=3), whole)
    parts = [
        plan(law, TIMES, "euler", 0.5, torch.float64)(x0[a:b], SEED, first_particle=a) for a, b in ((0, 7), (7, 40))
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(plan(law, TIMES, "euler", 0.5, torch.float64)(x0, SEED, stream=1), whole)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dim", [1, 2, 5, 16])
def test_normals_are_those_of_philox_py(dtype, dim):
    width = 8 if dtype == "float64" else 16
    noise, later = np.zeros((2, (2 * dim + 8) * width), dtype)
    one = noise.dtype.type(1)
    step = 2**32 - 1  # the next one is step 0
    numba_paths.fluctuate(noise, later, dim, one, 2 * one, 2**32 - 3, step, 2, np.uint64(SEED))
    particles = (2**32 - 3 + np.arange(2 * width)) % 2**32
    for found, when, scale in ((noise, step, 1.0), (later, 0, 2.0)):
        exact = scale * normals(particles, when, dim, SEED, 2, dtype)
        ours = found[: 2 * dim * width].reshape(dim, 2 * width).T
        assert np.abs(ours - exact).max() <= scale * 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("bits", [64, 32])
def test_sine_and_cosine_are_the_fits_they_say_they_are(bits):
    with mpmath.workdps(40):
        turn = 2 * mpmath.pi
        edge = mpmath.mpf(1) / 16
        sine = mpmath.chebyfit(
            lambda u: mpmath.sin(turn * mpmath.sqrt(u)) / mpmath.sqrt(u) if u else turn, [0, edge],
            len(numba_noise.SINE[bits]),
        )  # fmt: skip
        cosine = mpmath.chebyfit(lambda u: mpmath.cos(turn * mpmath.sqrt(u)), [0, edge], len(numba_noise.COSINE[bits]))
    assert [float(c) for c in sine] == pytest.approx(numba_noise.SINE[bits], rel=1e-14)
    assert [float(c) for c in cosine] == pytest.approx(numba_noise.COSINE[bits], rel=1e-14)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"epsilon": -1.0}, "epsilon"), ({"method": "rk4"}, "epsilon"), ({"times": [0.1, 0.3, 0.2]}, "times"),
     ({"method": "milstein"}, "method")],
)  # fmt: skip
def test_bad_input_names_the_argument(change, named):
    given = {"times": TIMES, "method": "euler", "epsilon": 0.5} | change
    with pytest.raises(ValueError, match=named):
        plan(interpolant(Shape(4, 2, 40)), given["times"], given["method"], given["epsilon"], torch.float64)
