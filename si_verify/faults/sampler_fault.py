"""One wrong sampler as a Fault, under the claims of its right twin in si_verify/subjects/samplers/*_textbook.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.faults.fault import Fault
from si_verify.sampling.clock import Clock
from si_verify.sampling.interface import Sampler, between
from si_verify.subject import Claims, Subject
from si_verify.subjects.samplers.sigma_textbook import BOTTOM, SIGMA, TOP

Sample = Callable[[Any, torch.Tensor, int, torch.Generator], torch.Tensor]
FIRST, SECOND = Claims(order=1), Claims(order=2)
WEAK, WEAK_SECOND = Claims(weak_order=1), Claims(weak_order=2)


def draw(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Standard normals in the shape of x."""
    return torch.randn(x.shape, generator=generator, dtype=x.dtype)


def sampler_fault(
    name: str,
    sample: Sample,
    claims: Claims,
    caught_by: tuple[str, ...],
    story: str,
    source: str,
    *,
    per_step: int = 1,
    clock: Clock = SIGMA,
    prediction: str = "data",
    ends: tuple[float, float] = (TOP, BOTTOM),
) -> Fault:
    """The fault ``fault/sampler-<name>``; checks named without their prefix "sampler-"."""
    subject = Subject(
        name=f"fault/sampler-{name}",
        kind="sampler",
        load=lambda: Sampler(sample, clock, prediction, between(clock, *ends), lambda steps: per_step * steps),
        claims=claims,
        tags=frozenset({"fault"}),
        modules=(sample.__module__,),
        dtypes=("float64",),
        summary=story,
    )
    return Fault(subject, tuple(f"sampler-{check}" for check in caught_by), story, source)
