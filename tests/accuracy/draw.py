"""Specifications drawn by Hypothesis in numbered chunks, each reproducible on its own."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.cases import CaseSpec
from tests.strategies import specs

CHUNK = 50


def chunk(number: int, size: int = CHUNK, max_work: int | None = None) -> list[CaseSpec]:
    """Up to `size` distinct specifications of chunk `number`; the same for the same Hypothesis version."""
    drawn: list[CaseSpec] = []

    @seed(number)
    @settings(
        max_examples=size,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(specs(max_work=max_work))
    def collect(spec: CaseSpec) -> None:
        drawn.append(spec)

    collect()
    return list(dict.fromkeys(drawn))
