"""The pytest plugin in pytest itself: options, markers, JUnit properties, and who wins."""

from __future__ import annotations

import importlib
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from analytic import problems
from si_verify import discovery, plan

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ("-p", "si_verify.pytest_plugin", "-p", "no:cacheprovider", "--strict-markers")
TESTS = """
import torch
import si_verify as sv
from dataclasses import replace
from si_verify import discovery

EULER = discovery.subjects()["torch/euler"]
WRONG = replace(EULER, name="wrong", load=lambda: lambda velocity, x0, times: x0 + 1.0, expected_failures=())

@sv.parametrize_with_checks([EULER, WRONG], select="check=ode-behaviour", dtype="float64")
def test_solver(check):
    check()

def test_of_somebody_else():
    pass
"""


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Everything imported before a run inside this process begins, which forgets what it imports and cannot again."""
    for name in ("plan", "execute", "config", "device", "select", "pytest_plugin"):
        importlib.import_module(f"si_verify.{name}")
    discovery.subjects()
    discovery.checks()
    problems.all()


@pytest.fixture(autouse=True)
def _tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin from this tree, whatever is installed; one thread."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_results_become_outcomes_with_properties_and_markers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TESTS)
    chosen = ("-m", "si_verify(kind='ode')", "--si-verify-seed", "3", "--junitxml=junit.xml", "-rA")
    done = pytester.runpytest_subprocess(*PLUGIN, *chosen, timeout=300)
    outcomes = done.parseoutcomes()
    assert outcomes["failed"] >= 1
    assert outcomes["passed"] >= 1
    assert outcomes["deselected"] == 1
    done.stdout.fnmatch_lines(["si-verify: seed=3", "*reproduce: si-verify *"])
    found = {}
    for case in ET.parse(pytester.path / "junit.xml").iter("testcase"):
        properties = [(p.get("name"), p.get("value")) for p in case.iter("property")]
        found[dict(properties)["si_verify.id"]] = properties
    assert {i.split("/")[0] for i in found} == {"ode-behaviour"}
    for identity, properties in found.items():
        given = dict(properties)
        assert given["si_verify.verdict"] == ("failed" if "/wrong/" in identity else "passed")
        assert given["si_verify.kind"] == "ode"
        assert given["si_verify.subject"] in identity
        assert "si-verify" in str(given["si_verify.reproduce"])
    passed = next(p for i, p in found.items() if "/wrong/" not in i)
    assert any(n == "si_verify.measurement" and ", expected " in str(v) for n, v in passed)


@pytest.fixture(autouse=True)
def unchanged_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """PROBE runs in this process: what it puts in the place of ``plan`` is gone when its test ends."""
    monkeypatch.setattr(plan, "plan", plan.plan)


PROBE = """
from si_verify import pytest_plugin, plan
seen = []
plan_ = plan.plan
def noted(subjects, checks, problems, settings, *rest, **named):
    seen.append(settings)
    return plan_(subjects, checks, problems, settings, *rest, **named)
plan.plan = noted

@pytest_plugin.parametrize_with_checks(["torch/heun"], **{{"select": "check=ode-behaviour"}} | dict({more}))
def test_it(check):
    pass

plan.plan = plan_

def test_settings():
    s = seen[0]
    open("seen.txt", "w").write(f"{{s.profile}} {{s.seed}} {{s.select}} {{s.dtypes}}")
"""


@pytest.mark.parametrize(
    ("section", "more", "options", "seen"),
    [
        ("", "", (), "quick 0 check=ode-behaviour ()"),
        ("profile = 'standard'\nseed = 5", "", (), "standard 5 check=ode-behaviour ()"),
        ("profile = 'standard'", "profile='quick'", (), "quick 0 check=ode-behaviour ()"),
        (
            "profile = 'standard'",
            "profile='quick', dtype='float32'",
            ("--si-verify-profile", "full", "--si-verify-select", "problem=1d-*"),
            "full 0 (check=ode-behaviour) and (problem=1d-*) ('float32',)",
        ),
        (
            "select = 'problem=1d-*, correlated-2d'",
            "select=None",
            ("--si-verify-select", "check=ode-behaviour"),
            "quick 0 (problem=1d-*, correlated-2d) and (check=ode-behaviour) ()",
        ),
    ],
)
def test_the_command_line_wins_then_the_decorator_then_the_configuration(
    pytester: pytest.Pytester, section: str, more: str, options: tuple[str, ...], seen: str
) -> None:
    pytester.makepyfile(test_it=PROBE.format(more=more))
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n[tool.si-verify]\n{section}\n")
    done = pytester.runpytest_inprocess(*PLUGIN, *options)
    assert done.ret == 0, done.stdout.str()
    assert (pytester.path / "seen.txt").read_text() == seen


@pytest.mark.parametrize(
    ("section", "options", "says"),
    [
        ("profil = 'quick'", (), "unknown key 'profil'"),
        ("", ("--si-verify-select", "a and"), "select: "),
        ("", ("--si-verify-profile", "huge"), "invalid choice: 'huge'"),
    ],
)
def test_what_cannot_be_used_is_said_by_name(
    pytester: pytest.Pytester, section: str, options: tuple[str, ...], says: str
) -> None:
    pytester.makepyfile(test_it=PROBE.format(more=""))
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n[tool.si-verify]\n{section}\n")
    done = pytester.runpytest_inprocess(*PLUGIN, *options)
    assert done.ret != 0
    assert says in done.stdout.str() + done.stderr.str()


def test_what_the_option_leaves_nothing_of_is_skipped_and_an_empty_decorator_is_an_error(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_it=PROBE.format(more=""))
    done = pytester.runpytest_inprocess(*PLUGIN, "--si-verify-select", "problem=none-such")
    done.assert_outcomes(passed=1, skipped=1)
    pytester.makepyfile(test_it=PROBE.replace("ode-behaviour", "none-such").format(more=""))
    done = pytester.runpytest_inprocess(*PLUGIN)
    assert "nothing selected" in done.stdout.str()
    assert done.ret != 0
