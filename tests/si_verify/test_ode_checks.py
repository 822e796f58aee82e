"""ODE checks: right solvers pass, seeded wrong ones fail by the measurement that is meant to see them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.case import Case
from si_verify.check import Context
from si_verify.execute import run_case
from si_verify.gate import Verdict, judge, judge_all
from si_verify.measurement import Outcome
from si_verify.subject import Claims, Subject

ORDER = "ode-order"


def measured(name: str, subject: Subject, problem: str = "correlated-2d", seed: int = 3) -> Outcome:
    context = Context(
        subject, problems.get(problem), subject.load(), torch.float64, torch.device("cpu"), seed, 1e-9, "quick"
    )
    return discovery.checks()[name].measure(context)


def failed(outcome: Outcome) -> list[str]:
    return [m.name for m in outcome.measurements if judge(m) is Verdict.FAILED]


def subject(name: str) -> Subject:
    if name.startswith("fault/"):
        return next(f.subject for f in discovery.faults().values() if f.name == name)
    pytest.importorskip({"torchode": "torchode", "flow-matching": "flow_matching"}.get(name.split("/")[0], "torch"))
    return discovery.subjects()[name]


@pytest.mark.parametrize("name", ["torch/heun", "torch/rk4", "torch/midpoint", "flow-matching/heun3"])
def test_right_schemes_keep_their_order_on_equal_and_unequal_steps(name: str) -> None:
    for check in (ORDER, "ode-order-non-uniform"):
        assert judge_all(measured(check, subject(name)).measurements) is Verdict.PASSED


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("fault/ode-first-stage-late", ORDER),
        ("fault/ode-rk4-slightly-wrong-weights", ORDER),
        ("fault/ode-last-step-skipped", ORDER),
        ("fault/ode-unsigned-step", ORDER),
        ("fault/ode-half-precision-field-times", ORDER),
        ("fault/ode-index-as-time", "ode-order-non-uniform"),
        ("fault/ode-inconsistent-stride", "ode-order-non-uniform"),
    ],
)
def test_wrong_schemes_lose_their_order(name: str, check: str) -> None:
    assert any("order" in row or "refinement" in row for row in failed(measured(check, subject(name))))


def test_a_claim_one_too_high_is_refused_and_one_too_low_is_kept() -> None:
    heun = discovery.subjects()["torch/heun"]
    for claimed, verdict in ((2.0, Verdict.PASSED), (3.0, Verdict.FAILED), (1.0, Verdict.PASSED)):
        claimant = Subject("test/heun", "ode", heun.load, Claims(order=claimed))
        assert judge_all(measured(ORDER, claimant).measurements) is verdict


@pytest.mark.parametrize("name", ["torchode/dopri5", "torchode/tsit5"])
def test_torchode_keeps_its_tolerance(name: str) -> None:
    assert judge_all(measured("ode-tolerance", subject(name)).measurements) is Verdict.PASSED


def test_dopri8_misses_its_tolerance_between_steps_and_keeps_it_at_one() -> None:
    pytest.importorskip("torchdiffeq")
    assert failed(measured("ode-tolerance", discovery.subjects()["torchdiffeq/dopri8"]))
    assert not failed(measured("ode-tolerance", discovery.subjects()["torchdiffeq/dopri8-step-at-end"]))


def _changes_its_input(velocity: Any, x0: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    for t, s in pairwise(times.tolist()):
        x0 += (s - t) * velocity(t, x0)
    return x0


def _mixes_rows(velocity: Any, x0: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    x = x0
    for t, s in pairwise(times.tolist()):
        x = x + (s - t) * velocity(t, x)
    return x + 1e-9 * (x.mean(0) - x)


@pytest.mark.parametrize("solve", [_changes_its_input, _mixes_rows])
def test_behaviour_sees_what_a_caller_would_suffer(solve: Any) -> None:
    bad = Subject("test/bad", "ode", lambda: solve, Claims(order=1.0, evaluations_per_step=1))
    result = run_case(
        Case("ode-behaviour", "test/bad", "correlated-2d", "float64", "cpu", 0, "quick", 0.0), {bad.name: bad}
    )
    assert result.verdict is Verdict.FAILED, result.reason


@pytest.mark.parametrize("check", ["ode-work-precision", "sde-work-precision"])
def test_work_precision_sees_a_method_that_more_work_makes_worse(check: str) -> None:
    def worse(first: Any, *rest: Any) -> torch.Tensor:
        x0, times = (rest[-3], rest[-2]) if check.startswith("sde") else rest[-2:]
        for t in times[:-1].tolist():
            first(t, x0)
        return x0 + 0.5 * len(times)

    kind = "sde" if check.startswith("sde") else "ode"
    name = "torch/euler-maruyama" if kind == "sde" else "torch/heun"
    right = measured(check, discovery.subjects()[name], "1d-bimodal")
    assert judge_all(right.measurements) is Verdict.PASSED
    (data,) = right.data
    assert data.kind == "work-precision"
    assert data.columns["nfe"][0] < data.columns["nfe"][-1] <= 100
    wrong = Subject("test/worse", kind, lambda: worse, Claims(order=1.0, weak_order=1.0))  # type: ignore[arg-type]
    assert failed(measured(check, wrong, "1d-bimodal"))
