"""``check_sampler``: hand over a sampler of diffusion or flow-matching models, get a Record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from si_verify.record import Record

# Where a sampler on each clock begins and ends unless its user says otherwise.
_ENDS: dict[str, tuple[float, float]] = {
    "sigma": (40.0, 0.02),
    "flow": (0.0, 1.0),
    "flow-noise": (1.0, 0.0),
    "vp": (1.0, 1e-3),
    "vp-1000": (999.0, 0.0),
    "cosine": (1.0, 0.0),
}
Time = float | Callable[[int], float]


def sampler_claims(
    *,
    order: float | None = None,
    weak_order: float | None = None,
    prediction: str = "noise",
    clock: Any = "sigma",
    start: Time | None = None,
    end: Time | None = None,
    jump_from: Time | None = None,
    stochastic: bool = False,
    evaluations_per_step: int | None = None,
) -> dict[str, Any]:
    """What ``subject_of`` needs to know of a sampler, checked. ValueError names the argument that cannot be meant."""
    from si_verify.sampling import clock as clocks
    from si_verify.sampling.predictions import check_prediction

    check_prediction(prediction)
    own = clock if isinstance(clock, clocks.Clock) else clocks.clock(clock)
    if order is not None and (weak_order is not None or stochastic):
        raise ValueError("order: a stochastic sampler claims weak_order; order is that of a deterministic one")
    usual = _ENDS.get(own.name, (None, None))
    first, last = (given if given is not None else own_end for given, own_end in zip((start, end), usual, strict=True))
    for name, value in (("start", first), ("end", last)):
        if value is None:
            raise ValueError(f"{name}: expected a time of the clock {own.name!r}, or steps -> time, got None")
        if not callable(value):
            own.at(float(value))
    extra = {"prediction": prediction, "clock": clock, "start": first, "end": last, "jump_from": jump_from}
    claims = {"order": order, "weak_order": weak_order, "evaluations_per_step": evaluations_per_step}
    stated = {name: value for name, value in claims.items() if value is not None}
    return {**stated, "extra": {**extra, "stochastic": stochastic or weak_order is not None}}


def check_sampler(
    sampler: Callable[..., Any],
    order: float | None = None,
    weak_order: float | None = None,
    *,
    prediction: str = "noise",
    clock: Any = "sigma",
    start: Time | None = None,
    end: Time | None = None,
    jump_from: Time | None = None,
    stochastic: bool = False,
    evaluations_per_step: int | None = None,
    name: str = "",
    **options: Any,
) -> Record:
    """Verify ``sampler(model, x, steps, generator) -> x``; the generator may be left out by one that draws nothing.

    ``model(x, t)`` answers the ideal prediction (noise, data, velocity or score) of a law known in closed form; x is
    (N, D) at the time ``start`` of the clock, the answer belongs to ``end``. clock: "sigma" (x1 + σ z, t = σ), "flow"
    (t x1 + (1 − t) z), "flow-noise" ((1 − t) x1 + t z), "vp", "cosine" (time from 1 to 0), "vp-1000" (training steps),
    or a ``Clock``. jump_from: the time from which the last step goes to ``end`` in one go; times may be functions of
    the number of steps. order: of the path, for deterministic samplers; weak_order: of stochastic ones.

    A sampler that draws its own noise by torch is probed draw by draw, and nothing is lost. One that draws otherwise is
    judged by samples only: bias and weak order are skipped with that reason, and the law check notes what it cannot
    see. ``options``: see ``verify_subject``. Raises ValueError where a claim cannot be meant.

    >>> import si_verify as sv
    >>> def euler(model, x, steps):
    ...     levels = [40.0 * (0.02 / 40.0) ** (i / steps) for i in range(steps + 1)]
    ...     for now, then in zip(levels, levels[1:]):
    ...         x = x + (then - now) * (x - model(x, now)) / now
    ...     return x
    >>> record = sv.check_sampler(euler, order=1, prediction="data", clock="sigma", evaluations_per_step=1)
    >>> record.passed
    True
    >>> sv.check_sampler(euler, order=2, prediction="data", clock="sigma").passed
    False
    """
    from si_verify.api import verify_subject
    from si_verify.targets import subject_of

    if not callable(sampler):
        raise TypeError(f"expected a callable sampler, got {type(sampler).__name__}")
    claims = sampler_claims(
        order=order, weak_order=weak_order, prediction=prediction, clock=clock, start=start, end=end,
        jump_from=jump_from, stochastic=stochastic, evaluations_per_step=evaluations_per_step,
    )  # fmt: skip
    label = name or getattr(sampler, "__qualname__", type(sampler).__name__)
    return verify_subject(subject_of(label, "sampler", lambda: sampler, claims), **options)
