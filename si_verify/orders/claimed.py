"""Which order a subject claims for the noise that a check uses."""

from __future__ import annotations

from si_verify.subject import Claims


def claimed_strong(claims: Claims, structure: str) -> float | None:
    """The strong order claimed for additive, diagonal, scalar or general noise.

    ``claims.extra["strong_order"]`` may hold exceptions by structure; None where nothing is claimed.
    """
    if structure not in claims.noise and structure != "additive":
        return None
    return dict(claims.extra.get("strong_order", {})).get(structure, claims.strong_order)


def claimed_weak(claims: Claims, structure: str) -> float | None:
    """The weak order claimed for this noise; ``claims.extra["weak_order"]`` may hold exceptions by structure."""
    if structure not in claims.noise and structure != "additive":
        return None
    return dict(claims.extra.get("weak_order", {})).get(structure, claims.weak_order)
