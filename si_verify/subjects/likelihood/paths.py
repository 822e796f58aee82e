"""Densities of SDE laws by weighted paths: Feynman–Kac, and the ratio of forward to backward chains."""

from __future__ import annotations

from si_verify.likelihood.paths import feynman_kac, path_ratio
from si_verify.subject import Claims, Subject


def _subject(name: str, estimate: object, summary: str) -> Subject:
    return Subject(
        name=name,
        kind="likelihood",
        load=lambda: estimate,
        claims=Claims(weak_order=1.0, extra={"form": "sde"}),
        tags=frozenset({"stochastic"}),
        modules=("si_verify.likelihood.paths", "si_verify.likelihood.estimate"),
        summary=summary,
    )


SUBJECTS = (
    _subject("likelihood/feynman-kac", feynman_kac, "exp(−∫∇·b_F) along paths of b_F run down"),
    _subject("likelihood/path-ratio", path_ratio, "forward over backward Euler chain, unbiased for the chain"),
)
