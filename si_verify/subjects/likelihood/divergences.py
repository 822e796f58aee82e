"""KL from log densities, the bounds on it, and the transport identity."""

from __future__ import annotations

from typing import Any

from si_verify.likelihood import bounds, divergences
from si_verify.subject import Claims, Subject


def _subject(name: str, estimate: Any, form: str, summary: str, **extra: Any) -> Subject:
    return Subject(
        name=name,
        kind="likelihood",
        load=lambda: estimate,
        claims=Claims(extra={"form": form, **extra}),
        tags=frozenset({form}),
        modules=(estimate.__module__,),
        summary=summary,
    )


SUBJECTS = (
    _subject("likelihood/kl", divergences.kl_divergence, "kl", "mean of paired log-ratios"),
    _subject("likelihood/bound-drift", bounds.drift_bound, "bound", "∫ E|b̂_F − b_F|²/4ε", inequality="drift"),
    _subject(
        "likelihood/bound-velocity-score", bounds.velocity_score_bound, "bound", "from the excesses of b and s",
        inequality="velocity-score",
    ),
    _subject(
        "likelihood/bound-interpolant-score", bounds.interpolant_score_bound, "bound", "from the excesses of v and s",
        inequality="interpolant-score",
    ),
    _subject("likelihood/transport-identity", bounds.transport_kl, "identity", "∫E[(∇log ρ̂ − ∇log ρ)·(b̂ − b)]"),
)  # fmt: skip
