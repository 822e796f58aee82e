"""How an SDE solver treats its rows, its noise and its times; nothing here is statistical.

The guard already holds it to unchanged inputs and to the shape, dtype and device of the state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.measurement import Measurement, Outcome
from si_verify.sde.brownian import Brownian, BrownianPath, Recorder, Rows, distinct, time_rounding
from si_verify.sde.equation import Equation, equation, grid

_ROWS = 6
_STEPS = 7
# Rows of another batch may be summed in another order: the rounding of every step.
_ROUNDINGS = 64.0
_KICK = 0.25


@dataclass
class Watched:
    """The equation's coefficients as the subject sees them: counted, and the times noted."""

    eq: Equation
    calls: dict[str, int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def epsilon(self, t: float) -> float:
        return self.eq.epsilon(t)

    def __getattr__(self, name: str) -> Any:
        target = getattr(self.eq, name)

        def watched(t: Any, x: torch.Tensor) -> torch.Tensor:
            self.calls[name] = self.calls.get(name, 0) + 1
            self.times += [float(u) for u in torch.as_tensor(t).reshape(-1)]
            return target(t, x)

        return watched


@dataclass(frozen=True)
class Constant:
    """dX = a dt + c dW with the solution X = x0 + a T + c W: what every consistent scheme solves exactly."""

    rate: torch.Tensor
    amount: float

    def drift(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return self.rate.expand_as(x)

    def diffusion(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, (2.0 * self.amount) ** 0.5)

    def velocity(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return self.rate.expand_as(x)

    def score(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)

    def epsilon(self, t: float) -> float:
        return self.amount


@dataclass(frozen=True)
class Setting:
    """One equation, one uneven grid of few steps, and starting points."""

    ctx: Context
    eq: Equation
    times: torch.Tensor
    x0: torch.Tensor
    path: BrownianPath

    def run(self, x0: torch.Tensor, brownian: Brownian, give: Any = None, seed: int = 0) -> torch.Tensor:
        claims, give = self.ctx.subject.claims, give or self.eq
        options = {"rtol": 1e-3, "atol": 1e-3} if claims.adaptive else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if claims.extra.get("interface") == "fields":
                args = (give.velocity, give.score, lambda t: give.epsilon(float(t)))
            else:
                args = (give.drift, give.diffusion)  # type: ignore[assignment]
            return self.ctx.implementation(*args, x0, self.times, brownian, **options)

    @property
    def size(self) -> float:
        return float(self.x0.abs().max()) + 1.0

    def rounding(self, amplification: float = 1.0) -> float:
        """c · eps · condition number · size: what reordering sums in each step can do to the answer."""
        return _ROUNDINGS * _STEPS * float(torch.finfo(self.x0.dtype).eps) * self.size * max(1.0, amplification)


def measure(ctx: Context) -> Outcome:
    """Forward and backward."""
    measurements: list[Measurement] = []
    notes: list[str] = []
    for direction in ("forward", "backward"):
        eq = equation(ctx.problem, "varying", direction).read_as(ctx.subject.claims)
        times = grid(eq.span, _STEPS, ctx.dtype, ctx.device, bend=0.3)
        rng = np.random.default_rng([ctx.seed, 5])
        x0 = torch.tensor(np.asarray(eq.law(eq.span[0]).sample(_ROWS, rng)), dtype=ctx.dtype, device=ctx.device)
        path = BrownianPath.sample(times.tolist(), _ROWS, eq.channels, ctx.seed & 0xFFFFFFFF, ctx.dtype, ctx.device)
        setting = Setting(ctx, eq, times, x0, path)
        watched, recorder = Watched(eq), Recorder(path)
        whole = setting.run(x0, recorder, watched)
        own_noise = not torch.equal(whole.nan_to_num(), setting.run(x0, path, seed=1).nan_to_num())
        rows = [*_finite(whole), *_calls(setting, watched)]
        if own_noise:
            notes.append(f"{direction}: draws its own noise; rows and increments cannot be told apart one by one")
            again = setting.run(x0, path)
            rows.append(_difference("same seed, same answer", whole, again, 0.0, "the same seed must repeat the run"))
            rows += _finite(setting.run(x0[:1], Rows(path, torch.tensor([0], device=x0.device))))
        else:
            rows += _noise(setting, recorder)
            rows.append(_constant(setting))
            if not ctx.subject.claims.adaptive:
                row, amplification = _resolution(setting, whole)
                rows += [row, *_rows(setting, whole, setting.rounding(amplification))]
        measurements += [_named(row, direction) for row in rows]
    return Outcome(tuple(measurements), notes=tuple(notes))


def _named(row: Measurement, direction: str) -> Measurement:
    return Measurement(**{**row.__dict__, "name": f"{row.name}, {direction}"})


def _difference(name: str, first: torch.Tensor, second: torch.Tensor, bound: float, why: str) -> Measurement:
    value = float((first - second).abs().max())
    return Measurement(name, value, bound, "at_most", "rounding" if bound else "exact", why)


def _finite(whole: torch.Tensor) -> list[Measurement]:
    bad = int((~torch.isfinite(whole)).any(dim=1).sum())
    return [Measurement("rows that are not finite", bad, 0, "at_most", "exact", "the equation is smooth and mild")]


def _calls(setting: Setting, watched: Watched) -> list[Measurement]:
    """Times within the run, and the number of evaluations that is claimed."""
    low, high = min(setting.eq.span), max(setting.eq.span)
    beyond = max([0.0, low - min(watched.times, default=low), max(watched.times, default=high) - high])
    rows = [
        Measurement(
            "evaluation beyond the ends", beyond, time_rounding(setting.x0.dtype), "at_most", "rounding",
            "fields need not exist outside the run",
        )
    ]  # fmt: skip
    claimed = setting.ctx.subject.claims.evaluations_per_step
    if claimed is not None:
        expected = claimed * _STEPS
        found = watched.calls.get("drift", 0) + watched.calls.get("velocity", 0)
        why = f"{claimed} evaluations a step claimed, {_STEPS} steps"
        rows += [
            Measurement("drift evaluations (no more)", found, expected, "at_most", "exact", why),
            Measurement("drift evaluations (no fewer)", found, expected, "at_least", "exact", why),
        ]
    return rows


def _noise(setting: Setting, recorder: Recorder) -> list[Measurement]:
    """All of the path is asked for, and each piece of it in each channel moves the answer."""
    low, high = sorted(setting.eq.span)
    asked = recorder.increments + recorder.areas
    rows = [
        Measurement(
            "share of the path never asked for", _uncovered(asked, low, high) / (high - low),
            _STEPS * time_rounding(setting.x0.dtype), "at_most", "rounding", "the noise of every moment counts",
        )
    ]  # fmt: skip
    if setting.ctx.subject.claims.adaptive:
        return rows
    knots = distinct([*recorder.times, low, high], setting.x0.dtype)
    if not setting.ctx.subject.claims.extra.get("own_grid", False):
        missed = max(min(abs(float(t) - u) for u in knots) for t in setting.times)
        rows.append(
            Measurement(
                "distance of a grid time from the steps taken", missed, _STEPS * time_rounding(setting.x0.dtype),
                "at_most", "rounding", "a step ends at every time of the grid it is given",
            )
        )  # fmt: skip
    idle = _without_effect(setting, knots)
    rows.append(
        Measurement("increments without effect", idle, 0, "at_most", "exact", "each must move the answer, by channel")
    )
    return rows


def _without_effect(setting: Setting, knots: list[float]) -> int:
    """How many (piece, channel) of the path can be changed without changing the answer."""
    cells, channels = len(knots) - 1, setting.eq.channels
    rows = 1 + cells * channels
    base = torch.stack([setting.path(knots[0], t)[0] for t in knots]).double()[:, None].repeat(1, rows, 1)
    for k in range(cells * channels):
        cell, channel = divmod(k, channels)
        base[cell + 1 :, 1 + k, channel] += _KICK * (knots[cell + 1] - knots[cell]) ** 0.5
    path = BrownianPath(knots, base, seed=1, dtype=setting.x0.dtype)
    answer = setting.run(setting.x0[:1].repeat(rows, 1), path)
    moved = (answer[1:] - answer[0]).abs().max(dim=1).values
    # A piece of the path as short as rounding (a sliver at the end) has no visible effect and need not have one.
    long = torch.tensor(np.diff(knots) > 1e-4 * (knots[-1] - knots[0]) / cells).repeat_interleave(channels)
    return int((moved.cpu()[long] <= setting.rounding()).sum())


def _constant(setting: Setting) -> Measurement:
    """Constant coefficients, solved exactly by every consistent scheme on every grid."""
    start, end = setting.eq.span
    rate = torch.linspace(0.7, -1.1, setting.eq.dim, dtype=setting.x0.dtype, device=setting.x0.device)
    found = setting.run(setting.x0, setting.path, Constant(rate, 0.6))
    exact = setting.x0 + (end - start) * rate + 1.2**0.5 * setting.path(start, end)
    return _difference(
        "constant coefficients", found, exact, setting.rounding(), "x0 + a T + c W, exact for every consistent scheme"
    )


def _resolution(setting: Setting, whole: torch.Tensor) -> tuple[Measurement, float]:
    """Whether a tiny change of x0 is answered in proportion, and by how much it is amplified.

    A state kept in a shorter dtype answers in jumps of that dtype's eps.
    """
    eps = float(torch.finfo(whole.dtype).eps)
    shift = eps**0.5 * setting.size
    once, twice = (setting.run(setting.x0 + k * shift, setting.path) - whole for k in (1, 2))
    amplification = float(once.abs().max()) / shift
    bound = setting.rounding(amplification)
    # The solution bends: (shift)² times its second derivative, which is no larger than a few amplifications squared.
    bound += shift**2 * (1.0 + amplification) ** 2 * 8.0
    row = _difference(
        "proportion of small changes of x0", twice, 2 * once, bound, "the state is carried in its own dtype throughout"
    )
    return row, amplification


def _rows(setting: Setting, whole: torch.Tensor, bound: float) -> list[Measurement]:
    """Each row by itself: permuted, in a smaller batch, alone, in another memory layout."""
    order = torch.tensor([3, 0, 5, 1, 4, 2], device=whole.device)
    out: list[Measurement] = []

    def compare(name: str, index: torch.Tensor, why: str) -> None:
        found = setting.run(setting.x0[index], Rows(setting.path, index))
        out.append(_difference(name, found, whole[index], bound, why))

    compare("permuted rows", order, "rows are independent paths")
    compare("half the batch", order[:3], "a row must not know its neighbours")
    compare("one row alone", order[:1], "N = 1 must work and agree")
    compare("the same row twice", order[[0, 0]], "equal start and equal noise give equal answers")
    wide = torch.zeros(_ROWS, 2 * setting.eq.dim, dtype=whole.dtype, device=whole.device)
    wide[:, ::2] = setting.x0
    found = setting.run(wide[:, ::2], setting.path)
    out.append(_difference("x0 not contiguous", found, whole, bound, "memory layout is no part of the claim"))
    return out


def _uncovered(asked: list[tuple[float, float]], low: float, high: float) -> float:
    """The length of [low, high] that no interval covers."""
    reach, missing = low, 0.0
    for a, b in sorted((min(p), max(p)) for p in asked):
        missing += max(0.0, min(a, high) - reach)
        reach = max(reach, b)
    return missing + max(0.0, high - reach)


CHECK = Check(
    name="sde-behaviour",
    claim="Every row is an independent path: the answer depends on its own start and on every piece of its own noise, "
    "not on neighbours, order, batch size or memory layout; the same noise gives the same answer",
    quick_dtypes=("float64",),
    kinds=frozenset({"sde"}),
    measure=measure,
    problems={
        "quick": "correlated-mixture-2d or 1d-bimodal",
        "standard": "correlated-mixture-2d or 1d-bimodal or product-3d or gaussian-8d",
        "full": "sde-ok and not costly",
    },
    tags=frozenset({"behaviour", "noise-free"}),
    cost=0.3,
)
