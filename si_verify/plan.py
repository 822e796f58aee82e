"""Plan: which cases a run consists of. Pure: names in, cases out, always in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analytic.problems.problem import Problem
from si_verify.case import Case, Target
from si_verify.check import Check
from si_verify.select import Labels, parse
from si_verify.subject import VARIANT, Subject


@dataclass(frozen=True)
class Settings:
    """What a run is asked for. ``dtypes`` empty means every dtype that subject and check share."""

    profile: str = "quick"
    device: str = "cpu"
    seed: int = 0
    budget: float = 1e-6
    select: str = ""
    dtypes: tuple[str, ...] = ()
    problem_select: str = ""


def problem_labels(problem: Problem) -> Labels:
    return {"problem": (problem.name,), "family": (problem.family,), "tag": problem.tags}


def _labels(check: Check, subject: Subject, problem: Problem, dtype: str) -> Labels:
    return {
        "check": (check.name,),
        "subject": (subject.name,),
        "problem": (problem.name,),
        "kind": (subject.kind,),
        "family": (problem.family,),
        "tag": check.tags | subject.tags | problem.tags,
        "dtype": (dtype,),
    }


def _dtypes(check: Check, subject: Subject, settings: Settings) -> list[str]:
    """The subject's precisions that the check is made in; what quick leaves out where it has none of quick's."""
    held, whole = (check.dtypes_in(profile, settings.dtypes) for profile in (settings.profile, "full"))
    return [d for d in subject.dtypes if d in held] or [d for d in subject.dtypes if d in whole]


def plan(
    subjects: Iterable[Subject],
    checks: Iterable[Check],
    catalogue: Sequence[Problem],
    settings: Settings,
    targets: Mapping[str, Target] | None = None,
    brief: bool | None = None,
) -> list[Case]:
    """All selected (check, subject, problem, dtype), long ones first, sharing the budget over statistical ones.

    The budget is split evenly over the statistical cases (Bonferroni), so that the chance that a run of right
    implementations raises even one false alarm is at most ``settings.budget``.
    ``brief`` leaves out what only repeats (``Check.scope``; variants in quick): by default where nothing is selected.
    ``settings.problem_select`` replaces the problems a check asks for in the profile.
    """
    chosen = parse(settings.select)
    wanted, quick = list(subjects), settings.profile == "quick"
    if brief is None:
        brief = not settings.select
    rows: list[tuple[float, Check, Subject, Problem, str]] = []
    for check in checks:
        at_home = parse(settings.problem_select or check.problems[settings.profile])
        within = parse(check.scope.get(settings.profile, "") if brief else "")
        own = [p for p in catalogue if at_home(problem_labels(p))] if check.problems[settings.profile] else []
        for subject in wanted:
            if subject.kind not in check.kinds or (brief and quick and VARIANT in subject.tags):
                continue
            for problem in own:
                if not check.applies(subject, problem):
                    continue
                rows += [
                    (check.cost, check, subject, problem, dtype)
                    for dtype in _dtypes(check, subject, settings)
                    if chosen(labels := _labels(check, subject, problem, dtype)) and within(labels)
                ]
    statistical = sum(row[1].statistical for row in rows)
    alpha = settings.budget / max(1, statistical)
    rows.sort(key=lambda row: -row[0])
    return [
        Case(
            check=check.name, subject=subject.name, problem=problem.name, dtype=dtype, device=settings.device,
            run_seed=settings.seed, profile=settings.profile, alpha=alpha if check.statistical else 0.0,
            target=(targets or {}).get(subject.name),
        )
        for _, check, subject, problem, dtype in rows
    ]  # fmt: skip
