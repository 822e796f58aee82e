"""Fault: a wrong implementation that the suite must reject, and the story of the mistake."""

from __future__ import annotations

from dataclasses import dataclass

from si_verify.subject import Subject


@dataclass(frozen=True)
class Fault:
    """A seeded fault.

    subject     the wrong implementation, under the claims that its right twin would make
    caught_by   checks of which each must reject it, on at least one problem of the profile
    story       one or two sentences: what was got wrong and how it happens
    problems    where they must reject it, as an expression; empty: where each check looks in its first profile
    source      the public thread where it happened, or the section of the mathematics it violates
    """

    subject: Subject
    caught_by: tuple[str, ...]
    story: str
    source: str
    problems: str = ""

    @property
    def name(self) -> str:
        return self.subject.name

    def __post_init__(self) -> None:
        if not self.caught_by:
            raise ValueError(f"caught_by: expected at least one check name (fault {self.name!r})")
        if not self.name.startswith("fault/"):
            raise ValueError(f"subject.name: expected 'fault/...', got {self.name!r}")
