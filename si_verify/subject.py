"""Subject: an implementation under test, what it claims, and how it is loaded.

Interfaces by kind. Arrays are torch tensors of the case's dtype on its device; times increase or decrease strictly.

========== ==================================================================================================
kind        what ``Subject.load()`` returns
========== ==================================================================================================
field       ``build(interpolant, dtype, device) -> {"log_density" | "score" | "velocity": f}``,
            ``f(t, x)`` with t a float or (N,), x (N, D); f answers (N,) or (N, D)
ode         ``solve(velocity, x0, times) -> x at times[-1]``; adaptive ones also take ``rtol=, atol=``
sde         ``solve(drift, diffusion, x0, times, brownian) -> x at times[-1]``;
            ``drift(t, x)`` and ``diffusion(t, x)`` answer (N, D); ``brownian(t0, t1) -> ΔW`` (N, D);
            where ``claims.noise`` holds "scalar" or "general", diffusion may also answer (N, D, M), ΔW then (N, M);
            ``brownian.area(t0, t1)`` is ∫ (W_u − W_t0) |du|. On a falling grid h < 0 and ΔW = W(t1) − W(t0).
            With ``claims.extra["interface"] == "fields"`` the solver builds its own drift b ± ε s:
            ``solve(velocity, score, epsilon, x0, times, brownian)``, backward where times fall;
            adaptive ones also take ``rtol=, atol=``
sampler     see si_verify/subjects/samplers
pde         ``solve(problem, times) -> ρ (T, *shape)`` at all times on ``problem.grid`` (si_verify/density/problem.py);
            its claims: si_verify/density/claims.py; log-densities along particles: si_verify/density/particles.py
drift       learned fields, or an objective they are learned with: si_verify/learning/guard.py
path        ``plan(interpolant, times, method, epsilon, dtype, device) -> run``, method one of
            ``claims.extra["methods"]`` (si_verify/paths/schemes.py); ``run(x0, seed, *, stream=0, first_particle=0,
            first_step=0) -> x at times[-1]`` of dX = (b ± ε s) dt + √(2ε) dW, + on a rising grid; the normals of
            particle i at step j are those of ``si_verify.kernels.philox.normals`` with the same arguments; with
            ``claims.extra["to_the_bit"]`` a particle's path does not depend on those that go with it
likelihood  log-density and KL estimators, and the bounds on KL: si_verify/likelihood/estimate.py
========== ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal

Kind = Literal["field", "ode", "sde", "sampler", "pde", "drift", "likelihood", "path"]
KINDS: tuple[str, ...] = ("field", "ode", "sde", "sampler", "pde", "drift", "likelihood", "path")


class Unavailable(Exception):
    """The subject cannot be had on this machine; the message is the recorded reason of the skip."""


class SubjectError(Exception):
    """The subject broke its interface: raised, hung, or returned what it must not. A failure, not an error."""


@dataclass(frozen=True)
class Claims:
    """What a subject says of itself; checks test the claim, never a wish.

    order                    global order in the step size (ODE), pathwise at the last time
    weak_order, strong_order global orders of an SDE scheme, for the noise that the check uses
    adaptive                 chooses its own steps and is driven by ``rtol, atol``
    evaluations_per_step     field evaluations a step (None: not claimed)
    interpretation           "ito" or "stratonovich": how an SDE scheme reads its drift
    noise                    noise structures it accepts: "additive", "scalar", "diagonal", "general"
    quantities               fields a field subject gives: "log_density", "score", "velocity"
    extra                    anything a family of checks agrees on with its subjects; SDE: "interface" (above), and
                             "strong_order", "weak_order": {noise structure: order} where it differs; ODE:
                             "rows_at_once": no more rows in one call, where work grows with their square
    """

    order: float | None = None
    weak_order: float | None = None
    strong_order: float | None = None
    adaptive: bool = False
    evaluations_per_step: int | None = None
    interpretation: Literal["ito", "stratonovich"] = "ito"
    noise: frozenset[str] = frozenset({"additive"})
    quantities: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class ExpectedFailure:
    """A known shortfall: check and problem (globs), the reason, and a link or a page of docs/findings.md.

    Strict: if the subject passes where it is expected to fail, that is a failure, so the mark cannot outlive the bug.
    Not strict: it may pass, and a verdict left open counts as the shortfall as well.
    """

    check: str
    reason: str
    link: str
    problem: str = "*"
    dtype: str = "*"
    strict: bool = True

    def covers(self, check: str, problem: str, dtype: str) -> bool:
        return fnmatchcase(check, self.check) and fnmatchcase(problem, self.problem) and fnmatchcase(dtype, self.dtype)


VARIANT = "variant"


@dataclass(frozen=True)
class Subject:
    """An implementation under test.

    One tagged ``VARIANT`` differs little from another: a quick run leaves it out unless a selection is given.

    ``load`` imports late and returns the callable of its kind, or raises ``Unavailable`` with the reason.
    ``modules`` are the import names whose file, version and hash go into the record, as the proof of what ran.
    """

    name: str
    kind: Kind
    load: Callable[[], Any]
    claims: Claims = Claims()
    tags: frozenset[str] = frozenset()
    modules: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ("float64",)
    expected_failures: tuple[ExpectedFailure, ...] = ()
    summary: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {self.kind!r} (subject {self.name!r})")

    def expected_failure(self, check: str, problem: str, dtype: str) -> ExpectedFailure | None:
        """The first mark that covers this case, if any."""
        return next((e for e in self.expected_failures if e.covers(check, problem, dtype)), None)
