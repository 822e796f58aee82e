"""Factors of matrix products: split, padded and turned right, and refused where float32's bound has no room."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from si_verify.bench import mixtures as bench
from si_verify.bench.mixtures import Shape
from si_verify.kernels.pack import pack
from si_verify.kernels.pack_products import Products, factors, form_of, halves, products, to_tf32, turned
from si_verify.kernels.product_loss import SHARE, UNIT, Fields, loss, points
from tests.si_verify.kernels.laws import UNITS, T, mixture, worst_of_law

CPU = torch.device("cpu")
ALL = {"log_density", "score", "velocity"}
LOG2 = np.log(2.0)


def dense(law: Products, x: torch.Tensor) -> Fields:
    """The formulas of pack_products.py in float64, from what the kernel reads."""

    def whole(v: torch.Tensor) -> torch.Tensor:
        return v.double().sum(0)

    def straight(v: torch.Tensor) -> torch.Tensor:
        back = v.double().sum(0).reshape(len(law.centre), -1, 2, 4)
        return back.transpose(-1, -2).reshape(len(law.centre), -1).mT

    y = torch.nn.functional.pad(x, (0, len(law.centre) - law.dim)) - law.centre.double()
    logits = law.const.double() + y @ whole(law.reach).mT
    if law.spread == "isotropic":
        logits = logits + (y * y).sum(1, keepdim=True) * law.bend.double()
    elif law.spread == "diagonal":
        logits = logits + (y * y) @ whole(law.bend).mT
    logits = LOG2 * logits
    common = 0.5 * (y * y) @ law.reference.double()
    answer = {"log_density": law.shift + torch.logsumexp(logits, 1) - common}
    shares = torch.softmax(logits, 1)
    sums = (("score", law.pull, law.pull_rate, law.reference), ("velocity", law.flow, law.flow_rate, law.drift))
    for name, values, rates, own in sums:
        rate = own.double()
        if law.spread == "isotropic":
            rate = rate + shares @ rates.double()[:, None]
        elif law.spread == "diagonal":
            rate = rate + shares @ straight(rates)
        answer[name] = (shares @ straight(values) - y * rate)[:, : law.dim]
    return answer


@pytest.mark.parametrize("kind", ["shared", "isotropic", "diagonal"])
@pytest.mark.parametrize(("k", "dim"), [(1, 1), (7, 3), (70, 20), (130, 2)])
def test_the_factors_are_the_law(k, dim, kind):
    interpolant = mixture(k, dim, "isotropic" if kind == "shared" else kind)
    law = pack(interpolant, T)
    if kind == "shared":
        law = law.map(lambda a: a)
        law.precision[:], law.slope[:] = law.precision[0], law.slope[0]
    made = factors(form_of(law), CPU)
    assert made.spread == ("shared" if k == 1 else kind)
    assert made.n_components % 64 == 0
    x = torch.as_tensor(interpolant.sample(T, 20, 1))
    assert worst_of_law(interpolant, law, x, dense(made, x)) <= UNITS


def test_halves_keep_twice_eleven_digits():
    v = np.random.default_rng(0).normal(size=1000) * 2.0 ** np.arange(-50, 50, 0.1)
    hi, lo = halves(v)
    np.testing.assert_array_less(np.abs(hi - v), 2.0**-11 * np.abs(v))
    np.testing.assert_array_less(np.abs(hi + lo - v), 2.0**-22 * np.abs(v))
    for part in (hi, lo):
        mantissa = np.frexp(part)[0] * 2**11
        np.testing.assert_array_equal(mantissa, np.rint(mantissa))
        np.testing.assert_array_equal(np.float32(part), part)
    np.testing.assert_array_equal(to_tf32(np.array([1 + 2**-11, 1 + 3 * 2**-11, 0.0])), [1.0, 1 + 2**-9, 0.0])


def test_turned_is_the_order_of_a_factors_columns():
    np.testing.assert_array_equal(turned(np.arange(16.0)[:, None])[0, :8], [0, 2, 4, 6, 1, 3, 5, 7])


def narrow(variance: float):
    law = pack(mixture(12, 4, "isotropic"), T)
    scale = variance * law.precision
    law.log_weight[:] -= 0.5 * 4 * np.log(scale)
    law.precision[:] = 1 / variance
    return law


def test_narrow_components_far_from_the_centre_are_refused():
    assert products(narrow(1.0), CPU)[1] == ALL
    assert "log_density" not in products(narrow(1e-4), CPU)[1]
    # Two clusters, a few standard deviations wide: between the components of one, fields lose digits too.
    clustered = narrow(1e-4)
    clustered.mean[:] = clustered.mean[0] + 2e-2 * (clustered.mean - clustered.mean[0])
    clustered.mean[6:] += 5.0
    assert products(clustered, CPU) == (None, frozenset())


def test_a_narrow_law_about_its_centre_is_taken():
    law = narrow(1e-6)
    law.mean[:] *= 1e-3
    assert products(law, CPU)[1] == ALL


def test_a_density_may_be_refused_where_fields_are_not():
    """At a mode log ρ is of order one, and so is K; the logits' terms are not."""
    law = pack(mixture(3, 16, "isotropic", spread=6.0), T)
    law.log_weight[:] -= law.log_weight.max() - 1.0
    assert products(law, CPU)[1] == {"score", "velocity"}
    form = form_of(law)
    assert float((loss(form, torch.as_tensor(law.mean))["log_density"]).max()) > SHARE * UNIT
    law.log_weight[:] -= 200.0
    assert products(law, CPU)[1] == ALL


def test_fields_are_refused_for_what_is_lost_between_two_modes():
    """Two modes six deviations apart and a thousand from the centre: at either one component is all there is."""
    law = pack(mixture(3, 1, "isotropic"), T)
    law.mean[:, 0], law.precision[:], law.log_weight[:] = [1e3, 1e3 + 6, -2e3], 1.0, 0.0
    assert products(law, CPU)[1].isdisjoint({"score", "velocity"})
    law.mean[:, 0] = [1e3, 1e3 + 60, -2e3]
    law.log_weight[1] = -np.inf
    assert "score" in products(law.map(lambda a: a[[0, 2]]), CPU)[1]


@pytest.mark.parametrize("shape", [Shape(1024, 16, 1, "diag"), Shape(1024, 128, 1, "iso")], ids=str)
def test_the_laws_that_are_timed_are_taken(shape):
    made, names = products(pack(bench.interpolant(shape), bench.T), CPU)
    assert names >= {"score", "velocity"}
    assert made is not None
    assert (made.n_components, made.dim) == (shape.k, shape.dim)


def test_what_has_no_form_is_refused():
    none = (None, frozenset())
    assert products(pack(mixture(3, 2, "full"), T), CPU) == none
    assert products(pack(mixture(3, 129, "isotropic"), T), CPU) == none
    assert products(pack(mixture(3, 33, "diagonal", spread=0.5), T), CPU) == none
    wild = pack(mixture(3, 2), T)
    wild.slope[0] = np.inf
    assert products(wild, CPU) == none
    with pytest.raises(ValueError, match="full"):
        form_of(pack(mixture(3, 2, "full"), T))


def test_the_loss_is_that_of_the_terms_which_cancel():
    """R(log ρ) at a mode goes as p μ²; the points looked at hold the worst of them."""
    sizes = []
    for variance in (1e-2, 1e-4):
        form = form_of(narrow(variance))
        sizes.append(float(loss(form, torch.as_tensor(form.law.mean))["log_density"].max()))
        assert float(loss(form, points(form))["log_density"].max()) >= 0.5 * sizes[-1]
    assert sizes[1] / sizes[0] == pytest.approx(100, rel=0.1)
    assert sizes[1] > SHARE * UNIT * 100
