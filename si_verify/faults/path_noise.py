"""Faults of whole paths in one launch: counters, stages, signs. Each is the plain path with one part replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from si_verify.faults.fault import Fault
from si_verify.kernels.philox import normals
from si_verify.paths.plain import RIGHT, Parts, planner
from si_verify.subject import Claims, Subject


def _from_zero(particles: Any, step: int, dim: int, seed: int, stream: int, dtype: str) -> Any:
    return normals(particles - particles[0], step, dim, seed, stream, dtype)


def _low_key(particles: Any, step: int, dim: int, seed: int, stream: int, dtype: str) -> Any:
    return normals(particles, step, dim, seed & 0xFFFFFFFF, stream, dtype)


def _no_stream(particles: Any, step: int, dim: int, seed: int, stream: int, dtype: str) -> Any:
    return normals(particles, step, dim, seed, 0, dtype)


def _one_block(particles: Any, step: int, dim: int, seed: int, stream: int, dtype: str) -> Any:
    return np.tile(normals(particles, step, 2, seed, stream, dtype), (1, -(-dim // 2)))[:, :dim]


def _fault(name: str, parts: Parts, story: str, problems: str = "") -> Fault:
    subject = Subject(
        name=f"fault/path-{name}",
        kind="path",
        load=lambda: planner(parts),
        claims=Claims(extra={"methods": ("euler", "heun", "rk4")}),
        tags=frozenset({"fault", "kernel", "path"}),
        summary=story,
    )
    return Fault(
        subject, ("path-replay",), story, "Salmon et al., SC 2011, section 3; MATH.md section 8; issue 6", problems
    )


FAULTS = (
    _fault(
        "particles-from-zero",
        replace(RIGHT, draw=_from_zero),
        "Every launch counts its particles from zero: two devices, or two halves of a batch, draw the same noise.",
    ),
    _fault(
        "key-of-32-bits",
        replace(RIGHT, draw=_low_key),
        "Only the lower half of the seed reaches Philox's key: seeds that differ above bit 32 give the same paths.",
    ),
    _fault(
        "stream-ignored",
        replace(RIGHT, draw=_no_stream),
        "The stream is not in the counter: noise meant to be apart from that of the paths is the same.",
    ),
    _fault(
        "one-block-of-coordinates",
        replace(RIGHT, draw=_one_block),
        "The block of coordinates is not in the counter: coordinates 2, 3 repeat the noise of 0, 1.",
        "product-3d",
    ),
    _fault(
        "score-added-backwards",
        replace(RIGHT, gain=lambda epsilon, h: epsilon),
        "On a falling grid the drift is still b + ε s: the backward SDE takes b − ε s.",
    ),
    _fault(
        "noise-without-two",
        replace(RIGHT, spread=lambda epsilon, h: (epsilon * abs(h)) ** 0.5),
        "σ = √(εh) where the process has √(2εh).",
    ),
    _fault(
        "stage-of-the-step-before",
        replace(RIGHT, clock=lambda t, h, c: t),
        "Stages read the law of the step's first time: constants of the later ones have not arrived.",
    ),
    _fault(
        "corrector-draws-again",
        replace(RIGHT, again=True),
        "Heun's corrector adds noise that its predictor has not seen: the two stages have different Brownian paths.",
    ),
)
