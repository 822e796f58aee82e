"""kernel-robustness passes right kernels and rejects every seeded fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from si_verify import discovery
from si_verify.case import Case
from si_verify.execute import run_case
from si_verify.faults.kernel_emulation import Steps, build_with, emulated
from si_verify.faults.kernel_noise import right, subject
from si_verify.gate import Verdict
from si_verify.kernels.pack_fields import QUANTITIES
from si_verify.subject import Claims, Unavailable

FAULTS = [f for f in discovery.faults().values() if f.name.startswith("fault/kernel-")]
PROBLEM = {"kernel-robustness": "1d-tiny-weights", "law-moments": "correlated-mixture-2d"}


def run(made, dtype="float64", check="kernel-robustness", seed=0):
    case = Case(check, made.name, PROBLEM[check], dtype, "cpu", seed, "quick", 1e-6)
    return run_case(case, {made.name: made})


def test_there_are_at_least_twelve_faults():
    assert len(FAULTS) >= 12


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_rejected(fault):
    for check in fault.caught_by:
        result = run(fault.subject, check=check)
        assert result.verdict is Verdict.FAILED, result.reason


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_right_emulation_passes_and_says_what_it_did_not_take(dtype):
    made = replace(emulated("right", build_with(Steps()), prefix="test/"), dtypes=("float64", "float32"))
    result = run(made, dtype)
    assert result.verdict is Verdict.PASSED, result.reason
    assert any("full K" in note for note in result.notes)


def test_the_plain_reference_passes():
    made = replace(discovery.subjects()["torch/fields"], name="test/plain", tags=frozenset({"kernel"}))
    for seed in range(2):
        result = run(made, "float32", seed=seed)
        assert result.verdict is Verdict.PASSED, result.reason


def test_the_right_noise_passes():
    result = run(subject("test/philox", right), check="law-moments")
    assert result.verdict is Verdict.PASSED, result.reason


def test_a_kernel_that_takes_nothing_is_a_skip_with_its_reason():
    def build(interpolant, dtype, device):
        def refuse(t, x):
            raise Unavailable("not on this machine")

        return dict.fromkeys(QUANTITIES, refuse)

    result = run(replace(emulated("none", build, prefix="test/"), claims=Claims(quantities=QUANTITIES)))
    assert result.verdict is Verdict.SKIPPED
    assert "not on this machine" in result.reason


def test_kernels_of_absent_backends_are_recorded_skips():
    for name in ("triton/fields", "cupy/fields"):
        result = run(discovery.subjects()[name])
        assert result.verdict in (Verdict.SKIPPED, Verdict.PASSED), result.reason
        assert result.verdict is Verdict.PASSED or result.reason
