"""Faults in the counter-based noise of fused path kernels, which draw their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from si_verify.faults.fault import Fault
from si_verify.faults.sde_step import Step, solver
from si_verify.kernels.philox import normals
from si_verify.subject import Claims, Subject

Draw = Callable[[Step, int], np.ndarray]


def right(step: Step, seed: int) -> np.ndarray:
    """The noise of a right kernel: a counter of (particle, step, coordinate block, stream)."""
    return normals(np.arange(len(step.x)), step.i, step.x.shape[1], seed)


def _no_step(step: Step, seed: int) -> np.ndarray:
    return normals(np.arange(len(step.x)), 0, step.x.shape[1], seed)


def _one_half_of_the_pair(step: Step, seed: int) -> np.ndarray:
    z = right(step, seed)
    z[:, 1::2] = z[:, 0::2][:, : z[:, 1::2].shape[1]]
    return z


def _uncentred(step: Step, seed: int) -> np.ndarray:
    return np.abs(right(step, seed))


def subject(name: str, draw: Draw, summary: str = "") -> Subject:
    """Euler–Maruyama that draws its own noise, as a fused kernel does; torch's seed becomes the key."""

    def rule(step: Step) -> torch.Tensor:
        z = torch.as_tensor(draw(step, torch.initial_seed())).to(step.x)
        return step.euler(abs(step.h) ** 0.5 * z)

    return Subject(
        name=name,
        kind="sde",
        load=lambda: solver(rule),
        claims=Claims(weak_order=1.0, strong_order=1.0),
        tags=frozenset({"fault", "kernel"}),
        summary=summary,
    )


def _fault(name: str, draw: Draw, story: str) -> Fault:
    made = subject(f"fault/kernel-{name}", draw, story)
    return Fault(made, ("law-moments",), story, "Salmon et al., SC 2011, section 3; issue 6")


FAULTS = (
    _fault(
        "philox-counter-without-step",
        _no_step,
        "The step is not in Philox's counter: every step draws the same numbers, and noise adds up in amplitude.",
    ),
    _fault(
        "box-muller-one-half",
        _one_half_of_the_pair,
        "The cosine of the Box–Muller pair is stored twice: coordinates 2j and 2j + 1 share their noise.",
    ),
    _fault(
        "box-muller-angle-in-half-circle",
        _uncentred,
        "The angle runs over too little of the circle: normals of one sign, and a drift nobody asked for.",
    ),
)
