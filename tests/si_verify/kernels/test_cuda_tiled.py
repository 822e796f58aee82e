"""Isotropic fields in tiles: the kernel run on the CPU against the yardstick, and wrong sources rejected."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from si_verify.kernels.cuda_compile import entries, ptx
from si_verify.kernels.cuda_fields import device_law, evaluate
from si_verify.kernels.cuda_records import scaled
from si_verify.kernels.cuda_sass import assemble
from si_verify.kernels.cuda_source import field_kernel, source
from si_verify.kernels.cuda_tiled import FILES, device_tiles, instance, takes
from si_verify.kernels.pack import pack
from si_verify.subject import Unavailable
from tests.si_verify.kernels.cuda_on_cpu import Library
from tests.si_verify.kernels.laws import UNITS, T, cloud, mixture, worst

CPU, ALL = torch.device("cpu"), ("log_density", "score", "velocity")
WANTED = (("score",), ("velocity",), ("log_density", "score"))
DIMS = (33, 40, 70, 128)
WRONG = {
    "a sum not brought to its new maximum": ("++e) sum[p][q][e] *= shrink;", "++e);"),
    "a total not brought to it": ("            total[i] *= shrink;\n", ""),
    "a maximum of half the components": (" mask = 4; mask > 0; mask /= 2) high", " mask = 2; mask; mask /= 2) high"),
    "weights of the row beside": ("weights[c][2 * group + h]", "weights[c][2 * group + 1 - h]"),
    "a tile read as it is written": ("        __syncthreads();  // all", "        // all"),
    "weights read before they are there": ("        __syncthreads();  // the weights", "        // the weights"),
    "coordinates of the first half alone": ("lane + 16 * q < At::quads ? lane + 16 * q : 0", "lane"),
}  # fmt: skip


def namespace(name: str) -> str:
    return f"wrong{list(WRONG).index(name)}::"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    names, code = [instance(dim, "float32", wanted) for dim in DIMS for wanted in WANTED], [source(FILES)]
    for name, (old, new) in WRONG.items():
        assert source(FILES).count(old) == 1, name
        code.append(f"namespace {namespace(name)[:-2]} {{\n{source(FILES).replace(old, new)}\n}}")
        names.append(namespace(name) + instance(70, "float32", ("score",)))
    names += [field_kernel("isotropic", 40, "float32", wanted).name for wanted in (ALL, ("score",))]
    built = Library(names, tmp_path_factory.mktemp("tiled"), "\n".join(code))
    with built.installed():
        yield built


def run(interpolant, x: torch.Tensor, quantities: tuple[str, ...]) -> dict[str, torch.Tensor]:
    law = device_law(pack(interpolant, T), x.dtype, x.device)
    assert law.tiles is not None
    return evaluate(law, x, quantities)


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize(("n", "k", "dim"), [(1, 24, 40), (33, 33, 33), (70, 100, 70), (32, 64, 128), (40, 31, 128)])
def test_ragged_shapes_into_poisoned_outputs(library, n, k, dim, wanted):
    # Means so near that several components share a point, whose weights all matter.
    interpolant = mixture(k, dim, "isotropic", spread=0.2)
    x = cloud(interpolant, n, torch.float32)
    assert worst(interpolant, x, run(interpolant, x, wanted)) <= UNITS


def test_tails_weights_strides_and_a_row_alone(library):
    k, dim = 50, 40
    weights = 10.0 ** np.resize([0.0, -12.0, -6.0, -9.0], k)
    interpolant = mixture(k, dim, "isotropic", weights / weights.sum(), spread=0.3)
    x = torch.cat([cloud(interpolant, 30, torch.float32), 40 * cloud(interpolant, 9, torch.float32)])
    for wanted in WANTED:
        plain = run(interpolant, x, wanted)
        assert worst(interpolant, x, plain) <= UNITS
        wide = torch.full((90, 3 * dim), float("nan"))
        view = wide[3:81:2, 1 : 2 * dim : 2]
        view.copy_(x)
        for strided in (view, x.T.contiguous().T):
            for quantity, value in run(interpolant, strided, wanted).items():
                assert torch.equal(value, plain[quantity])
        for quantity, value in run(interpolant, x[35:36], wanted).items():
            assert torch.equal(value, plain[quantity][35:36])


def test_nan_stays_with_its_row(library):
    interpolant = mixture(40, 40, "isotropic", spread=0.2)
    x = cloud(interpolant, 40, torch.float32)
    plain = run(interpolant, x, ("score",))["score"]
    x[9, 3] = float("nan")
    answer = run(interpolant, x, ("score",))["score"]
    assert torch.isnan(answer[9]).all()
    assert torch.equal(torch.cat([answer[:9], answer[10:]]), torch.cat([plain[:9], plain[10:]]))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_source_is_rejected(library, wrong):
    interpolant = mixture(100, 70, "isotropic", spread=0.2)
    x = cloud(interpolant, 45, torch.float32)
    right = worst(interpolant, x, run(interpolant, x, ("score",)))
    library.namespace = namespace(wrong)
    try:
        answer = run(interpolant, x, ("score",))
    finally:
        library.namespace = ""
    assert right <= UNITS
    assert worst(interpolant, x, answer) > UNITS


def test_other_laws_and_all_at_once_stay_with_the_wide_kernel(library):
    for kind, k, dim in (("diagonal", 40, 40), ("isotropic", 40, 129), ("isotropic", 23, 40), ("isotropic", 40, 32)):
        assert device_tiles(scaled(pack(mixture(k, dim, kind), T)), torch.float32, CPU) is None
    units = scaled(pack(mixture(40, 40, "isotropic"), T))
    assert device_tiles(units, torch.float64, CPU) is None
    assert not takes(ALL)
    assert not takes(("log_density",))
    interpolant = mixture(40, 40, "isotropic")
    x = cloud(interpolant, 9, torch.float32)
    assert worst(interpolant, x, run(interpolant, x, ALL)) <= UNITS


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_source_compiles_to_ptx_and_does_not_spill(architecture):
    names = [instance(dim, "float32", wanted) for dim in (33, 128) for wanted in WANTED]
    try:
        assert len(entries(ptx(names, architecture, FILES))) == len(names)
        assert all(assemble(name, FILES).spilled == 0 for name in names)
    except Unavailable as error:
        pytest.skip(str(error))
