"""The Python face of likelihood estimators: hand over a function, get a Record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from si_verify.record import Record
from si_verify.subject import Claims, Subject


def check_likelihood(
    estimate: Callable[..., Any],
    form: str = "flow",
    order: float | None = None,
    *,
    adaptive: bool = False,
    probe: str = "rademacher",
    inequality: str = "drift",
    name: str = "",
    **options: Any,
) -> Record:
    """Verify a likelihood estimator; ``form`` says how it is called (``si_verify.likelihood.estimate``):

    flow        estimate(velocity, log_known, x, times) -> (N,); ``adaptive`` ones also take rtol=, atol=
    hutchinson  estimate(velocity, log_known, x, times, probes, generator) -> (N,); ``probe``: gaussian or rademacher
    sde         estimate(velocity, score, epsilon, log_known, x, times, paths, generator)
                -> (log density, standard error, effective size), each (N,)
    path        estimate(velocity, score, epsilon, log_known, x, times, increments) -> (X (N, D), log density (N,))
    kl          estimate(log_p, log_q) -> (KL, standard error)
    bound       bound(errors, epsilon) -> float; ``inequality``: drift, velocity-score or interpolant-score
    identity    kl(gap, error, nodes, span) -> float

    ``order``: of the time stepping, 1 where none is given (½ for paths, 5 for adaptive ones).
    ``options``: see ``verify_subject``.
    Raises TypeError if ``estimate`` is no callable, ValueError for an unknown claim.
    """
    from si_verify.api import verify_subject

    if not callable(estimate):
        raise TypeError(f"estimate: expected a callable, got {type(estimate).__name__}")
    title = name or getattr(estimate, "__qualname__", type(estimate).__name__)
    subject = likelihood_subject(
        lambda: estimate, form, order, adaptive=adaptive, probe=probe, inequality=inequality, name=title
    )
    return verify_subject(subject, **options)


def likelihood_subject(
    load: Callable[[], Any],
    form: str = "flow",
    order: float | None = None,
    *,
    adaptive: bool = False,
    probe: str = "rademacher",
    inequality: str = "drift",
    name: str = "likelihood",
) -> Subject:
    """The Subject of an estimator that ``load`` answers. For the command line."""
    from si_verify.likelihood.estimate import FORMS

    for argument, value, known in (
        ("form", form, FORMS),
        ("probe", probe, ("gaussian", "rademacher")),
        ("inequality", inequality, ("drift", "velocity-score", "interpolant-score")),
    ):
        if value not in known:
            raise ValueError(f"{argument}: expected one of {', '.join(known)}, got {value!r}")
    extra = {"form": form}
    extra |= {"probe": probe} if form == "hutchinson" else {}
    extra |= {"inequality": inequality} if form == "bound" else {}
    usual = 5.0 if adaptive else 0.5 if form == "path" else 1.0
    claims = Claims(order=order or usual, adaptive=adaptive, extra=extra)
    return Subject(name, "likelihood", load, claims, frozenset({"user"}))
