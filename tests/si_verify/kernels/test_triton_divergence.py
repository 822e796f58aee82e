"""The Triton derivative kernel, in the interpreter where there is no GPU (test_triton_interpreter_divergence.py)."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

pytest.importorskip("triton")
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no GPU: test_triton_interpreter_divergence.py runs these", allow_module_level=True)

from si_verify.kernels.pack import pack
from si_verify.kernels.probes import Rademacher
from si_verify.kernels.triton_divergence import device_law, evaluate
from tests.si_verify.kernels import laws
from tests.si_verify.kernels.derivative_laws import off, vectors
from tests.si_verify.kernels.laws import UNITS, T, mixture

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPES = (torch.float64, torch.float32)


def cloud(interpolant, n: int, dtype: torch.dtype) -> torch.Tensor:
    return laws.cloud(interpolant, n, dtype).to(DEVICE)


def run(interpolant, x: torch.Tensor, probe=None, **options) -> dict[str, torch.Tensor]:
    return evaluate(device_law(pack(interpolant, T), x.dtype, x.device), x, probe, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
@pytest.mark.parametrize(("n", "k", "dim"), [(1, 1, 1), (7, 1, 7), (33, 7, 1), (5, 33, 33), (17, 130, 2), (2, 3, 140)])
def test_ragged_shapes_and_tails(n, k, dim, kind, dtype):
    interpolant = mixture(k, dim, kind)
    x = torch.cat([cloud(interpolant, n, dtype), 40 * cloud(interpolant, 2, dtype)])
    v = vectors(x)
    assert off(interpolant, x, v, run(interpolant, x, v)) <= UNITS


@pytest.mark.parametrize("probing", [False, True])
@pytest.mark.parametrize("tile", [(16, 2, 2), (32, 8, 4), (16, 64, 8)])
@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
def test_any_tile_into_poisoned_outputs(kind, tile, probing):
    interpolant = mixture(19, 5, kind)
    x = cloud(interpolant, 21, torch.float64)
    v = vectors(x)
    nan = float("nan")
    out = (
        torch.full((5 if probing else 3, 21), nan, dtype=x.dtype, device=DEVICE),
        torch.full((4 if probing else 2, 21, 5), nan, dtype=x.dtype, device=DEVICE),
    )
    assert off(interpolant, x, v, run(interpolant, x, v if probing else None, tile=tile, out=out)) <= UNITS


@pytest.mark.parametrize("dtype", DTYPES)
def test_probes_drawn_inside_are_those_of_the_counter(dtype):
    interpolant = mixture(3, 140, "isotropic")
    x = cloud(interpolant, 11, dtype)
    probe = Rademacher(2**63 + 12345, draw=7, first_row=2**32 - 11)
    outside = run(interpolant, x, probe.like(x))
    for name, value in run(interpolant, x, probe).items():
        assert torch.equal(value, outside[name]), name


def test_strides_and_rows_of_their_own():
    interpolant = mixture(9, 3)
    x = cloud(interpolant, 33, torch.float64)
    v = vectors(x)
    whole = run(interpolant, x, v)
    wide = torch.full((70, 9), float("nan"), dtype=x.dtype, device=DEVICE)
    wide[3:69:2, 1:7:2] = x
    for rows, at in ((slice(0, 33), wide[3:69:2, 1:7:2]), (slice(0, 33), x.T.contiguous().T), (slice(5, 12), x[5:12])):
        for name, value in run(interpolant, at, v[rows]).items():
            assert torch.equal(value, whole[name][rows]), name


def test_tiny_weights():
    weights = np.array([1.0, 1e-12, 1e-6, 1e-9, 1e-12])
    interpolant = mixture(5, 2, weights=weights / weights.sum())
    x = torch.as_tensor(np.asarray(interpolant.moments(T).mean)).to(DEVICE, torch.float32)
    v = vectors(x)
    assert off(interpolant, x, v, run(interpolant, x, v, tile=(16, 2, 2))) <= UNITS


def test_bad_input_and_an_empty_batch():
    interpolant = mixture(2, 3)
    assert run(interpolant, torch.empty(0, 3, dtype=torch.float64, device=DEVICE))["score"].shape == (0, 3)
    x = torch.zeros(4, 3, dtype=torch.float64, device=DEVICE)
    with pytest.raises(ValueError, match="expected shape"):
        run(interpolant, x[:, :2])
    with pytest.raises(ValueError, match="expected at most 32"):
        run(interpolant, x, tile=(16, 2, 64))
    with pytest.raises(ValueError, match="full"):
        device_law(pack(mixture(2, 3, "full"), T), x.dtype, x.device)
