"""The numba derivative kernel against the yardstick: kinds, chunks of components, tails, strides, probes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from si_verify.kernels.numba_divergence_law import evaluate, prepare
from si_verify.kernels.pack import pack
from si_verify.kernels.probes import Rademacher
from tests.si_verify.kernels.derivative_laws import off, vectors
from tests.si_verify.kernels.laws import UNITS, T, cloud, mixture

DTYPES = (torch.float64, torch.float32)
KINDS = ("isotropic", "diagonal", "full")


def law(interpolant, dtype):
    return prepare(pack(interpolant, T), str(dtype).removeprefix("torch."))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "k", "dim"), [(1, 1, 1), (7, 7, 3), (33, 300, 2), (20, 130, 5), (3, 3, 33)])
def test_every_shape_and_the_tails(n, k, dim, kind, dtype):
    interpolant = mixture(k, dim, kind)
    x = torch.cat([cloud(interpolant, n, dtype), 40 * cloud(interpolant, 3, dtype)])
    v = vectors(x)
    assert off(interpolant, x, v, evaluate(law(interpolant, dtype), x, v)) <= UNITS


@pytest.mark.parametrize("dtype", DTYPES)
def test_probes_drawn_inside_are_those_of_the_counter(dtype):
    interpolant = mixture(7, 140, "isotropic")
    x = cloud(interpolant, 41, dtype)
    made, probe = law(interpolant, dtype), Rademacher(2**63 + 12345, draw=7, first_row=2**32 - 41)
    inside, outside = evaluate(made, x, probe), evaluate(made, x, probe.like(x))
    for name, value in inside.items():
        assert torch.equal(value, outside[name]), name
    other = evaluate(made, x, Rademacher(2**63 + 12345, draw=8, first_row=2**32 - 41))
    # Where one isotropic component holds all weight the estimate is exact: the products tell probes apart.
    assert not torch.equal(other["velocity_jvp"], inside["velocity_jvp"])


def test_answers_without_a_probe_are_the_same_and_rows_are_their_own():
    interpolant = mixture(300, 3, "diagonal")
    x = cloud(interpolant, 50, torch.float64)
    v = vectors(x)
    made = law(interpolant, torch.float64)
    whole, without = evaluate(made, x, v), evaluate(made, x)
    assert set(without) == {"log_density", "score", "velocity", "divergence", "laplacian_log_density"}
    for name, value in without.items():
        assert torch.equal(value, whole[name]), name
    wide = torch.full((103, 9), float("nan"), dtype=x.dtype)
    wide[3:103:2, 1:7:2] = x
    for rows, at in ((slice(0, 50), wide[3:103:2, 1:7:2]), (slice(49, 50), x[49:]), (slice(5, 12), x[5:12])):
        for name, value in evaluate(made, at, v[rows]).items():
            assert torch.equal(value, whole[name][rows]), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiny_weights_and_nan_in_a_row(dtype):
    weights = np.array([1.0, 1e-12, 1e-6, 1e-9, 1e-12])
    interpolant = mixture(5, 2, "diagonal", weights / weights.sum())
    x = torch.tensor(np.asarray(interpolant.moments(T).mean), dtype=dtype)
    v = vectors(x)
    assert off(interpolant, x, v, evaluate(law(interpolant, dtype), x, v)) <= UNITS
    x[3, 1] = float("nan")
    for value in evaluate(law(interpolant, dtype), x, v).values():
        assert torch.isnan(value).reshape(5, -1).any(1).tolist() == [i == 3 for i in range(5)]


def test_bad_input():
    made, x = law(mixture(2, 3), torch.float64), torch.zeros(4, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="x: expected shape"):
        evaluate(made, x[:, :2])
    for probe in (x[:3], x.float()):
        with pytest.raises(ValueError, match="probe: expected shape"):
            evaluate(made, x, probe)
    with pytest.raises(ValueError, match="first_row"):
        evaluate(made, x, Rademacher(0, first_row=2**32 - 3))
    with pytest.raises(ValueError, match="draw: expected"):
        Rademacher(0, draw=-1)
    assert evaluate(made, x[:0])["score"].shape == (0, 3)
