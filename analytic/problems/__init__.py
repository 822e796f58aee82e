"""The catalogue of problems: every module of this package exports `Problem` constants, and they are found here.

    >>> from analytic import problems
    >>> problems.get("1d-bimodal-to-trimodal").interpolant.velocity(0.5, x)

To add one, add a constant to a module (or a module); nothing else is edited.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from analytic.problems.problem import TAGS, Problem

__all__ = ["TAGS", "Problem", "all", "families", "get", "names", "select"]


@cache
def all() -> tuple[Problem, ...]:
    """Every problem, in a stable order: modules by name, constants as written. Builds nothing."""
    found: dict[str, Problem] = {}
    for module in sorted(info.name for info in iter_modules(__path__)):
        for value in vars(import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Problem) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"name: two problems are called {value.name!r}")
    return tuple(found.values())


def names() -> tuple[str, ...]:
    """The names, in the order of `all`."""
    return tuple(problem.name for problem in all())


def families() -> dict[str, tuple[Problem, ...]]:
    """Family -> its problems."""
    out: dict[str, list[Problem]] = {}
    for problem in all():
        out.setdefault(problem.family, []).append(problem)
    return {family: tuple(members) for family, members in out.items()}


def get(name: str) -> Problem:
    """The problem called `name`; ValueError with the nearest names where there is none."""
    for problem in all():
        if problem.name == name:
            return problem
    near = get_close_matches(str(name), names(), n=5, cutoff=0.4)
    hint = f"; near: {', '.join(near)}" if near else ""
    raise ValueError(f"name: no problem is called {name!r}{hint}; problems.names() lists all {len(names())}")


def select(*tags: str) -> tuple[Problem, ...]:
    """The problems that carry all the tags; ValueError for a tag that does not exist."""
    unknown = [tag for tag in tags if tag not in TAGS]
    if unknown:
        raise ValueError(f"tags: {unknown} do not exist; known tags: {', '.join(TAGS)}")
    return tuple(problem for problem in all() if problem.has(*tags))
