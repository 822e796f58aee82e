"""The CUDA derivative kernel: compiled to PTX, and its logic run on the CPU against the yardstick."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from si_verify.kernels.cuda_compile import entries, ptx
from si_verify.kernels.cuda_divergence import FILES, device_law, evaluate, instance, lanes
from si_verify.kernels.cuda_source import source
from si_verify.kernels.pack import pack
from si_verify.kernels.probes import Rademacher
from si_verify.subject import Unavailable
from tests.si_verify.kernels import cuda_on_cpu
from tests.si_verify.kernels.derivative_laws import off, vectors
from tests.si_verify.kernels.laws import UNITS, T, cloud, mixture

KINDS = ("isotropic", "diagonal", "full")
DIMS = (1, 3, 40)  # one, one and sixteen threads a point
STRETCHES = ((9001, 3), (4500, 5))  # components, and coordinates of one thread or two: three stretches and two
DTYPES = (torch.float64, torch.float32)
PARAMETERS = (
    "const R* x, Index xr, Index xc, Index n, Index k, const R* a, const R* b, const R* c, const R* d, const R* e, "
    "const R* f, const R* g, const R* h, const R* i, const R* p, unsigned long long s, unsigned t, unsigned u, R* v, "
    "R* w"
)


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class Library(cuda_on_cpu.Library):
    """Its outputs, the last two arguments, are poisoned before a launch."""

    def launch(self, name, blocks, threads, device, *arguments, **more):
        for output in arguments[-2:]:
            output.fill_(float("nan"))
        super().launch(name, blocks, threads, device, *arguments, **more)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    cuda_on_cpu._PARAMETERS["derivatives"] = PARAMETERS
    names = [instance(kind, dim, name(dtype), True) for kind in KINDS for dim in DIMS for dtype in DTYPES]
    names += [instance("diagonal", 3, "float64", False), instance("full", 40, "float64", False)]
    names += [instance("diagonal", 5, "float32", True)]
    built = Library(names, tmp_path_factory.mktemp("cuda"), source(FILES))
    with built.installed():
        yield built


def run(interpolant, x: torch.Tensor, probe=None) -> dict[str, torch.Tensor]:
    return evaluate(device_law(pack(interpolant, T), x.dtype, x.device), x, probe)


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_source_compiles_to_ptx(architecture):
    shapes = [("isotropic", 2, "float32"), ("diagonal", 16, "float64"), ("isotropic", 1000, "float32")]
    shapes += [("full", 4, "float64"), ("full", 16, "float32"), ("full", 256, "float64")]
    kernels = [instance(*shape, probing) for shape in shapes for probing in (False, True)]
    try:
        text = ptx(kernels, architecture, FILES)
    except Unavailable as error:
        pytest.skip(str(error))
    assert len(entries(text)) == len(kernels)


def test_threads_that_share_a_point():
    assert [lanes(d) for d in (1, 4, 5, 8, 16, 40, 128, 1000)] == [1, 1, 2, 2, 4, 16, 32, 32]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize(("n", "k"), [(1, 7), (33, 1), (9, 33)])
def test_ragged_shapes_and_tails_into_poisoned_outputs(library, n, k, dim, kind, dtype):
    interpolant = mixture(k, dim, kind)
    x = torch.cat([cloud(interpolant, n, dtype), 40 * cloud(interpolant, 2, dtype)])
    v = vectors(x)
    assert off(interpolant, x, v, run(interpolant, x, v)) <= UNITS


@pytest.mark.parametrize(("kind", "dim"), [("diagonal", 3), ("full", 40)])
def test_without_a_probe(library, kind, dim):
    interpolant = mixture(7, dim, kind)
    x = cloud(interpolant, 9, torch.float64)
    answer, whole = run(interpolant, x), run(interpolant, x, vectors(x))
    assert set(answer) == {"log_density", "score", "velocity", "divergence", "laplacian_log_density"}
    for quantity, value in answer.items():
        assert torch.equal(value, whole[quantity]), quantity


@pytest.mark.parametrize(("k", "dim"), STRETCHES)
def test_stretches_of_components_merge(library, k, dim):
    """The last stretch is a part of one; the best component moves from stretch to stretch with the point."""
    interpolant = mixture(k, dim, "diagonal")
    x = cloud(interpolant, 4, torch.float32)
    v = vectors(x)
    assert off(interpolant, x, v, run(interpolant, x, v)) <= UNITS


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "dim"), [("isotropic", 3), ("diagonal", 40), ("full", 40)])
def test_probes_drawn_inside_are_those_of_the_counter(library, kind, dim, dtype):
    interpolant = mixture(3, dim, kind)
    x = cloud(interpolant, 11, dtype)
    probe = Rademacher(2**63 + 12345, draw=7, first_row=2**32 - 11)
    outside = run(interpolant, x, probe.like(x))
    for quantity, value in run(interpolant, x, probe).items():
        assert torch.equal(value, outside[quantity]), quantity


@pytest.mark.parametrize("dim", [3, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_strides_and_offsets(library, kind, dim):
    interpolant = mixture(7, dim, kind)
    x = cloud(interpolant, 17, torch.float64)
    v = vectors(x)
    plain = run(interpolant, x, v)
    wide = torch.full((50, 3 * dim + 2), float("nan"), dtype=x.dtype)
    view = wide[3:37:2, 1 : 2 * dim + 1 : 2]
    view.copy_(x)
    for strided in (view, x.T.contiguous().T):
        for quantity, value in run(interpolant, strided, v).items():
            assert torch.equal(value, plain[quantity]), quantity


def test_tiny_weights(library):
    weights = np.array([1.0, 1e-12, 1e-6, 1e-9, 1e-12])
    interpolant = mixture(5, 3, "diagonal", weights / weights.sum())
    x = torch.tensor(np.asarray(interpolant.moments(T).mean), dtype=torch.float32)
    v = vectors(x)
    assert off(interpolant, x, v, run(interpolant, x, v)) <= UNITS


def test_bad_input_and_an_empty_batch(library):
    interpolant = mixture(2, 3, "full")
    assert run(interpolant, torch.empty(0, 3))["score"].shape == (0, 3)
    with pytest.raises(ValueError, match="expected shape"):
        run(interpolant, torch.zeros(4, 2))
    with pytest.raises(ValueError, match="dim: expected at most"):
        instance("full", 1000, "float32", True)
