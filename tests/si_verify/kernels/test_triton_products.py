"""Fields as products of three TF32 products each, in the interpreter where there is no GPU."""

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

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify import discovery
from si_verify.case import Case
from si_verify.execute import run_case
from si_verify.gate import Verdict
from si_verify.kernels import triton_products
from si_verify.kernels.pack import pack
from si_verify.kernels.pack_products import factors, form_of, products
from si_verify.kernels.product_loss import DEVIATIONS, loss
from si_verify.kernels.triton_products import QUANTITIES, evaluate
from tests.si_verify.kernels import laws
from tests.si_verify.kernels.laws import UNITS, T, mixture, worst, worst_of_law

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cloud(interpolant: Interpolant, n: int, times: float = 1.0) -> torch.Tensor:
    return times * laws.cloud(interpolant, n, torch.float32).to(DEVICE)


def run(interpolant: Interpolant, x: torch.Tensor, **options) -> dict[str, torch.Tensor]:
    return evaluate(factors(form_of(pack(interpolant, T)), DEVICE), x, **options)


NARROW, WIDE = [(1, 1, 1), (7, 33, 7), (70, 7, 20), (33, 130, 3)], [(5, 70, 33), (3, 5, 100)]
SHAPES = [(*shape, kind) for kind in ("isotropic", "diagonal") for shape in NARROW]
SHAPES += [(*shape, "isotropic") for shape in WIDE]


@pytest.mark.parametrize(("n", "k", "dim", "kind"), SHAPES)
def test_ragged_shapes_and_tails(n, k, dim, kind):
    interpolant = mixture(k, dim, kind, spread=0.5)
    assert products(pack(interpolant, T), DEVICE)[1] == set(QUANTITIES)
    x = torch.cat([cloud(interpolant, n), cloud(interpolant, 2, 40.0)])
    answer = run(interpolant, x)
    assert worst(interpolant, x, answer) <= UNITS


@pytest.mark.parametrize(("k", "dim"), [(40, 16), (30, 128)])
def test_one_precision_for_all(k, dim):
    """Terms in |y|² drop out; and four blocks of coordinates are as right as one."""
    interpolant = mixture(k, dim, "isotropic")
    law = pack(interpolant, T)
    law.log_weight[:] += 0.5 * dim * (torch.log(torch.as_tensor(law.precision[0] / law.precision))).numpy()
    law.precision[:], law.slope[:] = law.precision[0], law.slope[0]
    x = cloud(interpolant, 20)
    made = factors(form_of(law), DEVICE)
    assert made.spread == "shared"
    assert worst_of_law(interpolant, law, x, evaluate(made, x)) <= UNITS


@pytest.mark.parametrize("tile", [(16, 16, 2), (32, 32, 1), (128, 64, 3)])
@pytest.mark.parametrize("kind", ["isotropic", "diagonal"])
def test_any_tile_into_poisoned_outputs(kind, tile):
    interpolant = mixture(70, 5, kind)
    x = cloud(interpolant, 21)
    nan = float("nan")
    out = {q: torch.full((21,) if q == "log_density" else (21, 5), nan, device=DEVICE) for q in QUANTITIES}
    assert worst(interpolant, x, run(interpolant, x, tile=tile, out=out)) <= UNITS


def test_strides_offsets_rows_and_the_end():
    interpolant = mixture(9, 3)
    x = cloud(interpolant, 33)
    whole = run(interpolant, x)
    wide = torch.full((70, 9), float("nan"), device=DEVICE)
    wide[3:69:2, 1:7:2] = x
    views = ((slice(0, 33), wide[3:69:2, 1:7:2]), (slice(0, 33), x.T.contiguous().T), (slice(5, 12), x[5:12]))
    for rows, view in views:
        for name, value in run(interpolant, view).items():
            assert torch.equal(value, whole[name][rows]), name
    room = torch.full((40, 3), 42.0, device=DEVICE)
    run(interpolant, x, quantities=("score",), out={"score": room[:33]})
    assert bool((room[33:] == 42.0).all())


@pytest.mark.parametrize("k", [1, 6])
def test_nan_stays_in_its_row_and_fills_it(k):
    interpolant = mixture(k, 2, "isotropic")
    x = cloud(interpolant, 8)
    for bits in (0x7FC00000, 0x7FFFFFFF):  # the host's and the GPU's: the latter overflows where it is rounded
        x.view(torch.int32)[3, 1] = bits
        for name, value in run(interpolant, x).items():
            lost = torch.isnan(value).reshape(8, -1)
            assert lost.all(1).tolist() == lost.any(1).tolist() == [i == 3 for i in range(8)], name


def test_an_empty_batch_and_bad_input():
    interpolant = mixture(2, 3)
    assert run(interpolant, torch.empty(0, 3, device=DEVICE))["score"].shape == (0, 3)
    with pytest.raises(ValueError, match="shape"):
        run(interpolant, torch.zeros(4, 2, device=DEVICE))
    with pytest.raises(ValueError, match="float32"):
        run(interpolant, torch.zeros(4, 3, dtype=torch.float64, device=DEVICE))


DENSITY, FIELDS = ("log_density",), ("score", "velocity")
WRONG = {
    "no lo of points": ("dot(y_lo, tl.trans(q_hi), part", "dot(0 * y_lo, tl.trans(q_hi), part", DENSITY),
    "no lo of means": ("dot(y_hi, tl.trans(q_lo), part", "dot(y_hi, tl.trans(0 * q_lo), part", DENSITY),
    "no lo of values": ("tl.dot(w_hi, v_lo,", "tl.dot(w_hi, 0 * v_lo,", FIELDS),
    "no lo of weights": ("tl.dot(w_lo, v_hi, part", "tl.dot(0 * w_lo, v_hi, part", FIELDS),
    "weights in another order": ("[0, 1, 3, 2])", "[0, 1, 2, 3])", FIELDS),
    "sums not rescaled": ("return total * shrink[:, None] + part", "return total + part", FIELDS),
    "rates not rescaled": ("score_rate = score_rate * shrink", "score_rate = score_rate", ("score",)),
    "totals not rescaled": ("total = total * shrink +", "total = total +", DENSITY),
    "a padded component": ("+= tl.load(const + ks)", "+= tl.where(ks < 100, tl.load(const + ks), 0.0)", DENSITY),
    "a block left out": ("logits += block(y2_hi", "logits += 0 * block(y2_hi", DENSITY),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_kernel_is_rejected(wrong, tmp_path):
    """Every one by float32's own bound, in each of the quantities named."""
    text = Path(triton_products.__file__).read_text()
    old, new, names = WRONG[wrong]
    assert text.count(old) == 1, old
    path = tmp_path / "wrong_products.py"
    path.write_text(text.replace(old, new))
    spec = util.spec_from_file_location("wrong_products", path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    interpolant = mixture(100, 40 if wrong == "a block left out" else 8, "isotropic")
    x = cloud(interpolant, 40)
    made = factors(form_of(pack(interpolant, T)), DEVICE)
    answer = module.evaluate(made, x)
    for name in names:
        assert worst(interpolant, x, {name: answer[name]}) > UNITS, name
    assert worst(interpolant, x, evaluate(made, x)) <= UNITS


LOSSES = [
    (60, 8, "isotropic", 1.0),
    (200, 16, "diagonal", 1.0),
    (60, 100, "isotropic", 1.0),
    (8, 4, "isotropic", 100.0),
]


@pytest.mark.parametrize(("k", "dim", "kind", "spread"), LOSSES)
def test_the_loss_is_within_what_is_stated(k, dim, kind, spread):
    """And, where it is large, is about that: a statement that is too wide would refuse all."""
    interpolant = mixture(k, dim, kind, spread=spread)
    law = pack(interpolant, T)
    form = form_of(law)
    x = torch.cat([cloud(interpolant, 40), cloud(interpolant, 8, 10.0)])
    stated, answer = loss(form, x.cpu().double()), evaluate(factors(form, DEVICE), x)
    for name, value in laws.packed_fields(law, x.cpu().double()).items():
        gap = (answer[name].cpu().double() - value).abs()
        gap = gap if gap.ndim == 1 else torch.linalg.vector_norm(gap, dim=1)
        ratio = float((gap / stated[name]).max())
        assert ratio <= DEVIATIONS, name
        assert name != "log_density" or ratio >= 0.1


def test_a_narrow_law_is_left_to_the_plain_kernel():
    """1d-tiny-variance late: the form is refused, for it would fail; the subject, which falls back, does not."""
    name = "triton/fields-tf32x3" if torch.cuda.is_available() else "triton/fields-interpreted-tf32x3"
    subject = discovery.subjects()[name]
    case = Case("field-pointwise", name, "1d-tiny-variance", "float32", DEVICE.type, 0, "quick", 1e-6)
    result = run_case(case, {name: subject})
    assert result.verdict is Verdict.PASSED, result.reason

    def forced(interpolant, dtype, device):
        def field(q):
            return lambda t, x: evaluate(factors(form_of(pack(interpolant, float(t))), device), x, (q,))[q]

        return {q: field(q) for q in QUANTITIES}

    always = replace(subject, load=lambda: forced)
    result = run_case(case, {name: always})
    assert result.verdict is Verdict.FAILED, result.reason
    assert "log density" in result.reason


def test_the_subject_takes_the_form_where_it_is_held():
    from si_verify.subjects.fields.triton_fields import _separable

    wide = pack(mixture(40, 16, "isotropic", spread=1.0), T)
    for name, expected in (("tf32x3", set(QUANTITIES)), ("", set())):
        assert _separable(wide, torch.float32, DEVICE, name).held == expected


def test_what_is_taken_is_right_between_the_points_that_were_looked_at():
    """Narrow, clustered and far laws: at modes, between them, about them and far out."""
    rng, taken = np.random.default_rng(1), 0
    for _ in range(24):
        k, dim, spread = int(rng.choice([2, 3, 8, 40])), int(rng.choice([1, 5, 16, 24])), 10 ** rng.uniform(-1, 1.5)
        centres = spread * rng.normal(size=(3, dim))[rng.integers(3, size=k)] + spread * rng.choice([0, 1, 10])
        means = centres + spread * 10 ** rng.uniform(-3, 0) * rng.normal(size=(k, dim))
        law = GaussianMixture(rng.dirichlet(np.ones(k)), means, np.full(k, 10 ** rng.uniform(-3, 0.5)))
        base = GaussianMixture(np.ones(1), np.zeros((1, dim)), np.ones(1))
        interpolant = Interpolant(Coupling.independent(base, law), Schedule.one_sided_linear())
        packed = pack(interpolant, T)
        made, names = products(packed, DEVICE)
        if made is None:
            continue
        one, other = rng.integers(k, size=(2, 40))
        x = packed.mean[one] + rng.uniform(0, 1, (40, 1)) * (packed.mean[other] - packed.mean[one])
        ray = rng.normal(size=(20, dim)) * 10 ** rng.uniform(-1, 1.6, (20, 1)) / np.sqrt(packed.precision[0])
        points = torch.as_tensor(np.concatenate([x, packed.mean[one[:20]] + ray, packed.mean[:8]])).float().to(DEVICE)
        answer = evaluate(made, points, tuple(sorted(names)))
        assert worst(interpolant, points, answer) <= UNITS
        taken += len(answer)
    assert taken >= 24
