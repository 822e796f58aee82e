"""The Python face: hand over a function, get a Record.

These run in the calling process, because a function cannot always travel to another one; the command line isolates
each subject in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from si_verify.record import Record
from si_verify.subject import Subject


def verify_subject(
    subject: Subject,
    *,
    profile: str = "quick",
    device: str = "auto",
    dtype: str = "float64",
    seed: int = 0,
    select: str = "",
    problem: str = "",
    budget: float = 1e-6,
) -> Record:
    """Run every check of the subject's kind and return the Record.

    profile: quick, standard or full; device: cpu, cuda, cuda:N, auto; dtype: float64, float32, all; select: see
    ``si_verify.select``; problem: an expression over problems that replaces the profile's choice.
    Raises ValueError if nothing is selected or an argument is not one of those.
    """
    from analytic import problems
    from si_verify import discovery
    from si_verify.config import load_config
    from si_verify.device import resolve_device
    from si_verify.executors.inline import InlineExecutor
    from si_verify.plan import Settings, plan
    from si_verify.run import run

    given = {"profile": profile, "device": device, "dtype": dtype, "seed": seed, "select": select, "budget": budget}
    config = load_config(overrides=given)
    dtypes = () if config.dtype == "all" else (config.dtype,)
    settings = Settings(config.profile, resolve_device(device), seed, budget, select, dtypes, problem)
    cases = plan([subject], discovery.checks().values(), problems.all(), settings, brief=False)
    if not cases:
        raise ValueError(f"nothing selected for kind {subject.kind!r} (select={select!r}, problem={problem!r})")
    return run(cases, settings, InlineExecutor({subject.name: subject}), command="python")


def _name(function: Callable[..., Any], name: str) -> str:
    return name or getattr(function, "__qualname__", type(function).__name__)


def _subject(function: Callable[..., Any], kind: str, name: str, claims: dict[str, Any]) -> Subject:
    from si_verify.targets import subject_of

    if not callable(function):
        raise TypeError(f"expected a callable {kind}, got {type(function).__name__}")
    return subject_of(_name(function, name), kind, lambda: function, {k: v for k, v in claims.items() if v is not None})


def check_ode_solver(
    solve: Callable[..., Any],
    order: float | None = None,
    *,
    adaptive: bool = False,
    evaluations_per_step: int | None = None,
    name: str = "",
    **options: Any,
) -> Record:
    """Verify ``solve(velocity, x0, times) -> x at times[-1]``, with ``velocity(t, x)``.

    x0 is (N, D); times is a strictly monotone 1-D tensor, increasing or decreasing. An ``adaptive`` solver also takes
    ``rtol=`` and ``atol=``. ``options``: see ``verify_subject``.
    """
    claims = {"order": order, "adaptive": adaptive, "evaluations_per_step": evaluations_per_step}
    return verify_subject(_subject(solve, "ode", name, claims), **options)


def check_sde_solver(
    solve: Callable[..., Any],
    weak_order: float | None = None,
    strong_order: float | None = None,
    *,
    interpretation: str = "ito",
    noise: tuple[str, ...] = ("additive",),
    evaluations_per_step: int | None = None,
    name: str = "",
    **options: Any,
) -> Record:
    """Verify ``solve(drift, diffusion, x0, times, brownian) -> x at times[-1]``.

    ``drift(t, x)`` and ``diffusion(t, x)`` answer (N, D); ``brownian(t0, t1)`` is the increment of the driving path,
    (N, D), the same at every call. ``options``: see ``verify_subject``.
    """
    claims = {
        "weak_order": weak_order,
        "strong_order": strong_order,
        "interpretation": interpretation,
        "noise": tuple(noise),
        "evaluations_per_step": evaluations_per_step,
    }
    return verify_subject(_subject(solve, "sde", name, claims), **options)


def check_field(
    field: Callable[..., Any], quantity: str = "velocity", *, problem: str = "", name: str = "", **options: Any
) -> Record:
    """Verify a field: ``quantity`` is log_density, score or velocity.

    ``field(t, x)`` is written for one problem, named by ``problem``; ``field(interpolant) -> f(t, x)`` works on all.
    Raises ValueError when a field of the first form comes without its problem.
    """
    from si_verify.targets import required_arguments

    if not problem and required_arguments(field) == 2:
        raise ValueError("problem: expected the name of the problem this field(t, x) is written for, got ''")
    return verify_subject(_subject(field, "field", name, {"quantity": quantity}), problem=problem, **options)
