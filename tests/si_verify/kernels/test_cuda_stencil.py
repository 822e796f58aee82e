"""The CUDA stencils: compiled to PTX, and run on the CPU against the scheme written out and the fused one of numba."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.case import Case
from si_verify.density.cases import box, density_case
from si_verify.execute import run_case
from si_verify.gate import Verdict
from si_verify.kernels.cuda_compile import entries, ptx
from si_verify.kernels.cuda_source import STENCIL, source
from si_verify.kernels.cuda_stencil import TILES, Tile, several, several_kernel, stage, stage_kernel
from si_verify.subject import Unavailable
from si_verify.subjects.pde import cuda_fused, fluxes, fused, fused_kernels
from si_verify.subjects.pde.marching import explicit_steps, march, ssp2
from tests.si_verify.kernels.cuda_on_cpu import Library

DTYPES = (torch.float64, torch.float32)
SMALL = Tile(4, 32, 2)
FACTORS = ((1.0, 0.02), (0.9, 0.03), (1.1, 0.01))
SHAPES = ((1,), (70,), (1, 9), (9, 1), (5, 33), (17, 100), (41, 61), (300, 3), (1, 1, 5), (4, 9, 33), (37, 3, 2))
# Each by its place in the source and what stands there instead. All stay within their arrays.
WRONG = {
    "a halo too small": (
        ("(Tall - 2 * stages) - stages;", "(Tall - 2 * stages) - stages + 1;"),
        ("row >= stages && row < Tall - stages &&", "row >= stages - 1 && row < Tall - stages - 1 &&"),
    ),
    "a wall that lets through": (("bool left = column > near &&", "bool left = column > 0 && column >= near &&"),),
    "a stale tile": (("plane[top + r][column] = here[r]", "if (!Second) plane[top + r][column] = here[r]"),),
    "no barrier before the next stage writes": (("__syncthreads();  // all", "// all"),),
    "a row's flux not handed on": (("        below = above;\n        here[r]", "        here[r]"),),
    "averaged with the wrong stage": (("Second ? mean(moved, began[r], keep)", "Second ? mean(moved, here[r], keep)"),),
    "a wall of density zero": (("w2[face], c2) : Real(0)", "w2[face], c2) : flux(Real(0), here, Real(0), c2)"),),
    "the drift of the face before": (("a0 * w0[at + plane]", "a0 * w0[at]"),),
    "rows of drift as long as rows of density": (("at + i * l + j;", "at;"),),
}  # fmt: skip


def broken(name: str) -> str:
    text = source(STENCIL)
    for old, new in WRONG[name]:
        assert text.count(old) == 1, (name, text.count(old))
        text = text.replace(old, new)
    return text


def namespace(name: str) -> str:
    return "wrong" + str(list(WRONG).index(name)) + "::"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    names = [stage_kernel(dtype, dim) for dtype in DTYPES for dim in (2, 3)]
    names += [several_kernel(dtype, averaged, SMALL) for dtype in DTYPES for averaged in (False, True)]
    names += [several_kernel(dtype, True) for dtype in DTYPES]
    code = [source(STENCIL)]
    for name in WRONG:
        code.append(f"namespace {namespace(name)[:-2]} {{\n{broken(name)}\n}}")
        names += [namespace(name) + stage_kernel(torch.float64, 2)]
        names += [namespace(name) + several_kernel(torch.float64, True, SMALL)]
    built = Library(names, tmp_path_factory.mktemp("stencil"), "\n".join(code))
    with built.installed():
        yield built


def setting(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """ρ, drift on the faces with NaN on the walls, and another density."""
    rng = np.random.default_rng(shape)
    faces = []
    for axis in range(len(shape)):
        w = torch.as_tensor(rng.uniform(-0.05, 0.05, [s + (d == axis) for d, s in enumerate(shape)])).to(dtype)
        w.select(axis, 0).fill_(float("nan"))
        w.select(axis, -1).fill_(float("nan"))
        faces.append(w)
    rho, base = (torch.as_tensor(rng.random(shape)).to(dtype) for _ in range(2))
    return rho, faces, base


def written_out(rho: torch.Tensor, faces: list[torch.Tensor], factors) -> torch.Tensor:
    """ρ − ∂F in float64."""
    state = rho.double()
    after = state.clone()
    for axis, (w, (a, c)) in enumerate(zip(faces, factors, strict=False)):
        size = rho.shape[axis] - 1
        low, high = state.narrow(axis, 0, size), state.narrow(axis, 1, size)
        drift = a * w.double().narrow(axis, 1, size)
        flux = drift * (low + high) - drift.abs().clamp(min=c) * (high - low)
        after.narrow(axis, 0, size).sub_(flux)
        after.narrow(axis, 1, size).add_(flux)
    return after


def one_by_one(rho, faces, factors, stages: int, keep: float) -> torch.Tensor:
    """The stages of ``several`` in a pass each."""
    began = rho
    for s in range(stages):
        if s % 2 == 0:
            began = rho
        rho = stage(began, rho, faces, factors, keep if s % 2 else 0.0)
    return rho


@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_the_sources_compile_to_ptx(architecture):
    names = [stage_kernel(dtype, dim) for dtype in DTYPES for dim in (2, 3)]
    names += [several_kernel(dtype, averaged) for dtype in DTYPES for averaged in (False, True)]
    try:
        text = ptx(names, architecture, STENCIL)
    except Unavailable as error:
        pytest.skip(str(error))
    assert len(entries(text)) == len(names)
    assert f".target sm_{architecture[-2:]}" in text


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_stage_is_the_scheme_and_keeps_mass(library, shape, dtype):
    rho, faces, base = setting(shape, dtype)
    after, eps = written_out(rho, faces, FACTORS), torch.finfo(dtype).eps
    factors = FACTORS[: len(shape)]
    out, mixed = stage(base, rho, faces, factors), stage(base, rho, faces, factors, 0.25)
    # Six fluxes of three roundings each on numbers below 1, and their sum.
    assert float((out - after).abs().max()) <= 24 * eps
    assert float((mixed - (0.25 * base.double() + 0.75 * after)).abs().max()) <= 24 * eps
    assert (
        abs(math.fsum(out.double().flatten().tolist()) - math.fsum(rho.double().flatten().tolist()))
        <= 8 * eps * rho.numel() ** 0.5
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 200), (9, 40), (65, 131)])
def test_a_stage_is_numbas_to_the_bit(library, shape, dtype):
    pytest.importorskip("numba")
    rho, faces, base = setting(shape, dtype)
    kind = np.dtype(str(dtype).removeprefix("torch.")).type
    flat = [kind(v) for pair in FACTORS[:2] for v in pair]
    out = np.empty_like(rho.numpy())
    arrays = (base.numpy(), rho.numpy(), *(w.numpy() for w in faces))
    fused_kernels.compiled().stage(*arrays, out, kind(0.25), *flat, 8)
    np.testing.assert_array_equal(stage(base, rho, faces, FACTORS[:2], 0.25).numpy(), out)


@pytest.mark.parametrize(("stages", "keep"), [(1, 0.0), (2, 0.0), (2, 0.5), (3, 0.0), (3, 0.25)])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) < 3])
def test_stages_in_tiles_are_the_stages_one_by_one(library, shape, dtype, stages, keep):
    """To the bit: every rounding is spelled out, and a tile's halo holds all that its cells depend on."""
    rho, faces, _ = setting(shape, dtype)
    factors = FACTORS[: len(shape)]
    expected = one_by_one(rho, faces, factors, stages, keep)
    assert torch.equal(several(rho, faces, factors, stages, keep, tile=SMALL), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_four_steps_in_the_tile_that_runs(library, dtype):
    rho, faces, _ = setting((61, 150), dtype)
    expected = one_by_one(rho, faces, FACTORS[:2], 8, 0.5)
    assert torch.equal(several(rho, faces, FACTORS[:2], 8, 0.5), expected)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_stencil_is_rejected(library, wrong):
    rho, faces, base = setting((17, 71), torch.float64)
    factors, eps = FACTORS[:2], torch.finfo(torch.float64).eps
    once, many = stage(base, rho, faces, factors), one_by_one(rho, faces, factors, 2, 0.5)
    library.namespace = namespace(wrong)
    try:
        gaps = [stage(base, rho, faces, factors) - once, several(rho, faces, factors, 2, 0.5, tile=SMALL) - many]
    finally:
        library.namespace = ""
    worst = max(float(torch.nan_to_num(gap.abs(), nan=torch.inf).max()) for gap in gaps)
    assert worst > 1e6 * eps


@pytest.mark.parametrize(("name", "cells"), [("1d-bimodal", 64), ("correlated-2d", 24)])
def test_whole_solves_are_those_of_numba(library, name, cells):
    pytest.importorskip("numba")
    case = density_case(problems.get(name), "varying", span=(0.5, 0.55))
    problem = case.on(box(case.problem, cells), "averages", torch.float64)
    for ours, theirs in ((cuda_fused.marched, fused.solve), (cuda_fused.marched_blocked, fused.solve_blocked)):
        a, b = ours(problem, [0.5, 0.55]), theirs(problem, [0.5, 0.55])
        assert float((a - problem.initial).abs().max()) > 1e-4  # something has moved
        # Some 64 stages, each of which rounds the cells a few times, and shares of tau that may differ in the last bit.
        assert float((a - b).abs().max()) <= 256 * torch.finfo(a.dtype).eps * float(b.max())


def hybrid(drift: torch.Tensor, rho: torch.Tensor, axis: int, h: float, eps: float) -> torch.Tensor:
    low, high = fluxes.left(rho, axis), fluxes.right(rho, axis)
    return 0.5 * drift * (low + high) - (0.5 * drift.abs()).clamp(min=eps / h) * (high - low)


def test_a_solve_in_three_dimensions_is_the_schemes_in_torch(library):
    case = density_case(problems.get("product-3d"), "varying", span=(0.5, 0.51))
    problem, times = case.on(box(case.problem, 12), "averages", torch.float64), [0.5, 0.51]
    ours = cuda_fused.marched(problem, times)
    theirs = march(problem, times, ssp2(fluxes.divergence_of(problem, hybrid)), explicit_steps(problem))
    assert float((ours[-1] - ours[0]).abs().max()) > 1e-6 * float(ours.max())
    assert float((ours - theirs).abs().max()) <= 256 * torch.finfo(ours.dtype).eps * float(theirs.max())
    with pytest.raises(ValueError, match="one or two"):
        cuda_fused.marched_blocked(problem, times)


def test_without_a_gpu_the_subjects_are_recorded_skips():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    for name in ("pde/cuda-fused", "pde/cuda-fused-blocked"):
        case = Case("pde-mass", name, "1d-bimodal", "float64", "cpu", 0, "quick", 1e-6)
        result = run_case(case, {name: discovery.subjects()[name]})
        assert result.verdict is Verdict.SKIPPED
        assert "CUDA" in result.reason


def test_bad_input_is_named():
    rho, faces, base = setting((5, 6), torch.float64)
    with pytest.raises(ValueError, match="faces"):
        stage(base, rho, faces[:1], FACTORS)
    with pytest.raises(ValueError, match="faces"):
        stage(base, rho, faces[::-1], FACTORS)
    with pytest.raises(ValueError, match="base"):
        stage(base[:4], rho, faces, FACTORS)
    with pytest.raises(ValueError, match="rho"):
        stage_kernel(torch.float16, 2)
    for stages in (0, 4):
        with pytest.raises(ValueError, match="stages"):
            several(rho, faces, FACTORS, stages, tile=SMALL)
    assert all(tile.inside(8) for tile in TILES.values())
    with pytest.raises(ValueError, match="one or two"):
        several(*setting((4, 4, 4), torch.float64)[:2], FACTORS, 2)
