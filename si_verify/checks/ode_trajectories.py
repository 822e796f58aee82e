"""Paths and marginals of an ODE solver beside the closed form, in one and two dimensions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from analytic.problems.problem import Problem
from si_verify.check import Check, Context
from si_verify.checks.density_grid import densities, histogram
from si_verify.checks.ode_setup import Trial, lipschitz, rms, trial
from si_verify.measurement import Data, Measurement, Outcome
from si_verify.subject import Subject

Tensor = torch.Tensor
_STATIONS = 24
_SHOWN = 40
_SAMPLES = 1500
_JUDGED = 64
_MARGINALS = (0, 6, 12, 18, 24)
_TOLERANCE, _TIGHTER = 1e-5, 1024.0


def _applies(subject: Subject, problem: Problem) -> bool:
    """Pictures of a few: subjects tagged ``illustrated`` and a user's own."""
    return bool(subject.tags & {"illustrated", "user"}) and problem.dim <= 2


def _path(context: Context, task: Trial, refined: bool) -> list[Tensor]:
    """States at equally spaced stations, solved from one to the next; ``refined`` halves the steps or tightens rtol."""
    adaptive = context.subject.claims.adaptive
    span = abs(task.end - task.start)
    inner = 1 if adaptive else max(2, math.ceil(2 * lipschitz(task.problem) * span / _STATIONS)) * (2 if refined else 1)
    tol = _TOLERANCE / (_TIGHTER if refined else 1.0)
    options = {"rtol": tol, "atol": tol} if adaptive else {}
    whole = task.times(np.linspace(0.0, 1.0, _STATIONS * inner + 1))
    states = [task.x0]
    for station in range(_STATIONS):
        times = whole[station * inner : (station + 1) * inner + 1]
        here = Trial(task.fast, task.problem, task.span, task.start, task.end, states[-1], task.dtype)
        states.append(here.solve(context.implementation, times, **options)[0])
    return states


def _judged(context: Context) -> Measurement:
    """Error of the plain run, held to what refining it says of its own truncation error."""
    task = trial(context, _JUDGED, stream=1)
    plain, refined, exact = _path(context, task, False)[-1], _path(context, task, True)[-1], task.exact
    floor = task.floor(_STATIONS * 64)
    if context.subject.claims.adaptive:
        factor = 1 / (1 - _TIGHTER**-0.5)
        # Stations so near that one step is accepted at both tolerances leave what the tighter one allows a step.
        rounding = task.floor(_STATIONS) - task.reference_error
        floor += rounding * _TOLERANCE / _TIGHTER / float(torch.finfo(task.dtype).eps)
        why = "|x(tol) − x(tol/1024)| / (1 − 1/32), the error falling as √tol at least; tol/1024 a step"
    else:
        # Half an order is left for a step that is not yet small.
        order = max((context.subject.claims.order or 1.0) - 0.5, 0.5)
        factor = 1 / (1 - 2.0**-order)
        why = f"|x(h) − x(h/2)| / (1 − 2^−{order:g}): what halving the steps says of the error, half an order spared"
    return Measurement(
        name="error at the end of the paths",
        value=rms(plain - exact),
        bound=factor * rms(plain - refined) + floor,
        origin="truncation",
        why=why,
    )


def _pictures(context: Context) -> tuple[Data, ...]:
    task = trial(context, _SAMPLES, stream=2)
    states = [state.cpu().numpy() for state in _path(context, task, False)]
    clock = np.linspace(task.start, task.end, _STATIONS + 1)
    paths = np.repeat(np.arange(_SHOWN), len(clock)).tolist()
    columns: dict[str, list[Any]] = {"path": paths, "t": np.tile(clock, _SHOWN).tolist()}
    for axis, name in zip(range(context.problem.dim), "xy", strict=False):
        columns[name] = np.stack([s[:_SHOWN, axis] for s in states], axis=1).reshape(-1).tolist()
    chosen = [float(clock[i]) for i in _MARGINALS]
    if context.problem.dim == 1:
        grid = densities(context.problem, chosen, 120)
        grid["sampled"] = [h for i in _MARGINALS for h in histogram(states[i][:, 0], context.problem.window[0], 120)]
        return (Data("density-1d", "Marginals", grid), Data("trajectories-1d", "Trajectories", columns))
    few = _MARGINALS[::2]
    grid = densities(context.problem, [float(clock[i]) for i in few], 40)
    cloud = [states[i][:400] for i in few]
    samples = {
        "t": np.repeat([clock[i] for i in few], 400).tolist(),
        "x": np.concatenate([c[:, 0] for c in cloud]).tolist(),
        "y": np.concatenate([c[:, 1] for c in cloud]).tolist(),
    }
    return (
        Data("density-2d", "Marginals", grid),
        Data("samples-2d", "Samples", samples),
        Data("trajectories-2d", "Trajectories", columns),
    )


def _measure(context: Context) -> Outcome:
    return Outcome((_judged(context),), _pictures(context))


CHECK = Check(
    name="ode-trajectories",
    claim="Solved from station to station, paths end where the exact flow takes them, to within the truncation error "
    "that refining them shows",
    kinds=frozenset({"ode"}),
    measure=_measure,
    problems={
        "quick": "1d-bimodal-to-trimodal or product-2d",
        "standard": "exact-flow and order and (1d or 2d) and multimodal",
        "full": "order and not costly and (1d or 2d)",
    },
    applies=_applies,
    dtypes=("float64",),
    tags=frozenset({"pictures"}),
    cost=0.5,
)
