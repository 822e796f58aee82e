"""A scope leaves out of a run what only repeats, and never what somebody asked for or brought."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from typer.testing import CliRunner

import si_verify as sv
from analytic import problems
from si_verify import discovery
from si_verify.check import PROFILES, Check
from si_verify.cli.app import app
from si_verify.measurement import Measurement, Outcome
from si_verify.plan import Settings, plan
from si_verify.subject import VARIANT, Subject

SOLVER = Subject("mine", "ode", lambda: None, dtypes=("float64", "float32"))
TWIN = dataclasses.replace(SOLVER, name="mine-again", tags=frozenset({VARIANT}))
SCOPED = Check(
    "scoped", "a claim", frozenset({"ode"}), lambda c: Outcome((Measurement("m", 0.0, 1.0),)),
    {"quick": "1d-bimodal, product-2d", "standard": "1d-bimodal, product-2d", "full": "1d-bimodal"},
    scope={"quick": "dtype=float64", "standard": "1d and not variant"},
)  # fmt: skip
SCOPES = [(check, profile) for check in discovery.checks().values() for profile in check.scope]


def size(**how: object) -> int:
    brief = how.pop("brief", None)
    return len(plan([SOLVER, TWIN], [SCOPED], problems.all(), Settings(**how), brief=brief))  # type: ignore[arg-type]


def test_a_run_without_a_selection_keeps_to_the_scope_and_quick_leaves_variants_out():
    assert size(profile="quick") == 2  # one subject, two problems, one dtype
    assert size(profile="standard") == 2  # one subject, one problem, two dtypes
    assert size(profile="full") == 4  # no scope


def test_a_selection_gets_all_that_it_names():
    assert size(profile="quick", select="check=scoped") == 8
    assert size(profile="standard", select="mine-again") == 4


def test_whoever_plans_may_overrule_both():
    assert size(profile="quick", brief=False) == 8
    assert size(profile="quick", select="check=scoped", brief=True) == 2


@pytest.mark.parametrize(("check", "profile"), SCOPES, ids=lambda x: getattr(x, "name", x))
def test_every_scope_keeps_some_cases_and_leaves_some_out(check, profile):
    assert profile in PROFILES
    subjects = [s for s in discovery.subjects().values() if VARIANT not in s.tags or profile != "quick"]
    settings = Settings(profile=profile)
    kept, all_of_them = (
        {c.id for c in plan(subjects, [check], problems.all(), settings, brief=brief)} for brief in (True, False)
    )
    # Whose cases are all a user's own needs no built-in one to be kept.
    assert kept or "user" in check.scope[profile]
    assert kept < all_of_them


MOMENTS = "law-moments"  # of an ODE solver, in quick: only where it is one's own


class Planned(Exception):
    """Raised in place of running what was planned."""


def planned(monkeypatch: pytest.MonkeyPatch, where: str) -> list[str]:
    """Checks of what is planned at ``where`` from now on; nothing is run."""
    seen: list[str] = []

    def watched(*args, **kwargs):
        seen.extend(case.check for case in plan(*args, **kwargs))
        raise Planned

    monkeypatch.setattr(where, watched)
    return seen


def euler(velocity, x, times):
    for t0, t1 in itertools.pairwise(times):
        x = x + (t1 - t0) * velocity(t0, x)
    return x


def test_a_run_of_what_is_built_in_leaves_out_what_the_scope_says():
    cases = plan(discovery.subjects().values(), discovery.checks().values(), problems.all(), Settings())
    assert not [c for c in cases if c.check == MOMENTS and c.subject.startswith("torch/heun")]


def test_ones_own_subject_gets_every_case_by_the_api(monkeypatch):
    seen = planned(monkeypatch, "si_verify.plan.plan")
    with pytest.raises(Planned):
        sv.check_ode_solver(euler, order=1)
    assert MOMENTS in seen


def test_ones_own_subject_gets_every_case_under_pytest(monkeypatch):
    seen = planned(monkeypatch, "si_verify.plan.plan")
    with pytest.raises(Planned):
        sv.parametrize_with_checks(["torch/heun"])
    assert MOMENTS in seen


def test_ones_own_subject_gets_every_case_by_the_command(monkeypatch, tmp_path):
    seen = planned(monkeypatch, "si_verify.cli.session.plan")
    target = tmp_path / "mine.py"
    target.write_text(
        "def euler(velocity, x, times):\n"
        "    for t0, t1 in zip(times[:-1], times[1:]):\n"
        "        x = x + (t1 - t0) * velocity(t0, x)\n"
        "    return x\n"
    )
    done = CliRunner().invoke(app, ["check", "ode", f"{target}:euler", "--order", "1", "-o", str(tmp_path / "out")])
    assert isinstance(done.exception, Planned), done.output
    assert MOMENTS in seen
