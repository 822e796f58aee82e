"""A network learns the velocity of a two-dimensional problem, as a user trains it, and is held to the exact one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from analytic import problems
from si_verify.api_drift import CLAIMED, check_drift
from si_verify.learning.networks import ResidualMLP
from si_verify.learning.training import Progress, TrainSettings, train
from si_verify.measurement import Data
from si_verify.plan import Settings
from si_verify.record import DataRow, Record, Result, plain
from si_verify.run import make_header

# More steps than the claim needs, and an average over the last hundreds: one seed's luck decides nothing.
SETTINGS = TrainSettings(steps=3000, rows=1024, rate=2e-3, ema=0.998)
SEEDS = (0, 1, 2)


def learn_2d(
    output: str | Path,
    settings: TrainSettings = SETTINGS,
    seeds: Sequence[int] = SEEDS,
    *,
    problem: str = "product-2d",
    device: str = "cpu",
    progress: Callable[[str, Progress], None] | None = None,
) -> Record:
    """Train once a seed, check each network's error against 5 %; record.jsonl, report.html and weights in ``output``.

    Every network's result names its seconds of training. Resumes from the checkpoints that it finds.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    interpolant = problems.get(problem).interpolant
    for seed in seeds:
        torch.manual_seed(seed)
        model = ResidualMLP(interpolant.dim)
        told = _teller(progress, seed)
        path = folder / f"velocity-{seed}.pt"
        trained = train(model, interpolant, "velocity", replace(settings, seed=seed), device, path, told)
        record = check_drift(
            trained.model, problem=problem, relative_error=CLAIMED, name=f"learned b, seed {seed}",
            device=device, dtype="float64", select="check=drift-error",
        )  # fmt: skip
        curve: dict[str, Any] = {"step": trained.steps, "loss": trained.losses}
        data = Data("table", f"Loss along training, {trained.seconds:.0f} s", curve)
        row = DataRow(kind=data.kind, title=data.title, columns=plain(dict(curve)), meta={})
        for result in record.results:
            new = {"data": (*result.data, row), "seconds": trained.seconds + result.seconds}
            results.append(result.model_copy(update=new | {"reproduce": "si-verify reproduce learn-2d"}))
    asked = Settings(profile="quick", device=device, seed=seeds[0], select="reproduce learn-2d")
    header = make_header(asked, len(results), "si-verify reproduce learn-2d")
    found = Record(header=header, results=tuple(results))
    found.to_json(folder / "record.jsonl")
    found.to_html(folder / "report.html")
    return found


def _teller(progress: Callable[[str, Progress], None] | None, seed: int) -> Callable[[Progress], None] | None:
    return (lambda p: progress(f"seed {seed}", p)) if progress else None
