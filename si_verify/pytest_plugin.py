"""pytest: ``parametrize_with_checks`` makes one test per subject, check, problem and dtype.

The command line wins (``--si-verify-profile``, ``-device``, ``-seed``, ``-select``), then what the decorator says, then
``[tool.si-verify]`` of the nearest pyproject.toml. Each test carries the marker ``si_verify`` with its names, so that
``-m "si_verify(kind='ode')"`` chooses among them, and writes what was measured into JUnit's properties.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from si_verify.case import Case
    from si_verify.config import Config
    from si_verify.subject import Subject

_OPTIONS = ("profile", "device", "seed", "select")
# What runs now, innermost last: a decorator and a bound check are given no pytest object of their own.
_configs: list[pytest.Config] = []
_items: list[pytest.Item] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; heavy imports wait until a test file uses them."""
    group = parser.getgroup("si-verify", "verification of flows, diffusions and solvers against closed forms")
    group.addoption("--si-verify-profile", choices=("quick", "standard", "full"), help="How much to do.")
    group.addoption("--si-verify-device", metavar="DEVICE", help="cpu, cuda, cuda:N or auto.")
    group.addoption("--si-verify-seed", metavar="SEED", type=int, help="Seed of all cases.")
    group.addoption("--si-verify-select", metavar="EXPR", help="Only these cases, among what the tests select.")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; remember the options for decorators, which run while test files are imported."""
    config.addinivalue_line(
        "markers", "si_verify(subject, kind, check, problem, dtype): a test made by si_verify.parametrize_with_checks"
    )
    _configs.append(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget them: a run inside a run must not leave its options to the outer one."""
    if config in _configs:
        _configs.remove(config)


def _given() -> dict[str, Any]:
    """Options of the command line that were given, without their prefix."""
    if not _configs:
        return {}
    named = {name: _configs[-1].getoption(f"si_verify_{name}", None) for name in _OPTIONS}
    return {name: value for name, value in named.items() if value is not None}


def pytest_report_header() -> str | None:
    """One line, for those who gave an option."""
    given = _given()
    return "si-verify: " + ", ".join(f"{k}={v}" for k, v in given.items()) if given else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a bound check know its test, to write its properties."""
    _items.append(item)
    try:
        return (yield)
    finally:
        _items.pop()


@dataclass(frozen=True)
class BoundCheck:
    """A case bound to its subject; calling it runs the case in this process and fails, skips or xfails the test."""

    case: Case
    subject: Subject

    def __call__(self) -> None:
        from si_verify.execute import run_case
        from si_verify.gate import Verdict
        from si_verify.junit import properties

        result = run_case(self.case, {self.subject.name: self.subject})
        if _items:
            _items[-1].user_properties.extend(properties(result))
        why = f"{result.reason}\nclaim: {result.claim}\nreproduce: {result.reproduce}"
        if result.verdict in (Verdict.FAILED, Verdict.ERROR, Verdict.UNEXPECTED_PASS):
            detail = f"\n{result.traceback}" if result.traceback else ""
            pytest.fail(f"{result.verdict}: {result.id}\n{why}{detail}", pytrace=False)
        if result.verdict in (Verdict.SKIPPED, Verdict.INCONCLUSIVE):
            pytest.skip(f"{result.verdict}: {result.reason}")
        if result.verdict is Verdict.EXPECTED_FAILURE:
            pytest.xfail(f"{result.reason} ({result.link})")


def _config(**said: Any) -> Config:
    from pathlib import Path

    from si_verify.config import ConfigError, load_config

    given = _given()
    narrower = given.pop("select", None)
    start = _configs[-1].rootpath if _configs else Path.cwd()
    try:
        config = load_config(start, said | given)
        if not narrower:
            return config
        # What the file selects is narrowed as well as what the decorator says.
        both = f"({config.select}) and ({narrower})" if config.select else narrower
        return load_config(start, said | given | {"select": both})
    except ConfigError as error:
        raise pytest.UsageError(f"si-verify: {error}") from error


def parametrize_with_checks(
    subjects: Iterable[Subject | str],
    *,
    profile: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    seed: int | None = None,
    select: str | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate ``def test_x(check): check()``: one test per subject, check, problem and dtype.

    ``subjects`` are Subject objects or names of built-in ones. What is None comes from ``[tool.si-verify]``; options
    of the command line win, and ``--si-verify-select`` narrows ``select``. Raises ValueError for an unknown name, or
    if nothing is selected without that option; with it such a test is skipped.
    """
    from analytic import problems
    from si_verify import discovery
    from si_verify.device import resolve_device
    from si_verify.plan import Settings, plan
    from si_verify.select import SelectError

    known = discovery.subjects()
    wanted: list[Subject] = []
    for subject in subjects:
        if isinstance(subject, str):
            if subject not in known:
                raise ValueError(f"subjects: no built-in subject {subject!r}; see 'si-verify list subjects'")
            subject = known[subject]
        wanted.append(subject)
    config = _config(profile=profile, device=device, dtype=dtype, seed=seed, select=select)
    dtypes = () if config.dtype == "all" else (config.dtype,)
    where = resolve_device(config.device)
    settings = Settings(config.profile, where, config.seed, config.budget, config.select, dtypes)
    try:
        cases = plan(wanted, discovery.checks().values(), problems.all(), settings, brief=False)
    except SelectError as error:
        raise pytest.UsageError(f"si-verify: select: {error}") from error
    if not cases and "select" not in _given():
        raise ValueError(f"nothing selected (profile={config.profile!r}, select={config.select!r})")
    by_name = {subject.name: subject for subject in wanted}
    return pytest.mark.parametrize("check", [_parameter(case, by_name[case.subject]) for case in cases])


def _parameter(case: Case, subject: Subject) -> Any:
    names = {"check": case.check, "problem": case.problem, "dtype": case.dtype}
    mark = pytest.mark.si_verify(subject=subject.name, kind=subject.kind, **names)
    return pytest.param(BoundCheck(case, subject), id=case.id, marks=mark)
