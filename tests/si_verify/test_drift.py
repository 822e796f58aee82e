"""The drift checks: right ones pass, seeded faults are rejected, a user's checkpoint is verified."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.api_drift import check_drift, check_objective
from si_verify.execute import run_case
from si_verify.gate import Verdict
from si_verify.learning.networks import LinearFeatures
from si_verify.learning.objectives import QuadraticObjective
from si_verify.learning.optimum import fit_exactly
from si_verify.plan import Settings, plan
from si_verify.selftest import fault_cases, kills

FAULTS = [f for f in discovery.faults().values() if f.subject.kind == "drift"]
SELECT = "check=drift-error or check=drift-structure"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_rejected_by_each_check_that_must_see_it(fault) -> None:
    cases = fault_cases([fault], discovery.checks(), problems.all(), Settings(dtypes=("float64",)))
    found = kills([fault], (run_case(c, {fault.name: fault.subject}) for c in cases))
    assert not [kill.check for kill in found if not kill.killed]


@pytest.mark.parametrize("name", ["drift/linear-features", "drift/waves", "drift/objective-velocity"])
def test_right_ones_pass(name: str) -> None:
    subject = discovery.subjects()[name]
    checks = [c for c in discovery.checks().values() if "drift" in c.kinds]
    for case in plan([subject], checks, problems.all(), Settings(problem_select="1d-bimodal")):
        result = run_case(case)
        assert result.verdict is Verdict.PASSED, (result.id, result.reason)


class Model(LinearFeatures):
    def __init__(self) -> None:
        super().__init__(1, 200)


def test_a_checkpoint_with_its_class_is_verified(tmp_path: Path) -> None:
    fitted = fit_exactly(Model(), problems.get("1d-bimodal").interpolant, "velocity")
    torch.save(fitted.state_dict(), tmp_path / "weights.pt")
    record = check_drift(
        Model, problem="1d-bimodal", checkpoint=tmp_path / "weights.pt", relative_error=0.2, select=SELECT
    )
    assert record.passed, record.failures
    untrained = check_drift(Model(), problem="1d-bimodal", relative_error=0.2, select=SELECT)
    assert not untrained.passed


def test_a_safetensors_checkpoint_is_verified(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    fitted = fit_exactly(Model(), problems.get("1d-bimodal").interpolant, "velocity")
    save_file({k: v.contiguous() for k, v in fitted.state_dict().items()}, tmp_path / "weights.safetensors")
    path = tmp_path / "weights.safetensors"
    assert check_drift(Model, problem="1d-bimodal", checkpoint=path, relative_error=0.2, select=SELECT).passed


def test_a_function_that_is_no_drift_is_named() -> None:
    with pytest.raises(TypeError, match="module"):
        check_drift(3, problem="1d-bimodal")
    with pytest.raises(ValueError, match="quantity"):
        check_drift(lambda t, x: x, "drift", problem="1d-bimodal")
    with pytest.raises(ValueError, match="checkpoint"):
        check_drift(Model, problem="1d-bimodal", checkpoint="nowhere.pt")
    wrong = check_drift(lambda t, x: x[:, 0], problem="1d-bimodal", select=SELECT)
    assert "expected shape" in wrong.failures[0].reason


def test_a_loss_of_a_users_own() -> None:
    assert check_objective(QuadraticObjective("score", antithetic=False), "score", problem="1d-bimodal").passed
    record = check_objective(lambda *args: QuadraticObjective("score")(*args).mean(), "score", problem="1d-bimodal")
    assert "one loss a row" in record.failures[0].reason


def test_a_network_that_learned_nothing_fails_without_any_claim():
    record = check_drift(lambda t, x: torch.zeros_like(x), problem="1d-bimodal", select="check=drift-error")
    assert not record.passed
    assert "0.05" in record.failures[0].reason


def test_a_residual_is_claimed_and_judged() -> None:
    exact = problems.get("1d-bimodal").interpolant.velocity
    for size, right in ((0.0, True), (0.05, False)):
        record = check_drift(
            lambda t, x, size=size: exact(t, x) + size * torch.sin(20.0 * x),
            problem="1d-bimodal", residual=0.05, select="check=drift-residual",
        )  # fmt: skip
        assert record.passed is right, record.failures
    with pytest.raises(ValueError, match="residual"):
        check_drift(exact, problem="1d-bimodal", residual=0.0)


class Narrower(LinearFeatures):
    def __init__(self) -> None:
        super().__init__(1, 100)


def test_a_checkpoint_that_does_not_fit_is_said_so(tmp_path: Path) -> None:
    torch.save(Model().state_dict(), tmp_path / "weights.pt")
    options = {"problem": "1d-bimodal", "checkpoint": tmp_path / "weights.pt", "select": "check=drift-error"}
    for target, reason in (
        (Narrower, "weights.pt does not fit Narrower: phases is"),
        (lambda: torch.nn.Linear(1, 1), "lacks bias"),
        (lambda: 3, "expected a torch module"),
        (lambda dim: Model(), "called without arguments it raised TypeError"),
    ):
        record = check_drift(target, **options)
        assert not record.passed
        assert reason in record.failures[0].reason


def test_a_file_that_holds_no_weights_is_refused_before_anything_runs(tmp_path: Path) -> None:
    for name in ("garbage.pt", "garbage.safetensors"):
        (tmp_path / name).write_bytes(b"hello world")
        with pytest.raises(ValueError, match="checkpoint: garbage"):
            check_drift(Model, problem="1d-bimodal", checkpoint=tmp_path / name)
    torch.save(Model(), tmp_path / "whole.pt")
    with pytest.raises(ValueError, match="nothing in it was executed; save state_dict"):
        check_drift(Model, problem="1d-bimodal", checkpoint=tmp_path / "whole.pt")
