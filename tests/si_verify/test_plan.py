"""A plan shares one budget, is always the same, and each case states how to run it alone."""

from __future__ import annotations

import dataclasses
import shlex

import pytest

from analytic import problems
from si_verify.case import Case, Target
from si_verify.check import Check
from si_verify.measurement import Measurement, Outcome
from si_verify.plan import Settings, plan
from si_verify.subject import Subject

EVERYWHERE = {"quick": "1d", "standard": "1d or 2d", "full": "*"}


def check(name: str, statistical: bool, **extra) -> Check:
    return Check(
        name, "a claim", frozenset({"ode"}), lambda c: Outcome((Measurement("m", 0.0, 1.0),)), EVERYWHERE,
        statistical=statistical, **extra,
    )  # fmt: skip


SOLVER = Subject("mine", "ode", lambda: None, dtypes=("float64", "float32"))
CHECKS = (check("noisy", True), check("sure", False), check("slow", True, cost=50.0))


def test_the_budget_is_never_overspent_and_only_statistical_cases_draw_on_it():
    cases = plan([SOLVER], CHECKS, problems.all(), Settings(budget=1e-6))
    assert sum(c.alpha for c in cases) == pytest.approx(1e-6)
    assert all((c.alpha > 0) == (c.check in ("noisy", "slow")) for c in cases)


def test_long_cases_start_first_and_the_order_is_stable():
    cases = plan([SOLVER], CHECKS, problems.all(), Settings())
    assert cases[0].check == "slow"
    assert cases == plan([SOLVER], CHECKS, problems.all(), Settings())
    assert len({c.id for c in cases}) == len(cases)


def test_profiles_grow():
    sizes = [len(plan([SOLVER], CHECKS, problems.all(), Settings(profile=p))) for p in ("quick", "standard", "full")]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_a_seed_depends_on_the_runs_seed_and_the_id_alone():
    case = Case("c", "s", "p", "float64", "cpu", 1, "quick", 1e-9)
    assert dataclasses.replace(case, alpha=0.5, profile="full").seed == case.seed
    others = [dataclasses.replace(case, run_seed=2), dataclasses.replace(case, problem="q")]
    assert len({case.seed, *(c.seed for c in others)}) == 3


def test_the_reproduction_line_selects_exactly_its_case():
    for case in plan([SOLVER], CHECKS, problems.all(), Settings(seed=4)):
        words = shlex.split(case.reproduce)
        options = dict(zip(words[2::2], words[3::2], strict=True))
        settings = Settings(
            options["--profile"], options["--device"], int(options["--seed"]), 1e-6, options["--select"],
            (options["--dtype"],),
        )  # fmt: skip
        again = plan([SOLVER], CHECKS, problems.all(), settings)
        assert [c.id for c in again] == [case.id]
        assert again[0].seed == case.seed


def test_the_reproduction_of_a_target_is_a_check_command():
    target = Target("ode", "a b.py:solve", (("order", 2.0),))
    case = Case("c", "a b.py:solve", "p", "float64", "cpu", 1, "quick", 0.0, target)
    assert shlex.split(case.reproduce)[:6] == ["si-verify", "check", "ode", "a b.py:solve", "--order", "2.0"]


def test_a_check_must_say_something_for_every_profile():
    with pytest.raises(ValueError, match="full"):
        Check("c", "claim", frozenset({"ode"}), lambda c: Outcome(()), {"quick": "", "standard": ""})
