"""Behaviour of a sampler: evaluations, seeds, kept state, rows that know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from si_verify.check import Check, Context
from si_verify.measurement import Measurement, Outcome
from si_verify.sampling.scripted_noise import ScriptedNoise
from si_verify.sampling.trial import SamplerTrial
from si_verify.subject import Subject

_ROWS = 7
# A batch of another size may sum in another order; rounding of a step is carried by at most this many steps' worth.
_ROUNDINGS = 16.0
_UNSCRIPTED = "draws its noise by something other than torch: whether rows are treated alike cannot be seen"


@dataclass(frozen=True, eq=False)
class _Bench:
    """Runs of one subject under many small changes that must make no difference."""

    trial: SamplerTrial

    @cached_property
    def steps(self) -> int:
        return self.trial.counts(20, 40, 2)[0]

    @cached_property
    def x(self) -> np.ndarray:
        return self.trial.start(self.trial.ends(self.steps).start, _ROWS)

    @cached_property
    def first(self) -> np.ndarray:
        return self.trial.run(self.x, self.steps, seed=1)[0]

    @property
    def tolerance(self) -> float:
        """Rounding of one answer."""
        return _ROUNDINGS * self.trial.eps * float(np.abs(self.first).max()) * self.steps**0.5

    def difference(self, x: np.ndarray, rows: np.ndarray, steps: int, seed: int = 1) -> float:
        return float(np.abs(self.trial.run(x, steps, seed)[0] - self.first[rows]).max())

    def scripted(self, x: torch.Tensor, rows: np.ndarray) -> tuple[np.ndarray, list[tuple[int, ...]]]:
        """A run whose row i is given the noise of row ``rows[i]`` of one fixed script."""
        model = self.trial.reference.model(self.trial.sampler.clock, self.trial.sampler.prediction, len(x))
        index = torch.as_tensor(rows)

        def script(k: int, shape: tuple[int, ...]) -> torch.Tensor:
            generator = torch.Generator().manual_seed(1000 + k)
            if not shape or shape[0] != len(rows):
                return torch.randn(shape, generator=generator, dtype=torch.float64)
            return torch.randn(_ROWS, *shape[1:], generator=generator, dtype=torch.float64)[index]

        with ScriptedNoise(script) as mode:
            answer = self.trial.sampler(model, x, self.steps, torch.Generator().manual_seed(1))
        return answer.to(torch.float64).cpu().numpy(), mode.shapes


def measure(ctx: Context) -> Outcome:
    """Every behaviour as one exact or rounding-level measurement."""
    bench = _Bench(SamplerTrial(ctx, rows=_ROWS))
    rows = tuple(_rows(bench))
    blind = bench.trial.stochastic and not rows
    return Outcome((*_repetition(bench), *rows, *_counting(bench)), notes=(_UNSCRIPTED,) if blind else ())


def _same(name: str, value: float, bound: float = 0.0, why: str = "the same bits") -> Measurement:
    return Measurement(name, value, bound, "at_most", "rounding" if bound else "exact", why)


def _repetition(bench: _Bench) -> Iterator[Measurement]:
    trial, everyone = bench.trial, np.arange(_ROWS)
    _ = bench.first
    yield _same("change on repeating a run under its seed", bench.difference(bench.x, everyone, bench.steps))
    other = trial.counts(33, 66, 2)[0]
    trial.run(trial.start(trial.ends(other).start, _ROWS + 2, stream=5), other, seed=2)
    yield _same(
        "change after a run of another size and number of steps",
        bench.difference(bench.x, everyone, bench.steps), why="no state is kept from one run to the next",
    )  # fmt: skip
    moved = np.abs(trial.run(bench.x, bench.steps, seed=3)[0] - bench.first).max(axis=1)
    if trial.stochastic:
        still = float(np.sum(moved == 0.0))
        yield _same("rows that another seed leaves as they are", still, why="claims to be stochastic")
    else:
        yield _same("change under another seed", float(moved.max()), why="claims to be deterministic")


def _rows(bench: _Bench) -> Iterator[Measurement]:
    dtype, device = bench.trial.ctx.dtype, bench.trial.ctx.device
    everyone, some, one = np.arange(_ROWS), np.array([4, 0, 5]), np.array([2])
    x = torch.tensor(bench.x, dtype=dtype, device=device)
    whole, shapes = bench.scripted(x, everyone)
    if bench.trial.stochastic and not shapes:
        return
    why = "16 roundings √steps of the largest entry"
    for name, rows in (("three rows alone and in another order", some), ("one row alone", one)):
        part, _ = bench.scripted(x[rows], rows)
        yield _same(f"change of {name}", float(np.abs(part - whole[rows]).max()), bench.tolerance, why)
    wide = torch.zeros(_ROWS, 2 * x.shape[1], dtype=dtype, device=device)
    wide[:, ::2] = x
    strided, _ = bench.scripted(wide[:, ::2], everyone)
    yield _same("change for a non-contiguous input", float(np.abs(strided - whole).max()), bench.tolerance, why)
    if shapes:
        shared = sum(s[0] != _ROWS if s else True for s in shapes)
        yield _same("draws of noise that rows share", float(shared), why="every row its own noise")


def _counting(bench: _Bench) -> Iterator[Measurement]:
    trial = bench.trial
    claimed = trial.sampler.evaluations
    if claimed is None:
        return
    for steps in sorted({bench.steps, trial.counts(33, 66, 2)[0]}):
        _, calls = trial.run(trial.start(trial.ends(steps).start, 2), steps)
        yield _same(
            f"evaluations beyond or short of the claim at {steps} steps", float(abs(calls - claimed(steps))),
            why=f"claims {claimed(steps)}",
        )  # fmt: skip


def applies(subject: Subject, problem: object) -> bool:
    return True


CHECK = Check(
    name="sampler-behaviour",
    claim="The sampler evaluates the model as often as it says, is a function of its input and seed alone, keeps "
    "nothing between runs, gives every row its own noise and treats it alike whatever the batch",
    quick_dtypes=("float64",),
    kinds=frozenset({"sampler"}),
    measure=measure,
    problems={
        "quick": "gaussian-2d-crossed",
        "standard": "gaussian-2d-crossed",
        "full": "gaussian-2d-crossed or gaussian-1d",
    },
    applies=applies,
    tags=frozenset({"sampler", "behaviour", "noise-free"}),
    cost=0.5,
)
