"""The field checks reject every seeded fault and let the right implementations pass."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.case import Case
from si_verify.checks.field_pointwise import _ratio
from si_verify.execute import run_case
from si_verify.fields.conditioning import sensitivity
from si_verify.fields.finite_difference import derivative, gradient
from si_verify.fields.formula import fields_of, inputs_at, mixture_at, weight_slopes
from si_verify.gate import Verdict
from si_verify.plan import Settings, plan

PROBLEMS = "1d-bimodal-to-trimodal or correlated-mixture-2d or 1d-tiny-variance"
FAULTS = [f for f in discovery.faults().values() if f.subject.kind == "field" and "kernel" not in f.subject.tags]


def cases(subject, checks, dtype: tuple[str, ...] = (), seed: int = 0) -> list[Case]:
    found = [discovery.checks()[name] for name in checks]
    return plan([subject], found, problems.all(), Settings(problem_select=PROBLEMS, dtypes=dtype, seed=seed))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_rejected_by_each_check_that_must_see_it(fault):
    for check in fault.caught_by:
        results = (run_case(c, {fault.name: fault.subject}) for c in cases(fault.subject, [check]))
        assert any(r.verdict is Verdict.FAILED for r in results), check


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("check", ["field-pointwise", "field-identities"])
def test_the_right_fields_pass(check, seed):
    subject = discovery.subjects()["torch/fields"]
    for case in cases(subject, [check], seed=seed):
        result = run_case(case)
        assert result.verdict is Verdict.PASSED, (result.id, result.reason)


def test_clamped_weights_of_torch_distributions_are_seen():
    case = Case("field-pointwise", "torch/mixture-same-family", "1d-tiny-weights", "float32", "cpu", 0, "quick", 0.0)
    assert run_case(case).verdict is Verdict.EXPECTED_FAILURE


@pytest.mark.parametrize("name", ["1d-bimodal-to-trimodal", "correlated-mixture-2d", "one-sided-vp", "mirror-2d"])
def test_perturbing_the_point_alone_never_moves_a_field_further_than_its_condition_number_says(name):
    interpolant = problems.get(name).interpolant
    x = torch.as_tensor(interpolant.sample(0.4, 20, 3))
    scale = sensitivity(interpolant, 0.4, x, torch.Generator().manual_seed(0))
    step = 1e-7
    for quantity in ("log_density", "score", "velocity"):
        f = getattr(interpolant, quantity)
        moved = f(0.4, x * (1 + step)) - f(0.4, x)
        size = moved.abs() if moved.ndim == 1 else torch.linalg.vector_norm(moved, dim=1)
        # Eight random sign patterns over all inputs come within a small factor of any single one.
        assert bool((size <= 10 * step * scale[quantity]).all())


@pytest.mark.parametrize("name", ["1d-bimodal-to-trimodal", "correlated-mixture-2d"])
def test_the_worst_signs_of_weights_are_those_that_trying_all_of_them_finds(name):
    p = inputs_at(problems.get(name).interpolant, 0.4, torch.float64, torch.device("cpu"))
    x = torch.as_tensor(problems.get(name).interpolant.sample(0.4, 6, 3))
    m = mixture_at(p)
    found, step = weight_slopes(m, x), 1e-6
    plain, worst = fields_of(m, x), {}
    for signs in itertools.product((-1.0, 1.0), repeat=len(m.weights)):
        moved = fields_of(m._replace(weights=m.weights * (1.0 + step * torch.tensor(signs, dtype=torch.float64))), x)
        for quantity, value in moved.items():
            slope = ((value - plain[quantity]) / step).reshape(len(x), -1).abs().amax(1)
            worst[quantity] = torch.maximum(worst.get(quantity, torch.zeros(())), slope)
    assert set(found) == set(worst)
    for quantity, value in found.items():
        assert torch.allclose(value, worst[quantity], rtol=1e-4), quantity


def test_nothing_off_by_nothing_is_right_and_nan_is_not():
    error, bound = np.array([0.0, 0.0, 1.0, np.nan, np.nan]), np.array([0.0, 2.0, 0.0, 0.0, 1.0])
    assert _ratio(error, bound).tolist() == [0.0, 0.0, np.inf, np.inf, np.inf]


def test_a_subject_that_writes_into_its_points_does_not_spoil_them_for_the_next():
    """The looks are shared by all subjects of a worker."""
    right = discovery.subjects()["torch/fields"]

    def load():
        def build(interpolant, dtype, device):
            fields = right.load()(interpolant, dtype, device)
            return {q: lambda t, x, f=f: f(t, x.mul_(1.5)) for q, f in fields.items()}

        return build

    vandal = dataclasses.replace(right, name="vandal", load=load)
    (case,) = cases(vandal, ["field-pointwise"], ("float64",))[:1]
    assert run_case(case, {"vandal": vandal}).verdict is Verdict.FAILED
    assert run_case(dataclasses.replace(case, subject="torch/fields")).verdict is Verdict.PASSED


def test_differences_state_errors_that_hold():
    x = torch.linspace(-2, 2, 50, dtype=torch.float64)
    for h in (1e-1, 1e-2, 1e-3, 1e-5):
        value, bound = derivative(lambda s, x=x: torch.sin(3 * (x + s)), h, 2.3e-16)
        assert bool(((value - 3 * torch.cos(3 * x)).abs() <= bound).all())
        assert float(bound.max()) < 1.0


def test_a_gradient_is_taken_one_direction_at_a_time():
    x = torch.randn(30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    value, bound = gradient(lambda y: (y**3).sum(1) + y[:, 0] * y[:, 1], x, 1e-3, 2.3e-16)
    exact = 3 * x**2 + torch.stack([x[:, 1], x[:, 0], torch.zeros_like(x[:, 0])], 1)
    assert bool(((value - exact).abs() <= bound + 1e-12).all())
