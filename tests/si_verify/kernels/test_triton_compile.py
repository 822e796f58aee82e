"""Every Triton kernel compiled for sm_80 and sm_90 with no GPU: room for it, and tensor cores just where meant.

Under TRITON_INTERPRET=1 nothing is compiled; there these are skips.
"""

from __future__ import annotations

import os

import pytest

pytest.importorskip("triton")
if os.environ.get("TRITON_INTERPRET") == "1":
    pytest.skip("kernels are interpreted, not compiled", allow_module_level=True)

from si_verify.kernels import triton_divergence, triton_mixture, triton_products
from si_verify.kernels.cuda_sass import instructions
from si_verify.kernels.product_loss import blocks
from si_verify.kernels.triton_compile import Compiled, compile_for

LOWEST = -3.4028234663852886e38
SHARED = {80: 163 * 1024, 90: 227 * 1024}  # bytes that a block may have (CUDA C++ programming guide, table 30)
ADDRESSES = 16  # bytes of stack: two addresses laid aside before a loop, and no number in one
DIVISIBLE = ("k", "dim", "x_row")  # as they are for the shapes here


def pointers(names: str, to: str = "*fp32") -> dict[str, str]:
    return dict.fromkeys(names.split(), to)


def mixture(sm: int, k: int, dim: int, form: str = "", kind: str = "isotropic", quantity: str = "score") -> Compiled:
    real = "*bf16" if form == "bfloat16" else "*fp32"
    dot = form == "tf32" or (k >= 16 and dim >= 16)
    bn, bk, bd = triton_mixture.tiles(k, dim, dot)
    types = pointers("x mean offset", real) | pointers("log_weight log_density score velocity")
    types |= pointers("precision slope", real if kind == "diagonal" else "*fp32")
    constants = {
        "x_col": 1, "ISO": kind == "isotropic", "DENSITY": quantity == "log_density", "SCORE": quantity == "score",
        "VELOCITY": quantity == "velocity", "DOT": dot, "TF32": form == "tf32", "LOWEST": LOWEST,
        "BN": bn, "BK": bk, "BD": bd,
    }  # fmt: skip
    types |= dict.fromkeys(("n", "k", "dim", "x_row"), "i32")
    return compile_for(triton_mixture.mixture_fields, constants, types, sm)


def products(sm: int, dim: int, spread: str, quantity: str = "score") -> tuple[Compiled, tuple[int, int, int]]:
    tile = triton_products.tiles(dim, spread, sm)
    types = pointers("x centre reach const bend reference pull pull_rate drift flow flow_rate")
    types |= pointers("log_density score velocity") | {"shift": "fp32"} | dict.fromkeys(("n", *DIVISIBLE), "i32")
    constants = {
        "x_col": 1, "SPREAD": triton_products.SPREADS[spread], "DENSITY": quantity == "log_density",
        "SCORE": quantity == "score", "VELOCITY": quantity == "velocity", "BN": tile[0], "BK": tile[1], "BD": dim,
        "WIDTH": dim // blocks(dim),
    }  # fmt: skip
    kernel = triton_products.mixture_products
    return compile_for(kernel, constants, types, sm, aligned=DIVISIBLE, stages=tile[2]), tile


@pytest.mark.parametrize("sm", [80, 90])
@pytest.mark.parametrize("form", ["", "bfloat16"])
@pytest.mark.parametrize(("k", "dim", "kind"), [(4, 2, "diagonal"), (64, 2, "isotropic"), (1024, 16, "diagonal")])
def test_plain_fields_fit_and_leave_tensor_cores_alone(sm, form, k, dim, kind):
    made = mixture(sm, k, dim, form, kind)
    assert made.stack <= ADDRESSES
    assert made.shared <= SHARED[sm]
    assert made.kinds() == set()


@pytest.mark.parametrize("sm", [80, 90])
@pytest.mark.parametrize("dim", [16, 128])
def test_sums_in_tf32_are_tensor_cores(sm, dim):
    assert mixture(sm, 1024, dim, "tf32").kinds() == {"HMMA.1688.F32.TF32"}


@pytest.mark.parametrize("sm", [80, 90])
@pytest.mark.parametrize(
    ("dim", "spread"), [(16, "shared"), (16, "isotropic"), (16, "diagonal"), (128, "shared"), (128, "isotropic")]
)
def test_products_are_tensor_cores_in_a_loop_without_spills(sm, dim, spread):
    made, (bn, bk, _) = products(sm, dim, spread)
    loop = made.loop()
    assert made.shared <= SHARED[sm]
    assert loop["LDL"] + loop["STL"] == 0
    code = "HGMMA" if sm == 90 else "HMMA"
    assert made.kinds()
    assert all(kind.startswith(code) and kind.endswith(".F32.TF32") for kind in made.kinds())
    # Three products each way, over twice as many factors where the bends and rates of a diagonal law are matrices.
    times = 6 if spread == "diagonal" else 3
    if sm == 90:  # eight terms, of 64 rows and all columns
        assert loop[code] == times * (dim // 8 + bk // 8) * (bn // 64)
    else:  # 16 × 8 × 8; warps may share no work, which makes more of them
        assert loop[code] >= times * 2 * bn * bk * dim // (16 * 8 * 8) // 4
    # A weight goes from one product into the next without a shuffle: those left belong to sums over a row.
    assert loop["SHFL"] <= (12 if sm == 90 or dim == 16 else 30)


def test_a_block_of_coordinates_is_added_outside_of_the_tensor_core():
    """Four additions a pair, which Triton would make one long accumulation if a block had one product only."""
    made, (bn, bk, _) = products(90, 128, "shared", "log_density")
    assert made.loop()["FADD"] >= 4 * bn * bk // 128


@pytest.mark.parametrize("sm", [80, 90])
@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
def test_derivatives_fit_and_leave_tensor_cores_alone(sm, kind):
    """Triton makes a product in TF32 of a sum that looks like one, of an isotropic law's one with a wrong shape."""
    bn, bk, bd = triton_divergence.tiles(64, 16)
    types = pointers("x log_weight mean precision slope offset traces probe scalars score velocity hess turn")
    types |= dict.fromkeys(("n", "k", "dim", "x_row", "draw", "first_row"), "i32") | {"seed": "i64"}
    constants = {"x_col": 1, "ISO": kind == "isotropic", "PROBING": True, "DRAWN": True, "LOWEST": LOWEST,
                 "BN": bn, "BK": bk, "BD": bd}  # fmt: skip
    made = compile_for(triton_divergence.mixture_derivatives, constants, types, sm)
    assert made.kinds() == set()
    assert made.stack <= ADDRESSES
    assert made.shared <= SHARED[sm]


def test_the_loop_is_that_of_the_products():
    listing = """
.L_x_1:
        /*0010*/              @!P0 FADD R1, R2, R3 ;
.L_x_3:
        /*0020*/                   HGMMA.64x16x8.F32.TF32 R8, R4, gdesc[UR4], R8 ;
        /*0030*/                   NOP ;
        /*0040*/              @P1  BRA `(.L_x_3) ;
        /*0050*/              @P1  BRA `(.L_x_1) ;
.L_x_2:
        /*0060*/                   BRA `(.L_x_2);
"""
    made = Compiled(1, 0, 0, tuple(instructions(listing.splitlines())))
    assert made.loop() == {"HGMMA": 1, "BRA": 1}
    assert made.kinds() == {"HGMMA.64x16x8.F32.TF32"}


def test_a_missing_type_is_named():
    with pytest.raises(ValueError, match="BK"):
        compile_for(triton_mixture.mixture_fields, {}, pointers("x"), 90)
