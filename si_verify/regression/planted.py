"""Planted: the changes that the gate must see, and the unchanged tree that it must let pass.

The 3 % accuracy loss is a solver whose answer is pushed away from the exact one in proportion to its own error:
x ← x_h + 0.03 (x_h − x_{h/4}), so that the error of order p grows by 1 + 0.03 (1 − 4⁻ᵖ) on every rung. Its order and
every bound of its own still hold: only the comparison with the baseline can see it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch

from analytic import problems
from si_verify import discovery
from si_verify.bench.clock import Patience
from si_verify.executors.inline import InlineExecutor
from si_verify.plan import Settings, plan
from si_verify.record import Record
from si_verify.regression.change import Change
from si_verify.regression.judge import judge_records
from si_verify.regression.sides import Tree
from si_verify.regression.speed import PROMISED, Sides, Task, judge_speed
from si_verify.run import run
from si_verify.subject import Subject

SLOWDOWN, LOSS = PROMISED, 0.03
SUBJECT, SELECT = "torch/rk4", "check=ode-order and problem=correlated-2d and dtype=float64"
_PROBE = Task("si_verify.regression.probe:WORKLOAD", "gate-probe", "float64")


def lossy(subject: Subject, loss: float = LOSS) -> Subject:
    """The same ODE solver with an error that is larger by ``loss``."""

    def load() -> Callable[..., Any]:
        solve = subject.load()

        def worse(velocity: Callable[..., torch.Tensor], x0: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
            grid = torch.as_tensor(times)
            parts = [grid[:-1] + (grid[1:] - grid[:-1]) * (i / 4) for i in range(4)]
            finer = torch.cat([torch.stack(parts, 1).reshape(-1), grid[-1:]])
            coarse = solve(velocity, x0, times)
            return coarse + loss * (coarse - solve(velocity, x0, finer))

        return worse

    return dataclasses.replace(subject, load=load)


def accuracy_record(seed: int, loss: float = 0.0) -> Record:
    """The order of one solver, with or without the planted loss."""
    subject = discovery.subjects()[SUBJECT]
    overlay: Mapping[str, Subject] = {SUBJECT: lossy(subject, loss) if loss else subject}
    settings = Settings(seed=seed, select=SELECT)
    cases = plan([subject], discovery.checks().values(), problems.all(), settings)
    if not cases:
        raise LookupError(f"the planted loss has no case: {SELECT} selects nothing for {SUBJECT}")
    return run(cases, settings, InlineExecutor(overlay))


def judge_loss(seed: int, loss: float) -> list[Change]:
    """A record of the solver with ``loss`` against one without."""
    return judge_records(accuracy_record(seed), accuracy_record(seed, loss))


def judge_probe(seed: int, slowdown: float, patience: Patience) -> Change:
    """This tree raced against itself, head slowed down by ``slowdown``; new processes at every call."""
    return judge_speed(_PROBE, Sides(Tree("this tree"), Tree("this tree"), slowdown), patience, seed)
