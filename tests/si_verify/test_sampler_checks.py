"""Checks of samplers: orders from uneven errors, right samplers at rest, faults seen, the public face."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.api_sampler import check_sampler, sampler_claims
from si_verify.execute import run_case
from si_verify.gate import Verdict
from si_verify.plan import Settings, plan
from si_verify.sampling.many_rungs import fit_many
from si_verify.selftest import fault_cases, kills

COUNTS = np.unique(np.geomspace(10, 448, 24).astype(int))
FAULTS = [f for name, f in discovery.faults().items() if name.startswith("fault/sampler-")]


def test_a_bent_error_shows_the_order_of_its_limit() -> None:
    h = 1.0 / COUNTS
    fit = fit_many(h, h**2 * np.exp(6.0 * h), 1e-12, 2.0)
    assert fit.low <= 2.0 <= fit.high
    assert fit.high - fit.low < 0.5
    assert fit_many(h, h**2 * np.exp(6.0 * h), 1e-12, 3.0).high < 3.0


def test_an_error_that_stops_falling_refutes_any_order_although_it_scatters() -> None:
    rough = np.abs(np.sin(COUNTS * 1.7)) * 1e-3
    assert fit_many(1.0 / COUNTS, rough + 5.0 / COUNTS**3, 1e-9, 1.0).high < 1.0


def test_chance_zeros_of_a_right_error_do_not_refute_it() -> None:
    e = 1.0 / COUNTS**2.0
    e[[5, 11, 17]] *= 1e-3
    fit = fit_many(1.0 / COUNTS, e, 1e-12, 2.0)
    assert fit.high >= 2.0


def test_too_few_rungs_give_no_order_and_the_reason() -> None:
    fit = fit_many(1.0 / COUNTS[:4], 1.0 / COUNTS[:4], 0.0, 1.0)
    assert not fit.found
    assert "rungs" in fit.reason


@pytest.mark.parametrize("seed", [0, 7])
def test_textbook_samplers_raise_no_alarm_and_leave_nothing_open(seed: int) -> None:
    own = [s for s in discovery.subjects().values() if s.kind == "sampler" and "textbook" in s.tags]
    assert len(own) >= 9
    checks = [c for c in discovery.checks().values() if c.name.startswith("sampler-")]
    cases = plan(own, checks, problems.all(), Settings(seed=seed))
    found = {r.id: (r.verdict, r.reason) for r in map(run_case, cases)}
    assert {k: v for k, v in found.items() if v[0] is not Verdict.PASSED} == {}


@pytest.mark.parametrize("fault", FAULTS[::2], ids=lambda f: f.name.removeprefix("fault/sampler-"))
def test_faults_are_rejected_by_the_checks_that_should_see_them(fault: Any) -> None:
    cases = fault_cases([fault], discovery.checks(), problems.all(), Settings())
    results = [run_case(c, {fault.name: fault.subject}) for c in cases]
    assert all(kill.killed for kill in kills([fault], results))


def _levels(steps: int) -> list[float]:
    return [40.0 * (0.02 / 40.0) ** (i / steps) for i in range(steps + 1)]


def euler(model: Any, x: torch.Tensor, steps: int) -> torch.Tensor:
    for now, then in itertools.pairwise(_levels(steps)):
        x = x + (then - now) * (x - model(x, now)) / now
    return x


def own_noise(model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
    """Ancestral noise from NumPy, which no torch mode can script."""
    rng = np.random.default_rng(generator.initial_seed())
    for now, then in itertools.pairwise(_levels(steps)):
        x = x + (then * then / now - now) * (x - model(x, now)) / now
        x = x + then * math.sqrt(1 - (then / now) ** 2) * torch.tensor(rng.standard_normal(x.shape), dtype=x.dtype)
    return x


def test_a_users_sampler_in_data_prediction_and_sigma() -> None:
    assert check_sampler(euler, order=1, prediction="data", evaluations_per_step=1).passed
    record = check_sampler(euler, order=2, prediction="data", evaluations_per_step=2)
    assert {r.check for r in record.failures} == {"sampler-order", "sampler-behaviour"}


def test_a_users_sampler_in_velocity_and_flow_time() -> None:
    def midpoint(model: Any, x: torch.Tensor, steps: int) -> torch.Tensor:
        for i in range(steps):
            half = x + 0.5 / steps * model(x, i / steps)
            x = x + model(half, (i + 0.5) / steps) / steps
        return x

    assert check_sampler(midpoint, order=2, prediction="velocity", clock="flow", select="sampler-order").passed


def test_noise_prediction_taken_for_data_fails() -> None:
    assert not check_sampler(euler, order=1, prediction="noise", select="sampler-order").passed


def test_a_sampler_with_noise_of_its_own_is_judged_by_samples_and_says_so() -> None:
    record = check_sampler(own_noise, weak_order=1, prediction="data")
    assert record.passed
    verdicts = {r.check: r for r in record.results}
    assert verdicts["sampler-bias"].verdict is Verdict.SKIPPED
    assert "torch" in verdicts["sampler-bias"].reason
    assert any("not seen" in note for note in verdicts["sampler-law"].notes)
    assert any("cannot be seen" in note for note in verdicts["sampler-behaviour"].notes)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"prediction": "x"}, "prediction"),
        ({"clock": "q"}, "clock"),
        ({"order": 1, "weak_order": 1}, "order"),
        ({"start": -3.0}, "level"),
    ],
)
def test_claims_that_cannot_be_meant_are_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        sampler_claims(**given)


def test_marks_link_to_sections_that_exist() -> None:
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    for subject in discovery.subjects().values():
        for mark in subject.expected_failures if subject.kind == "sampler" else ():
            page, _, section = mark.link.partition("#")
            assert f"## {section}\n" in (root / page).read_text(encoding="utf-8")
