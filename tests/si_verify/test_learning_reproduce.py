"""The paper's experiment in miniature: it runs, resumes, is drawn, and its finding counts only where it is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analytic import problems
from reports.paper import chart, rows
from si_verify.learning.batches import BatchSource
from si_verify.learning.exact import exact_field
from si_verify.learning.training import TrainSettings
from si_verify.record import read_record
from si_verify.reproduce import PaperSettings, learn_2d, paper_128d
from si_verify.reproduce.comparison import Comparison, compare
from si_verify.reproduce.generation import evaluate

TINY = PaperSettings(16, 1, TrainSettings(steps=40, rows=64), (0.25, 1.0), 16, 100, 4, 100, 80, 4)


def test_the_experiment_runs_and_is_drawn(tmp_path: Path) -> None:
    record = paper_128d(tmp_path, TINY, problem="1d-bimodal")
    assert [r.subject for r in record.results] == [f"learned ({p})" for p in ("b, s", "v, s", "b, η", "v, η")]
    assert (tmp_path / "report.html").stat().st_size > 10_000
    table = rows(read_record(tmp_path / "record.jsonl"))
    assert len(table) == 4 * 3
    assert {r["epsilon"] for r in table} == {0.0, 0.25, 1.0}
    assert chart(record).to_dict()["hconcat"]
    again = paper_128d(tmp_path, TINY, problem="1d-bimodal")
    assert rows(again) == table


def test_exact_fields_generate_the_target() -> None:
    interpolant = problems.get("gaussian-1d").interpolant
    fields = {q: exact_field(interpolant, q) for q in ("velocity", "score")}
    found = evaluate(
        BatchSource(interpolant), fields, PaperSettings(steps=64, points=400, paths=8, samples=400), "cpu", 0
    )
    assert found.kl[0] == pytest.approx(0.0, abs=0.01)
    # Euler's chain of 64 steps is not the equation: weak order 1 leaves it a KL of order (ε h)².
    assert max(found.kl[1:4]) < 0.05
    assert max(np.abs(found.transport)) < 0.5


def test_a_paired_difference_is_more_certain_than_either_mean() -> None:
    noise = np.random.default_rng(0).standard_normal(500)
    gain, error = Comparison(1.0, noise + 0.1, noise, 0.0).gain
    assert gain == pytest.approx(0.1)
    assert error < 1e-12


def test_fresh_draws_tell_a_worse_flow_from_a_better_sde() -> None:
    """b̂ = b + s/2, ŝ exact: the flow contracts to too narrow a law, the noise of the SDE widens it again."""
    interpolant = problems.get("gaussian-1d").interpolant
    exact = {q: exact_field(interpolant, q) for q in ("velocity", "score")}
    fields = exact | {"velocity": lambda t, x: exact["velocity"](t, x) + 0.5 * exact["score"](t, x)}
    settings = PaperSettings(steps=16, fresh=128, fresh_paths=8)
    gain, doubt = compare(BatchSource(interpolant), fields, 2.0, settings, "cpu", 0).gain
    assert gain > 3.0 * doubt
    gain, doubt = compare(BatchSource(interpolant), exact, 2.0, settings, "cpu", 0).gain
    assert gain < 3.0 * doubt + 0.05


def test_networks_are_trained_and_held_to_the_claim(tmp_path: Path) -> None:
    short = TrainSettings(steps=30, rows=64, warmup=5)
    record = learn_2d(tmp_path, short, (0, 1), problem="1d-bimodal")
    assert [r.subject for r in record.results] == ["learned b, seed 0", "learned b, seed 1"]
    assert not record.passed
    assert "0.05" in record.failures[0].reason
    assert {p.name for p in tmp_path.iterdir()} >= {"record.jsonl", "report.html", "velocity-0.pt", "velocity-1.pt"}
