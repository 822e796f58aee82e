"""Full covariances of many dimensions as products of matrices: run on the CPU against the yardstick; wrong sources."""

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
from si_verify.kernels.cuda_triangles import FILES, device_triangles, instance
from si_verify.kernels.pack import pack
from si_verify.kernels.pack_one_end import pack_one_end
from si_verify.subject import Unavailable
from tests.si_verify.kernels.cuda_on_cpu import Library
from tests.si_verify.kernels.laws import UNITS, T, mixture, worst
from tests.si_verify.kernels.test_cuda_ends import law, points

CPU, ALL = torch.device("cpu"), ("log_density", "score", "velocity")
WANTED = (("score",), ("velocity",), ("log_density", "velocity"))
DIMS = (17, 40, 128)
WRONG = {
    "a sum not brought to its new maximum": ("                own[p][i] *= shrink;\n", ""),
    "a total not brought to it": ("total[p] * shrink + w", "total[p] + w"),
    "a block below the diagonal left out": ("Shape == LOWER ? b : 0", "Shape == LOWER ? b + 1 : 0"),
    "a block too few of the transpose": ("Shape == UPPER ? b + 1 : Count", "Shape == UPPER ? b : Count"),
    "half of a point's threads": ("int mask = 8; mask", "int mask = 4; mask"),
    "the matrix of the end before": ("ends + end *", "ends + (end > 0 ? end - 1 : 0) *"),
    "what was parked not brought to the new top": ("y[p][i] + (begun ? before *", "y[p][i] + (begun ?"),
    "a chunk read as it is written": ("        __syncthreads();  // the chunk", "        // the chunk"),
    "a rate about the origin": (" - centre[d])", ")"),
}  # fmt: skip


def namespace(name: str) -> str:
    return f"wrong{list(WRONG).index(name)}::"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    names, code = [instance(dim, "float32", wanted) for dim in DIMS for wanted in WANTED], [source(FILES)]
    for name, (old, new) in WRONG.items():
        assert source(FILES).count(old) == 1, name
        code.append(f"namespace {namespace(name)[:-2]} {{\n{source(FILES).replace(old, new)}\n}}")
        names.append(namespace(name) + instance(40, "float32", ("velocity",)))
    names += [field_kernel("full", 40, "float32", wanted).name for wanted in (ALL, ("velocity",))]
    built = Library(names, tmp_path_factory.mktemp("triangles"), "\n".join(code))
    with built.installed():
        yield built


def run(interpolant, x: torch.Tensor, quantities: tuple[str, ...]) -> dict[str, torch.Tensor]:
    packed = device_law(pack(interpolant, T), x.dtype, x.device, pack_one_end(interpolant, T))
    assert packed.triangles is not None
    return evaluate(packed, x, quantities)


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize(
    ("n", "k0", "k1", "dim", "out"), [(1, 4, 3, 17, 0), (70, 3, 5, 40, 2), (33, 5, 2, 40, 0), (34, 2, 3, 128, 1)]
)
def test_ragged_shapes_and_tails_into_poisoned_outputs(library, n, k0, k1, dim, out, wanted):
    interpolant = law(k0, k1, dim, out, spread=0.3)
    x = points(interpolant, n, "float32")
    assert worst(interpolant, x, run(interpolant, x, wanted)) <= UNITS


def test_weights_strides_a_row_alone_and_nan(library):
    interpolant = law(3, 5, 40, 0, 10.0 ** np.resize([0.0, -12.0, -6.0, -9.0], 15), spread=0.3)
    x = points(interpolant, 39, "float32")
    for wanted in WANTED:
        plain = run(interpolant, x, wanted)
        assert worst(interpolant, x, plain) <= UNITS
        wide = torch.full((90, 122), float("nan"))
        view = wide[3:81:2, 1:81:2]
        view.copy_(x)
        for strided in (view, x.T.contiguous().T):
            for quantity, value in run(interpolant, strided, wanted).items():
                assert torch.equal(value, plain[quantity])
        bad = x.clone()
        bad[7, 3] = float("nan")
        answer = run(interpolant, bad, wanted)
        for quantity, value in answer.items():
            assert torch.isnan(value[7]).all()
            assert torch.equal(value[8:], plain[quantity][8:])
            assert torch.equal(run(interpolant, x[35:36], wanted)[quantity], plain[quantity][35:36])


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_source_is_rejected(library, wrong):
    interpolant = law(3, 7, 40, 2, spread=0.3)
    x = points(interpolant, 45, "float32")
    right = worst(interpolant, x, run(interpolant, x, ("velocity",)))
    library.namespace = namespace(wrong)
    try:
        answer = run(interpolant, x, ("velocity",))
    finally:
        library.namespace = ""
    assert right <= UNITS
    assert worst(interpolant, x, answer) > UNITS


def test_what_the_kernel_does_not_take_stays_with_the_wide_one(library):
    interpolant = law(3, 4, 40, spread=0.3)
    units, end = scaled(pack(interpolant, T)), pack_one_end(interpolant, T)
    assert device_triangles(units, end, torch.float64, CPU) is None
    assert device_triangles(scaled(pack(mixture(5, 16, "full"), T)), None, torch.float32, CPU) is None
    alone = device_triangles(units, None, torch.float32, CPU)
    assert alone is not None
    assert alone.takes(("score",))
    assert not alone.takes(("velocity",))
    x = points(interpolant, 9, "float32")
    assert worst(interpolant, x, run(interpolant, x, ALL)) <= UNITS


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_source_compiles_to_ptx_and_does_not_spill(architecture):
    names = [instance(128, "float32", wanted) for wanted in WANTED]
    try:
        assert len(entries(ptx(names, architecture, FILES))) == len(names)
        assert all(assemble(name, FILES).spilled == 0 for name in names)
    except Unavailable as error:
        pytest.skip(str(error))
