"""The CUDA field kernels: compiled to PTX, and their logic run on the CPU against the yardstick."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from si_verify.kernels.cuda_compile import entries, ptx
from si_verify.kernels.cuda_fields import device_law, evaluate
from si_verify.kernels.cuda_records import records, scaled, words
from si_verify.kernels.cuda_source import field_kernel
from si_verify.kernels.pack import pack
from si_verify.subject import Unavailable
from tests.si_verify.kernels.cuda_on_cpu import Library
from tests.si_verify.kernels.laws import UNITS, T, cloud, mixture, worst

ALL = ("log_density", "score", "velocity")
KINDS = ("isotropic", "diagonal", "full")
DIMS = (1, 3, 40)
DTYPES = (torch.float64, torch.float32)


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    names = [field_kernel(kind, dim, name(dtype), ALL).name for kind in KINDS for dim in DIMS for dtype in DTYPES]
    names.append(field_kernel("full", 3, "float64", ("score",)).name)
    names.append(field_kernel("full", 40, "float64", ("score",)).name)
    built = Library(names, tmp_path_factory.mktemp("cuda"))
    with built.installed():
        yield built


def run(library: Library, interpolant, x: torch.Tensor, quantities=ALL) -> dict[str, torch.Tensor]:
    return evaluate(device_law(pack(interpolant, T), x.dtype, x.device), x, quantities)


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_sources_compile_to_ptx(architecture):
    shapes = [("isotropic", 2, "float32"), ("diagonal", 16, "float64"), ("isotropic", 1000, "float32")]
    shapes += [("full", 16, "float32"), ("full", 128, "float32")]
    kernels = [field_kernel(*shape, ALL).name for shape in shapes]
    try:
        text = ptx(kernels, architecture)
    except Unavailable as error:
        pytest.skip(str(error))
    assert len(entries(text)) == len(kernels)
    assert f".target sm_{architecture[-2:]}" in text


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(("n", "k"), [(1, 7), (7, 1), (33, 7), (300, 33)])
def test_ragged_shapes_into_poisoned_outputs(library, n, k, dim, kind, dtype):
    if n == 300 and dim == 40:
        n = 20  # the same last blocks, in less time
    interpolant = mixture(k, dim, kind)
    x = cloud(interpolant, n, dtype)
    assert worst(interpolant, x, run(library, interpolant, x)) <= UNITS


@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
def test_more_components_than_a_tile(library, kind):
    interpolant = mixture(1000, 3, kind)
    x = cloud(interpolant, 7, torch.float32)
    assert worst(interpolant, x, run(library, interpolant, x)) <= UNITS


@pytest.mark.parametrize("dim", [3, 40])
def test_sums_parked_between_stretches_of_components(library, dim):
    """Two stretches and a part of one; the best component moves from stretch to stretch with the point."""
    interpolant = mixture(9001, dim, "diagonal")
    x = cloud(interpolant, 5, torch.float32)
    assert worst(interpolant, x, run(library, interpolant, x)) <= UNITS


@pytest.mark.parametrize("dim", [3, 40])
def test_one_quantity_alone(library, dim):
    interpolant = mixture(7, dim, "full")
    x = cloud(interpolant, 9, torch.float64)
    assert worst(interpolant, x, run(library, interpolant, x, ("score",))) <= UNITS


@pytest.mark.parametrize("dim", [3, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_strides_offsets_and_tails(library, kind, dim):
    interpolant = mixture(7, dim, kind)
    x = torch.cat([cloud(interpolant, 17, torch.float64), 40 * cloud(interpolant, 3, torch.float64)])
    plain = run(library, interpolant, x)
    assert worst(interpolant, x, plain) <= UNITS
    wide = torch.full((50, 3 * dim + 2), float("nan"), dtype=x.dtype)
    view = wide[3:43:2, 1 : 2 * dim + 1 : 2]
    view.copy_(x)
    for strided in (view, x.T.contiguous().T):
        for quantity, value in run(library, interpolant, strided).items():
            assert torch.equal(value, plain[quantity]), quantity


@pytest.mark.parametrize("dim", [3, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tiny_weights(library, dim, dtype):
    weights = np.array([1.0, 1e-12, 1e-6, 1e-9, 1e-12])
    interpolant = mixture(5, dim, "diagonal", weights / weights.sum())
    x = torch.tensor(np.asarray(interpolant.moments(T).mean), dtype=dtype)
    assert worst(interpolant, x, run(library, interpolant, x)) <= UNITS


def test_records_are_as_long_as_the_layout_and_padded_with_nothing():
    for kind in KINDS:
        table = records(scaled(pack(mixture(5, 3, kind), T)), np.float32)
        assert table.shape == (8, words(kind, 3))
        assert np.isneginf(table[5:, 0]).all()
        assert not table[5:, 1:].any()


def test_an_empty_batch_and_bad_input():
    law = device_law(pack(mixture(2, 3, "full"), T), torch.float32, torch.device("cpu"))
    assert evaluate(law, torch.empty(0, 3), ("score",))["score"].shape == (0, 3)
    for x in (torch.zeros(4, 2), torch.zeros(4, 3, dtype=torch.float64)):
        with pytest.raises(ValueError, match="expected shape"):
            evaluate(law, x, ("score",))


def test_full_covariances_beyond_the_kernel_are_refused():
    with pytest.raises(ValueError, match="dim"):
        field_kernel("full", 1000, "float32", ALL)
