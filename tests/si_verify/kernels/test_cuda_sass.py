"""Counts of machine code: on a listing written out, on a kernel whose counts are plain, and that no kernel spills."""

from __future__ import annotations

import pytest
import torch

from benchmarks.kernels import sass
from si_verify.kernels import cuda_compile, cuda_divergence
from si_verify.kernels.cuda_sass import Assembled, assemble, innermost, instructions, loops, mix
from si_verify.kernels.cuda_source import MIXTURE, STENCIL, field_kernel, path_kernel
from si_verify.kernels.cuda_stencil import several_kernel, stage_kernel
from si_verify.subject import Unavailable

LISTING = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;
.L_x_1:
        /*0010*/                   LDG.E.CONSTANT R2, desc[UR4][R4.64] ;
.L_x_0:
        /*0020*/                   FFMA R7, R2, R7.reuse, 1 ;
        /*0030*/                   MUFU.EX2 R7, R7 ;
        /*0040*/              @!P0 FADD R7, R7, R2 ;
        /*0050*/               @P0 BRA `(.L_x_0) ;
        /*0060*/                   ISETP.GE.AND P0, PT, R0, UR5, PT ;
        /*0070*/              @!P0 BRA `(.L_x_1) ;
        /*0080*/               @P1 BRA `(.L_x_3) ;
        /*0090*/                   NOP ;
.L_x_3:
        /*00a0*/                   EXIT ;
.L_x_4:
        /*00b0*/                   BRA `(.L_x_4) ;
"""
TINY = """
template <int Width> __global__ void tiny(const float* __restrict__ x, float* y, int n) {
    float sum = y[threadIdx.x];
#pragma unroll 1
    for (int i = 0; i < n; ++i) sum = fmaf(sum, x[i * Width], 1.0f) * x[i * Width];
    y[threadIdx.x] = sum;
}
template <int Width> __global__ void spilling(float* y, const int* at) {
    float held[Width];
    for (int i = 0; i < Width; ++i) held[i] = y[i];
    for (int i = 0; i < Width; ++i) held[at[i]] += 1.0f;
    for (int i = 0; i < Width; ++i) y[i] = held[i];
}
"""


def assembled(name: str, files: tuple[str, ...]) -> Assembled:
    try:
        return assemble(name, files)
    except Unavailable as error:
        pytest.skip(str(error))


def test_a_listing_written_out():
    body = tuple(instructions(LISTING.splitlines()))
    assert [i.code for i in body[:3]] == ["LDC", "LDG.E.CONSTANT", "FFMA"]
    assert [(a.first, a.last) for a in loops(body)] == [(2, 5), (1, 7)]
    assert [(a.first, a.last) for a in innermost(body, "MUFU.EX2")] == [(2, 5)]
    assert [(a.first, a.last) for a in innermost(body, "LDG")] == [(1, 7)]
    counts = mix(body[1:8])
    assert {k: v for k, v in counts.items() if v} == {"FFMA": 1, "FADD": 1, "MUFU": 1, "LDG": 1, "other": 3}
    assert sum(mix(body).values()) == len(body) - 1  # all but the NOP
    found = Assembled("listing", 40, 0, 0, body)
    row = sass.Row("listing", "listing", mark="MUFU", marks=0.5, points=2)
    counted = sass.count(row, found)
    assert counted.unit == 4 * 0.5  # four instructions, one mark, half a mark a unit
    assert counted.once == (len(body) - 1 - 4) / 2


def test_resident_blocks_by_each_limit():
    held = Assembled("limits", 40, 0, 2048, ())
    assert held.blocks(128) == 12  # 40 · 128 of 65536 registers
    assert Assembled("limits", 16, 0, 0, ()).blocks(128) == 16  # 2048 threads
    assert held.blocks(128, 64 * 1024) == 3  # 228 KiB
    assert Assembled("limits", 41, 0, 0, ()).blocks(128) == 10  # 48 a thread, as warps get them


def test_a_kernel_whose_counts_are_plain(monkeypatch):
    monkeypatch.setattr(cuda_compile, "source", lambda files: TINY)
    tiny = assembled("tiny<3>", ("tiny",))
    (loop,) = innermost(tiny.body, "FFMA")
    counts = mix(tiny.body[loop.first : loop.last + 1])
    assert (counts["FFMA"], counts["FMUL"], counts["LDG"], counts["MUFU"]) == (1, 1, 1, 0)
    assert tiny.spilled == 0
    assert assembled("spilling<40>", ("tiny",)).spilled > 0


@pytest.mark.parametrize(
    "name",
    [field_kernel(*shape, "float32", ("score",)).name for shape in (("isotropic", 16), ("full", 16), ("diagonal", 32))]
    + [field_kernel("full", 16, dtype, ("velocity",)).name for dtype in ("float32", "float64")]
    + [field_kernel("isotropic", 16, "float64", ("log_density", "score", "velocity")).name]
    + [path_kernel("isotropic", 16, dtype, "euler", True) for dtype in ("float32", "float64")],
)
def test_fields_and_paths_do_not_spill(name):
    assert assembled(name, MIXTURE).spilled == 0


# several<double, ..., true> is known to: 23 of some 600 instructions store what its 128 registers do not hold.
@pytest.mark.parametrize(
    "name",
    [several_kernel(torch.float32, averaged) for averaged in (False, True)]
    + [several_kernel(torch.float64, False), *(stage_kernel(torch.float32, d) for d in (2, 3))],
)
def test_stencils_do_not_spill(name):
    assert assembled(name, STENCIL).spilled == 0


@pytest.mark.parametrize(("kind", "dim"), [("isotropic", 16), ("full", 16), ("full", 128)])
def test_derivatives_do_not_spill(kind, dim):
    name = cuda_divergence.instance(kind, dim, "float32", True)
    assert assembled(name, cuda_divergence.FILES).spilled == 0


def test_every_row_of_the_table_has_a_loop_that_is_found():
    rows = sass.rows()
    assert {row.name.split("<")[0] for row in rows} >= {"fields_narrow", "fields_wide", "paths", "several", "stage"}
    row = next(row for row in rows if row.case.startswith("isotropic, K = 64, D = 2,"))
    counted = sass.count(row, assembled(row.name, row.files))
    # Below the differences, squares and sums there is nothing: 3 D and a weight; 15 are the floor for all.
    assert 3 * 2 + 4 <= counted.unit <= 1.25 * 15
    assert counted.kinds["MUFU"] == pytest.approx(1.25)
