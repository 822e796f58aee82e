"""The Triton kernel, in the interpreter where there is no GPU: every tail, stride and weight against the yardstick."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("triton")
if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no GPU: test_triton_interpreter.py runs these in the interpreter", allow_module_level=True)

import triton
import triton.language as tl

from analytic import Interpolant
from si_verify import discovery
from si_verify.case import Case
from si_verify.execute import run_case
from si_verify.gate import Verdict
from si_verify.kernels.pack import pack
from si_verify.kernels.pack_bfloat16 import as_bfloat16, rounded
from si_verify.kernels.triton_mixture import evaluate, nearest_tf32
from tests.si_verify.kernels import laws
from tests.si_verify.kernels.laws import UNITS, T, mixture, worst, worst_of_law

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPES = (torch.float64, torch.float32)


def cloud(interpolant: Interpolant, n: int, dtype: torch.dtype) -> torch.Tensor:
    return laws.cloud(interpolant, n, dtype).to(DEVICE)


def run(interpolant: Interpolant, x: torch.Tensor, **options) -> dict[str, torch.Tensor]:
    return evaluate(pack(interpolant, T).to(x.dtype, x.device), x, **options)


SHAPES = [
    (1, 1, 1),
    (7, 1, 7),
    (33, 7, 1),
    (1, 33, 7),
    (7, 33, 33),
    (33, 7, 33),
    (1000, 7, 3),
    (33, 1000, 2),
    (2, 3, 1000),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
@pytest.mark.parametrize(("n", "k", "dim"), SHAPES)
def test_ragged_shapes(n, k, dim, kind, dtype):
    interpolant = mixture(k, dim, kind)
    x = cloud(interpolant, n, dtype)
    assert worst(interpolant, x, run(interpolant, x)) <= UNITS


@pytest.mark.parametrize("dot", [False, True])
@pytest.mark.parametrize("tile", [(16, 16, 16), (32, 16, 32), (16, 64, 16)])
@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
def test_any_tile_and_both_forms_of_the_sums_agree(kind, tile, dot):
    interpolant = mixture(40, 33, kind)
    x = cloud(interpolant, 21, torch.float32)
    assert worst(interpolant, x, run(interpolant, x, tile=tile, dot=dot)) <= UNITS


@pytest.mark.parametrize("dtype", DTYPES)
def test_poisoned_outputs_never_show(dtype):
    interpolant = mixture(19, 5)
    x = cloud(interpolant, 33, dtype)
    poison = {q: torch.full((33,) if q == "log_density" else (33, 5), float("nan"), dtype=dtype, device=DEVICE)
              for q in ("log_density", "score", "velocity")}  # fmt: skip
    assert worst(interpolant, x, run(interpolant, x, tile=(16, 4, 2), out=poison)) <= UNITS


def test_nothing_is_written_past_the_end():
    interpolant = mixture(3, 3)
    x = cloud(interpolant, 7, torch.float64)
    room = torch.full((16, 3), 42.0, dtype=torch.float64, device=DEVICE)
    run(interpolant, x, quantities=("score",), out={"score": room[:7]})
    assert bool((room[7:] == 42.0).all())


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_and_offsets(dtype):
    interpolant = mixture(7, 3)
    x = cloud(interpolant, 33, dtype)
    plain = run(interpolant, x)
    wide = torch.full((70, 9), float("nan"), dtype=dtype, device=DEVICE)
    wide[3:69:2, 1:7:2] = x
    backing = torch.full((33 * 3 + 5,), float("nan"), dtype=dtype, device=DEVICE)
    backing[5:] = x.reshape(-1)
    views = (x.T.contiguous().T, wide[3:69:2, 1:7:2], backing[5:].view(33, 3), x[:1].expand(33, 3))
    for view in views[:3]:
        for quantity, value in run(interpolant, view).items():
            assert torch.equal(value, plain[quantity]), quantity
    for quantity, value in run(interpolant, views[3]).items():
        assert torch.equal(value, plain[quantity][:1].expand_as(value)), quantity


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_tails(dtype):
    interpolant = mixture(7, 3)
    ray = torch.randn(16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = torch.cat([radius * ray for radius in (40.0, 1e3)]).to(DEVICE, dtype)
    assert worst(interpolant, x, run(interpolant, x, tile=(16, 2, 2))) <= UNITS


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiny_weights(dtype):
    weights = np.array([1.0, 1e-12, 1e-6, 1e-9, 1e-12])
    interpolant = mixture(5, 2, weights=weights / weights.sum())
    modes = interpolant.moments(T).mean
    x = torch.as_tensor(np.repeat(np.asarray(modes)[[0, 1, 2, 4]], 3, 0)).to(DEVICE, dtype)
    assert worst(interpolant, x, run(interpolant, x, tile=(16, 2, 2))) <= UNITS


def test_a_row_does_not_depend_on_its_batch():
    interpolant = mixture(9, 4)
    x = cloud(interpolant, 40, torch.float32)
    whole = run(interpolant, x)
    for part in (slice(0, 1), slice(5, 12), slice(39, 40)):
        for quantity, value in run(interpolant, x[part]).items():
            assert torch.equal(value, whole[quantity][part]), quantity


def test_an_empty_batch_and_bad_input():
    interpolant = mixture(2, 3)
    assert run(interpolant, torch.empty(0, 3, dtype=torch.float64, device=DEVICE))["score"].shape == (0, 3)
    with pytest.raises(ValueError, match="shape"):
        run(interpolant, torch.zeros(4, 2, dtype=torch.float64, device=DEVICE))


def test_nan_stays_in_its_row():
    interpolant = mixture(6, 2)
    x = cloud(interpolant, 8, torch.float64)
    x[3, 1] = float("nan")
    answer = run(interpolant, x)
    for value in answer.values():
        bad = torch.isnan(value).reshape(8, -1).any(1)
        assert bad.tolist() == [i == 3 for i in range(8)]


COARSE = [(33, 7, 1), (7, 33, 33), (40, 1000, 2), (2, 3, 200)]
TF32, BFLOAT16 = {"sums": "tf32"}, {"inputs": "bfloat16"}


@triton.jit
def round_all(values, answers, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(answers + at, nearest_tf32(tl.load(values + at)))


def test_tf32_is_the_nearest_of_eleven_digits():
    one = [1.0, 1 + 2**-11, 1 + 2**-11 + 2**-23, 1 + 3 * 2**-11, -1 - 2**-12, -(2.0**100) * (1 + 2**-10), 0.0, np.nan]
    known = [1.0, 1.0, 1 + 2**-10, 1 + 2**-9, -1.0, -(2.0**100) * (1 + 2**-10), 0.0, np.nan]
    values = torch.tensor(one, dtype=torch.float32, device=DEVICE)
    answers = torch.empty_like(values)
    round_all[(1,)](values, answers, N=8)
    np.testing.assert_array_equal(answers.cpu().numpy(), np.float32(known))


@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
@pytest.mark.parametrize(("n", "k", "dim"), COARSE)
def test_tf32_sums_keep_their_own_bound_and_not_that_of_float32(n, k, dim, kind):
    interpolant = mixture(k, dim, kind)
    x = cloud(interpolant, n, torch.float32)
    answer = run(interpolant, x, tf32=True)
    assert worst(interpolant, x, answer, TF32) <= UNITS
    assert worst(interpolant, x, answer) > UNITS
    assert worst(interpolant, x, {"log_density": answer["log_density"]}) <= UNITS  # logits are float32


def test_tf32_needs_float32():
    with pytest.raises(ValueError, match="tf32"):
        run(mixture(3, 2), torch.zeros(4, 2, dtype=torch.float64, device=DEVICE), tf32=True)


@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
@pytest.mark.parametrize(("n", "k", "dim"), COARSE)
def test_bfloat16_inputs_are_the_law_of_the_rounded_numbers(n, k, dim, kind):
    interpolant = mixture(k, dim, kind)
    x = cloud(interpolant, n, torch.float32)
    law, points = rounded(pack(interpolant, T)), x.to(torch.bfloat16)
    answer = evaluate(as_bfloat16(law, DEVICE), points)
    assert all(value.dtype == torch.float32 for value in answer.values())
    assert worst_of_law(interpolant, law, points, answer) <= UNITS
    assert worst(interpolant, x, answer, BFLOAT16) <= UNITS
    assert worst(interpolant, x, answer) > UNITS


HELD = ".to(tl.bfloat16).to(dtype)"
WRONG = {
    "totals": ("        top = new_top\n", f"        top = new_top\n        total = total{HELD}\n"),
    "sums": ("tl.store(score + at, own * finish", f"tl.store(score + at, own{HELD} * finish"),
    "logits": ("        new_top = tl.max", f"        logits = logits{HELD}\n        new_top = tl.max"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_kernel_that_goes_on_in_bfloat16_is_rejected(wrong, tmp_path):
    from si_verify.kernels import triton_mixture

    text = Path(triton_mixture.__file__).read_text()
    old, new = WRONG[wrong]
    assert text.count(old) == 1
    path = tmp_path / "wrong_mixture.py"
    path.write_text(text.replace(old, new))
    spec = util.spec_from_file_location("wrong_mixture", path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    interpolant = mixture(1000, 2, "diagonal")
    x = cloud(interpolant, 40, torch.float32)
    law, points = rounded(pack(interpolant, T)), x.to(torch.bfloat16)
    answer = module.evaluate(as_bfloat16(law, DEVICE), points, tile=(16, 4, 2))
    assert worst(interpolant, x, answer, BFLOAT16) > UNITS
    assert worst_of_law(interpolant, law, points, answer) > UNITS


@pytest.mark.parametrize("form", ["tf32", "bfloat16"])
@pytest.mark.parametrize("check", ["field-pointwise", "kernel-robustness"])
def test_the_checks_hold_a_format_to_its_claim(check, form):
    """As claimed it passes; under the claims of float32 it fails."""
    name = f"triton/fields-{form}" if torch.cuda.is_available() else f"triton/fields-interpreted-{form}"
    subject = discovery.subjects()[name]
    case = Case(check, name, "1d-tiny-weights", "float32", DEVICE.type, 0, "quick", 1e-6)
    result = run_case(case, {name: subject})
    assert result.verdict is Verdict.PASSED, result.reason
    plain = replace(subject, claims=replace(subject.claims, extra={}))
    assert run_case(case, {name: plain}).verdict is Verdict.FAILED
