"""Check: one claim, the subjects and problems it speaks of, and the function that measures it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from analytic.problems.problem import Problem
    from si_verify.measurement import Outcome
    from si_verify.subject import Subject

PROFILES: tuple[str, ...] = ("quick", "standard", "full")


class Inapplicable(Exception):
    """Raised by ``measure`` when only the running subject could tell that the claim does not apply: a skip."""


@dataclass(frozen=True)
class Context:
    """All that a check may use: nothing global, so that a case is reproduced from its record alone.

    implementation
        what ``subject.load()`` returned, guarded: exceptions, wrong shape, dtype or device, changed inputs and
        non-finite answers arrive as ``SubjectError``.
    run_seed
        the seed of the whole run, from which ``seed``, this case's own, is derived.
    alpha
        this case's share of the run's false-alarm budget, to be shared over all its statistical assertions.
    """

    subject: Subject
    problem: Problem
    implementation: Any
    dtype: torch.dtype
    device: torch.device
    seed: int
    alpha: float
    profile: str
    run_seed: int = 0

    @property
    def shared_seed(self) -> int:
        """For what all subjects of a run are given alike on this problem, and what is therefore computed once."""
        return zlib.crc32(f"{self.run_seed}|{self.problem.name}".encode())

    @property
    def effort(self) -> int:
        """0, 1, 2 for quick, standard, full: how much a check may spend."""
        return PROFILES.index(self.profile)

    def generator(self, stream: int = 0) -> torch.Generator:
        """A fresh CPU generator for an independent stream of this case."""
        import numpy as np
        import torch

        state = np.random.SeedSequence([self.seed, stream]).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state) & (2**63 - 1))


def _always(subject: Subject, problem: Problem) -> bool:
    return True


@dataclass(frozen=True)
class Check:
    """One claim.

    name          kebab-case
    claim         the claim as a sentence, with its source
    kinds         kinds of subject it speaks of
    measure       Context -> Outcome; never judges, never prints, never catches the subject's errors
    problems      profile -> selection expression over problem names and tags (select.py); empty: nowhere in it
    applies       whether the claim is meant for this subject on this problem; False leaves no trace in a run
    statistical   True if any of its bounds is of origin ``sampling``: it then draws on the run's budget
    dtypes        the dtypes it makes sense for
    quick_dtypes  those of the quick profile, where fewer say as much; a dtype asked for by name is not held back
    scope         profile -> selection expression over its cases (kinds, dtypes, tags, subjects), where the rest says
                  little that is new; a run with a selection, and a subject of one's own, get all
    tags, cost    for selection; ``cost`` is a rough number of seconds, to start the long cases first
    """

    name: str
    claim: str
    kinds: frozenset[str]
    measure: Callable[[Context], Outcome]
    problems: Mapping[str, str]
    applies: Callable[[Subject, Problem], bool] = _always
    statistical: bool = False
    dtypes: tuple[str, ...] = ("float64", "float32")
    quick_dtypes: tuple[str, ...] | None = None
    scope: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    cost: float = 1.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing = set(PROFILES) - set(self.problems)
        if missing:
            raise ValueError(
                f"problems: expected an expression for every profile, {sorted(missing)} missing ({self.name})"
            )

    def dtypes_in(self, profile: str, asked: tuple[str, ...]) -> tuple[str, ...]:
        """The dtypes of a run: those asked for, else those of the profile."""
        if asked:
            return tuple(dtype for dtype in self.dtypes if dtype in asked)
        return self.quick_dtypes if profile == "quick" and self.quick_dtypes is not None else self.dtypes
