"""Case: one check on one subject and one problem, as plain data that travels to any process or machine."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, field
from typing import Any

# Claims with an option of their own on the command line; any other is stated by --claim.
OPTIONS = frozenset(
    {
        "order",
        "weak_order",
        "strong_order",
        "adaptive",
        "evaluations_per_step",
        "interpretation",
        "noise",
        "quantity",
        "prediction",
        "clock",
        "checkpoint",
        "problem",
    }
)


@dataclass(frozen=True)
class Target:
    """A user's implementation: ``spec`` is ``module:object`` or ``path/to/file.py:object``; ``claims`` as given."""

    kind: str
    spec: str
    claims: tuple[tuple[str, Any], ...] = ()

    def options(self) -> list[str]:
        """The command-line options that state these claims again."""
        words: list[str] = []
        for name, value in self.claims:
            flag = "--" + name.replace("_", "-")
            if name not in OPTIONS:
                text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
                words += ["--claim", f"{name}={text}"]
            else:
                words += [flag] if value is True else [flag, str(value)]
        return words


@dataclass(frozen=True)
class Case:
    """Names only: the process that runs it looks them up. ``alpha`` is its share of the false-alarm budget."""

    check: str
    subject: str
    problem: str
    dtype: str
    device: str
    run_seed: int
    profile: str
    alpha: float
    target: Target | None = field(default=None)

    @property
    def id(self) -> str:
        return f"{self.check}/{self.subject}/{self.problem}/{self.dtype}"

    @property
    def seed(self) -> int:
        """Derived from the run's seed and the id alone: the same however the case was selected or scheduled."""
        digest = hashlib.sha256(f"{self.run_seed}|{self.id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    @property
    def reproduce(self) -> str:
        """A complete command that runs this case alone."""
        select = f"check={self.check} and problem={self.problem}"
        if self.target is None:
            words = ["si-verify", "run", "--select", f"{select} and subject={self.subject}"]
        else:
            words = ["si-verify", "check", self.target.kind, self.target.spec, *self.target.options()]
            words += ["--select", select]
        words += ["--profile", self.profile, "--dtype", self.dtype, "--device", self.device]
        words += ["--seed", str(self.run_seed)]
        return shlex.join(words)
