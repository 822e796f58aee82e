"""What a sampler is to the suite: a callable, its clock, and the noise levels between which it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from si_verify.sampling.clock import Clock, Level, clock
from si_verify.sampling.predictions import check_prediction
from si_verify.subject import Claims


@dataclass(frozen=True)
class Ends:
    """The levels of a run: the state it is handed is at ``start``, its answer at ``end``.

    jump_from: the level from which the last step goes to ``end`` in one go, by the model's prediction there, however
    many steps there are; None where the last step shrinks with the others. A jump has an error of its own that no
    number of steps removes (sampler-bias measures it).
    """

    start: Level
    end: Level
    jump_from: Level | None = None


Sample = Callable[[Any, torch.Tensor, int, torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class Sampler:
    """``sample(model, x, steps, generator) -> x`` with everything the suite must know of it.

    ends: steps -> Ends. evaluations: steps -> model evaluations (None: not claimed). step_counts: the counts it can
    be run with, rising (None: any from 5).
    """

    sample: Sample
    clock: Clock
    prediction: str
    ends: Callable[[int], Ends]
    evaluations: Callable[[int], int] | None = None
    step_counts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_prediction(self.prediction)

    def __call__(self, model: Any, x: torch.Tensor, steps: int, generator: torch.Generator) -> torch.Tensor:
        return self.sample(model, x, steps, generator)


def stochastic(claims: Claims) -> bool:
    """Whether it draws noise, by its claims: ``weak_order`` set, or ``extra["stochastic"]``."""
    return claims.weak_order is not None or bool(claims.extra.get("stochastic", False))


def as_sampler(implementation: Any, claims: Claims) -> Sampler:
    """A ``Sampler`` as it is; a plain function with what its claims say (``claims.extra``):

    prediction: noise, data, velocity or score; clock: a name of diffusion_clock or a Clock; start, end, jump_from:
    times of the clock, or functions of the number of steps; evaluations_per_step. The function may leave out the
    generator if it draws nothing. ValueError where something is missing.
    """
    if isinstance(implementation, Sampler):
        return implementation
    extra = claims.extra
    missing = [name for name in ("prediction", "clock", "start", "end") if extra.get(name) is None]
    if missing:
        raise ValueError(f"claims: a sampler needs {', '.join(missing)}")
    own = extra["clock"] if isinstance(extra["clock"], Clock) else clock(extra["clock"])

    def level(name: str, steps: int) -> Level | None:
        value = extra.get(name)
        time = value(steps) if callable(value) else value
        return None if time is None else own.at(float(time))

    def ends(steps: int) -> Ends:
        start, end = level("start", steps), level("end", steps)
        assert start is not None
        assert end is not None
        return Ends(start, end, level("jump_from", steps))

    per_step = claims.evaluations_per_step
    counted = None if per_step is None else (lambda steps: per_step * steps)
    return Sampler(_with_generator(implementation), own, str(extra["prediction"]), ends, counted)


def _with_generator(function: Callable[..., torch.Tensor]) -> Sample:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return function
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if (
        any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
        or sum(p.kind in kinds for p in parameters) > 3
    ):
        return function
    return lambda model, x, steps, generator: function(model, x, steps)


def between(
    own: Clock, start: float, end: float, jump_from: float | Callable[[int], float] | None = None
) -> Callable[[int], Ends]:
    """``ends`` of a sampler that always runs between the same two times of its clock."""
    first, last = own.at(start), own.at(end)

    def ends(steps: int) -> Ends:
        time = jump_from(steps) if callable(jump_from) else jump_from
        return Ends(first, last, None if time is None else own.at(time))

    return ends
