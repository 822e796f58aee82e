"""Objectives, their minima, training and checkpoints."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from analytic import problems
from si_verify.learning.batches import TIME_LAWS, BatchSource, draw_times
from si_verify.learning.checkpoint import load_module, read_weights
from si_verify.learning.exact import minimum
from si_verify.learning.networks import LinearFeatures, ResidualMLP
from si_verify.learning.objectives import QUANTITIES, QuadraticObjective
from si_verify.learning.optimum import fit_exactly
from si_verify.learning.training import TrainSettings, learning_rate, train

SETTINGS = TrainSettings(steps=30, rows=64, warmup=5, seed=3)


@pytest.mark.parametrize("law", TIME_LAWS)
def test_weighted_times_integrate(law: str) -> None:
    t, weight = draw_times(law, 40_000, torch.Generator().manual_seed(1))
    # Standard error of ∫ t² dt by 40,000 draws is below 0.002 for all three laws.
    assert float((weight * t**2).mean()) == pytest.approx(1 / 3, abs=0.01)


def test_batches_have_the_joint_law() -> None:
    coupling = problems.get("correlated-2d").interpolant.coupling
    batch = BatchSource(problems.get("correlated-2d").interpolant, dtype=torch.float64).draw(
        60_000, torch.Generator().manual_seed(0)
    )
    both = np.cov(np.concatenate([batch.x0, batch.x1], 1).T)
    exact = np.block([[coupling.cov00[0], coupling.cov01[0]], [coupling.cov01[0].T, coupling.cov11[0]]])
    assert np.abs(both - exact).max() < 6 * 2 * np.abs(exact).max() / math.sqrt(60_000)


@pytest.mark.parametrize("quantity", ["velocity", "score", "denoiser"])
def test_the_minimum_by_grid_is_that_of_the_closed_form(quantity: str) -> None:
    problem = problems.get("gaussian-1d")
    known = minimum(problem, quantity)
    several = dataclasses.replace(problem, n_components=2)  # sends it to the grid
    assert minimum(several, quantity).value == pytest.approx(known.value, rel=1e-9)
    assert known.error == 0.0


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_antithetic_pairs_keep_the_mean_and_bound_the_noise_near_an_end(quantity: str) -> None:
    interpolant = problems.get("1d-bimodal").interpolant
    batch = BatchSource(interpolant, dtype=torch.float64).draw(20_000, torch.Generator().manual_seed(0))
    t = torch.full_like(batch.t, 1e-4)
    field = getattr(interpolant, quantity)
    pair, single = (
        QuadraticObjective(quantity, antithetic)(field, interpolant, t, *batch[2:]) for antithetic in (True, False)
    )
    assert abs(float(pair.mean() - single.mean())) < 6 * float(single.std()) / math.sqrt(20_000)
    if quantity in ("velocity", "score"):
        assert float(pair.std()) < 0.2 * float(single.std())


def test_gradient_descent_reaches_the_known_optimum_of_a_linear_model() -> None:
    problem = problems.get("gaussian-1d")
    best = fit_exactly(LinearFeatures(1, 0), problem.interpolant, "velocity")
    settings = TrainSettings(steps=1500, rows=512, rate=0.05, ema=0.99, warmup=10, clip=10.0)
    found = train(LinearFeatures(1, 0), problem.interpolant, "velocity", settings).model
    x, t = torch.randn(400, 1, dtype=torch.float64), torch.rand(400, dtype=torch.float64)
    with torch.no_grad():
        gap, size = found(t, x) - best(t, x), best(t, x)
    assert float(gap.norm() / size.norm()) < 0.05


def test_training_is_deterministic_and_resumes_to_the_same_weights(tmp_path: Path) -> None:
    interpolant = problems.get("1d-bimodal").interpolant

    def run(path: Path | None, stop: int | None = None) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        return train(
            ResidualMLP(1, 16, 1), interpolant, "velocity", SETTINGS, checkpoint=path, stop_after=stop
        ).model.state_dict()

    whole, again = run(None), run(None)
    run(tmp_path / "a.pt", stop=13)
    resumed = run(tmp_path / "a.pt")
    for name, value in whole.items():
        assert torch.equal(value, again[name])
        assert torch.equal(value, resumed[name])


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    interpolant, path = problems.get("1d-bimodal").interpolant, tmp_path / "a.pt"
    train(ResidualMLP(1, 8, 1), interpolant, "velocity", SETTINGS, checkpoint=path, stop_after=2)
    with pytest.raises(ValueError, match="checkpoint"):
        train(ResidualMLP(1, 8, 1), interpolant, "score", SETTINGS, checkpoint=path)


def test_progress_counts_down() -> None:
    seen = []
    train(ResidualMLP(1, 8, 1), problems.get("1d-bimodal").interpolant, "velocity", SETTINGS, progress=seen.append)
    assert [p.step for p in seen] == [30]
    assert seen[-1].left == 0.0
    assert seen[-1].seconds > 0.0


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    rates = [learning_rate(SETTINGS, step) for step in range(SETTINGS.steps)]
    assert max(rates) == rates[5] == SETTINGS.rate
    assert rates[-1] < 0.01 * SETTINGS.rate


class _Evil:
    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (print, ("executed",))


def test_a_pickle_is_never_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": _Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="more than tensors"):
        read_weights(tmp_path / "evil.pt")
    assert "executed" not in capsys.readouterr().out


def test_weights_are_found_in_a_training_checkpoint(tmp_path: Path) -> None:
    interpolant, path = problems.get("1d-bimodal").interpolant, tmp_path / "a.pt"
    trained = train(ResidualMLP(1, 8, 1), interpolant, "velocity", SETTINGS, checkpoint=path).model
    loaded = load_module(ResidualMLP(1, 8, 1), path)
    x = torch.randn(5, 1)
    assert torch.equal(loaded(0.3, x), trained(0.3, x))
    torch.save({"a": 1}, tmp_path / "b.pt")
    for name in ("b.pt", "missing.pt"):
        with pytest.raises(ValueError, match="checkpoint"):
            read_weights(tmp_path / name)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="quantity"):
        QuadraticObjective("drift")
    with pytest.raises(ValueError, match="law"):
        draw_times("normal", 3, torch.Generator())
