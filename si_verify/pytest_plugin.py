"""pytest: ``parametrize_with_checks`` makes one test per subject, check, problem and dtype."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from si_verify.case import Case
    from si_verify.subject import Subject


@dataclass(frozen=True)
class BoundCheck:
    """A case bound to its subject; calling it runs the case in this process and fails, skips or xfails the test."""

    case: Case
    subject: Subject

    def __call__(self) -> None:
        from si_verify.execute import run_case
        from si_verify.gate import Verdict

        result = run_case(self.case, {self.subject.name: self.subject})
        why = f"{result.reason}\nclaim: {result.claim}\nreproduce: {result.reproduce}"
        if result.verdict in (Verdict.FAILED, Verdict.ERROR, Verdict.UNEXPECTED_PASS):
            detail = f"\n{result.traceback}" if result.traceback else ""
            pytest.fail(f"{result.verdict}: {result.id}\n{why}{detail}", pytrace=False)
        if result.verdict in (Verdict.SKIPPED, Verdict.INCONCLUSIVE):
            pytest.skip(f"{result.verdict}: {result.reason}")
        if result.verdict is Verdict.EXPECTED_FAILURE:
            pytest.xfail(f"{result.reason} ({result.link})")


def parametrize_with_checks(
    subjects: Iterable[Subject | str],
    *,
    profile: str = "quick",
    device: str = "auto",
    dtype: str = "all",
    seed: int = 0,
    select: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate ``def test_x(check): check()``: one test per subject, check, problem and dtype.

    ``subjects`` are Subject objects or names of built-in ones. Raises ValueError for an unknown name or if nothing
    is selected.
    """
    from analytic import problems
    from si_verify import discovery
    from si_verify.device import resolve_device
    from si_verify.plan import Settings, plan

    known = discovery.subjects()
    wanted: list[Subject] = []
    for subject in subjects:
        if isinstance(subject, str):
            if subject not in known:
                raise ValueError(f"subjects: no built-in subject {subject!r}; see 'si-verify list subjects'")
            subject = known[subject]
        wanted.append(subject)
    dtypes = () if dtype == "all" else (dtype,)
    settings = Settings(profile, resolve_device(device), seed, 1e-6, select, dtypes)
    cases = plan(wanted, discovery.checks().values(), problems.all(), settings)
    if not cases:
        raise ValueError(f"nothing selected (profile={profile!r}, select={select!r})")
    by_name = {subject.name: subject for subject in wanted}
    bound = [BoundCheck(case, by_name[case.subject]) for case in cases]
    return pytest.mark.parametrize("check", bound, ids=[b.case.id for b in bound])
