"""The CUDA field kernels: compiled to PTX, and their logic run on the CPU against the yardstick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from si_verify.kernels.cuda_compile import entries, ptx
from si_verify.kernels.cuda_fields import device_law, evaluate
from si_verify.kernels.cuda_records import _LOG2E, _ROOT, records, scaled, words
from si_verify.kernels.cuda_source import field_kernel, source
from si_verify.kernels.pack import Packed, pack
from si_verify.kernels.pack_bfloat16 import rounded
from si_verify.subject import Unavailable
from tests.si_verify.kernels.cuda_on_cpu import Library
from tests.si_verify.kernels.laws import UNITS, T, cloud, mixture, worst, worst_of_law

ALL = ("log_density", "score", "velocity")
KINDS = ("isotropic", "diagonal", "full")
DIMS = (1, 3, 40)
DTYPES = (torch.float64, torch.float32)
HALF = {"inputs": "bfloat16"}
BRAIN = """
__device__ inline float brain(float v) {
    unsigned bits;
    memcpy(&bits, &v, sizeof v);
    return __uint_as_float((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u);
}
"""
# Sums that go on in bfloat16, in the narrow kernel and in the wide: total and score.
WRONG = (
    ("a[p].total += w;", "a[p].total = brain(a[p].total + w);"),
    ("total[p] += w[p];", "total[p] = brain(total[p] + w[p]);"),
    ("a[p].s[d] += Kind == DIAGONAL ?", "a[p].s[d] = brain(a[p].s[d]) + (Kind == DIAGONAL) ?"),
    ("s[p][c] += w[p] * pull[c] * delta[p][c];", "s[p][c] = brain(s[p][c] + w[p] * pull[c] * delta[p][c]);"),
)


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def broken(i: int, kernel: str) -> str:
    """The instance's name among those of a wrong source."""
    return f"wrong{i}::" + kernel.replace("Bfloat16", f"wrong{i}::Bfloat16")


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    names = [field_kernel(kind, dim, name(dtype), ALL).name for kind in KINDS for dim in DIMS for dtype in DTYPES]
    names.append(field_kernel("full", 3, "float64", ("score",)).name)
    names.append(field_kernel("full", 40, "float64", ("score",)).name)
    halves = [field_kernel(kind, dim, "bfloat16", ALL).name for kind in KINDS for dim in (3, 40)]
    code = [source(), BRAIN]
    for i, (old, new) in enumerate(WRONG):
        assert source().count(old) == 1
        code.append(f"namespace wrong{i} {{\n{source().replace(old, new)}\n}}")
        names.append(broken(i, field_kernel("diagonal", (3, 40)[i % 2], "bfloat16", ALL).name))
    built = Library([*names, *halves], tmp_path_factory.mktemp("cuda"), "\n".join(code))
    with built.installed():
        yield built


def run(library: Library, interpolant, x: torch.Tensor, quantities=ALL) -> dict[str, torch.Tensor]:
    return evaluate(device_law(pack(interpolant, T), x.dtype, x.device), x, quantities)


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_sources_compile_to_ptx(architecture):
    shapes = [("isotropic", 2, "float32"), ("diagonal", 16, "float64"), ("isotropic", 1000, "float32")]
    shapes += [("full", 16, "float32"), ("full", 128, "float32")]
    shapes += [("isotropic", 2, "bfloat16"), ("isotropic", 1000, "bfloat16"), ("full", 128, "bfloat16")]
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


def read(law: Packed) -> Packed:
    """The law that the kernels read with bfloat16 inputs, in float64."""
    if field_kernel(law.kind, law.dim, "bfloat16", ALL).narrow:
        return law
    law = rounded(scaled(law), _LOG2E)
    slope = law.slope * _ROOT if law.kind == "full" else law.slope
    return replace(
        law, log_weight=law.log_weight / _LOG2E, precision=law.precision / (0.5 * _LOG2E), whiten=law.whiten / _ROOT,
        slope=slope,
    )  # fmt: skip


def run_halved(interpolant, x: torch.Tensor) -> dict[str, torch.Tensor]:
    return evaluate(device_law(pack(interpolant, T), torch.bfloat16, x.device), x.to(torch.bfloat16), ALL)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [3, 40])
@pytest.mark.parametrize(("n", "k"), [(9, 1), (33, 7), (5, 50)])
def test_bfloat16_inputs_are_the_law_of_the_rounded_numbers(library, n, k, dim, kind):
    interpolant = mixture(k, dim, kind)
    x = cloud(interpolant, n, torch.float32)
    answer = run_halved(interpolant, x)
    assert all(value.dtype == torch.float32 for value in answer.values())
    assert worst_of_law(interpolant, read(pack(interpolant, T)), x.to(torch.bfloat16), answer) <= UNITS
    assert worst(interpolant, x, answer, HALF) <= UNITS
    assert worst(interpolant, x, answer) > UNITS


@pytest.mark.parametrize("i", range(len(WRONG)))
def test_sums_in_bfloat16_are_rejected(library, i, monkeypatch):
    # In many dimensions one component would hold all weight, and a total has no digits to lose: theirs overlap.
    interpolant = mixture(1000, (3, 40)[i % 2], "diagonal", spread=(2.0, 0.02)[i % 2])
    x = cloud(interpolant, 40 if i % 2 == 0 else 7, torch.float32)
    right = run_halved(interpolant, x)
    # Launched by the right name, run by the wrong source.
    names = [n.replace(f"wrong{i}::", "") if f"wrong{i}::" in n else "" for n in library.names]
    monkeypatch.setattr(library, "names", names)
    wrong = run_halved(interpolant, x)
    assert worst(interpolant, x, right, HALF) <= UNITS
    assert worst_of_law(interpolant, read(pack(interpolant, T)), x.to(torch.bfloat16), wrong) > UNITS
    if i % 2 == 0:
        assert worst(interpolant, x, wrong, HALF) > UNITS
