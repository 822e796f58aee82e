"""Flow log-likelihood with classical RK4: exact divergence, Hutchinson with Gaussian and with Rademacher probes."""

from __future__ import annotations

import functools

from si_verify.likelihood.flow import flow_log_likelihood, hutchinson_log_likelihood
from si_verify.subject import Claims, Subject

_MODULES = ("si_verify.likelihood.flow", "si_verify.likelihood.divergence")


def _hutchinson(kind: str) -> Subject:
    return Subject(
        name=f"likelihood/hutchinson-{kind}",
        kind="likelihood",
        load=lambda: functools.partial(hutchinson_log_likelihood, kind=kind),
        claims=Claims(order=4.0, extra={"form": "hutchinson", "probe": kind}),
        tags=frozenset({"flow", "stochastic"}),
        modules=_MODULES,
        summary=f"flow log-likelihood, RK4, {kind} probes held fixed",
    )


SUBJECTS = (
    Subject(
        name="likelihood/flow",
        kind="likelihood",
        load=lambda: flow_log_likelihood,
        claims=Claims(order=4.0, extra={"form": "flow"}),
        tags=frozenset({"flow"}),
        modules=_MODULES,
        summary="flow log-likelihood, RK4, exact divergence",
    ),
    _hutchinson("gaussian"),
    _hutchinson("rademacher"),
)
