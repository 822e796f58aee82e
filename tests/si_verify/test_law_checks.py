"""Law checks: the right law passes at every seed, wrong ones fail by the statistic that is meant to see them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from analytic import problems
from si_verify import discovery
from si_verify.check import Context
from si_verify.gate import Verdict, judge, judge_all
from si_verify.laws.distances import energy_row, sliced_row, sub_gaussian
from si_verify.laws.statistics import kernel_row
from si_verify.laws.terminal_sample import TerminalSample
from si_verify.measurement import Outcome
from si_verify.sde.equation import equation
from si_verify.subject import Subject


def measured(name: str, subject: Subject, problem: str, seed: int = 3, profile: str = "quick") -> Outcome:
    context = Context(
        subject, problems.get(problem), subject.load(), torch.float64, torch.device("cpu"), seed, 1e-9, profile
    )
    return discovery.checks()[name].measure(context)


def failed(outcome: Outcome) -> set[str]:
    return {m.name.split(",")[0] for m in outcome.measurements if judge(m) is Verdict.FAILED}


def fault(name: str) -> Subject:
    return next(f.subject for f in discovery.faults().values() if f.name == name)


def drawn(wrong: float = 0.0, rows: int = 4096, stretch: float = 1.0) -> TerminalSample:
    """Exact samples of the law of a plane mixture, spoiled: shifted by ``wrong``, widened about the mean."""
    eq = equation(problems.get("correlated-mixture-2d"), "constant", "forward")
    law = eq.law(1.0)
    x = np.asarray(law.sample(rows, np.random.default_rng(4)))
    centre = np.asarray(law.mean())
    x = centre + stretch * (x - centre) + wrong
    return TerminalSample(x, x, law, 1.0, True, eq.label, eq, 32)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", ["torch/euler-maruyama", "torch/heun"])
def test_right_solvers_pass(name: str, seed: int) -> None:
    subject = discovery.subjects()[name]
    for check, problem in (("law-moments", "correlated-mixture-2d"), ("law-distribution", "1d-bimodal")):
        outcome = measured(check, subject, problem, seed)
        assert judge_all(outcome.measurements) is Verdict.PASSED
        assert all(m.confidence is not None and m.detectable is not None for m in outcome.measurements)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("fault/sde-noise-zero", "variance of x0"),
        ("fault/sde-noise-same-for-coordinates", "covariance of x0"),
        ("fault/sde-clipped-state", "tail of x"),
    ],
)
def test_wrong_noise_is_seen_by_its_moment(name: str, seen: str) -> None:
    outcome = measured("law-moments", fault(name), "correlated-mixture-2d")
    assert any(seen in row for row in failed(outcome))


def test_a_stratonovich_scheme_on_an_ito_equation_ends_with_another_law() -> None:
    heun = discovery.subjects()["torch/stochastic-heun"]
    right = judge_all(measured("law-state-noise", heun, "gaussian-2d-crossed").measurements)
    misread = Subject("test/misread", "sde", heun.load, discovery.subjects()["torch/euler-maruyama"].claims)
    assert right is Verdict.PASSED
    assert judge_all(measured("law-state-noise", misread, "gaussian-2d-crossed").measurements) is Verdict.FAILED


def directions() -> np.ndarray:
    angle = np.linspace(0.0, math.pi, 8, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


STATISTICS = {
    "energy": lambda s: energy_row(s, 1e-9, np.random.default_rng(1)),
    "sliced": lambda s: sliced_row(s, directions(), 1e-9),
    "kernel": lambda s: kernel_row(s, 1e-9, 2048),
}


@pytest.mark.parametrize("statistic", list(STATISTICS))
@pytest.mark.parametrize(("wrong", "stretch"), [(1.5, 1.0), (0.0, 2.0)])
def test_a_distance_passes_the_law_and_sees_a_shift_and_a_stretch(statistic: str, wrong: float, stretch: float) -> None:
    row = STATISTICS[statistic]
    assert judge(row(drawn()).measurement("")) is Verdict.PASSED
    assert judge(row(drawn(wrong, stretch=stretch)).measurement("")) is Verdict.FAILED


def test_energy_distance_is_that_of_its_definition() -> None:
    """2 E|X − Y| − E|X − X'| − E|Y − Y'| by double sums over other samples."""
    x, y = drawn(2.0, rows=1500).fine, drawn(0.0, rows=1500).fine

    def mean_distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.linalg.norm(a[:, None] - b[None], axis=-1).mean())

    square = 2 * mean_distance(x, y) - mean_distance(x, x) - mean_distance(y, y)
    found = energy_row(drawn(2.0, rows=20_000), 1e-9, np.random.default_rng(3)).value
    assert found == pytest.approx(square, rel=0.1)


def test_sliced_wasserstein_of_a_shift_is_the_shift_seen_along_each_line() -> None:
    shift = 3.0
    mean = float(np.abs(directions() @ np.array([shift, shift])).mean())
    assert sliced_row(drawn(shift, rows=20_000), directions(), 1e-9).value == pytest.approx(mean, rel=0.05)


def test_the_bounds_of_the_distances_are_kept_at_their_error_rate() -> None:
    """At an error rate of one half, 40 right samples stay below their bound more often than not."""
    eq = equation(problems.get("correlated-mixture-2d"), "constant", "forward")
    law = eq.law(1.0)
    below = {"energy": 0, "sliced": 0}
    for seed in range(40):
        x = np.asarray(law.sample(400, np.random.default_rng(seed)))
        sample = TerminalSample(x, x, law, 1.0, True, eq.label, eq, 32)
        rows = {"energy": energy_row(sample, 0.5, np.random.default_rng(seed + 100)),
                "sliced": sliced_row(sample, directions(), 0.5)}  # fmt: skip
        for name, row in rows.items():
            below[name] += row.value <= row.critical
    assert below["sliced"] >= 20
    assert 8 <= below["energy"] <= 32


def test_the_sub_gaussian_constant_covers_the_variance_along_every_line() -> None:
    law = equation(problems.get("correlated-mixture-2d"), "constant", "forward").law(1.0)
    assert sub_gaussian(law) >= float(np.linalg.eigvalsh(np.asarray(law.covariance())).max())


def test_a_solver_gets_no_more_rows_at_once_than_it_asks_for() -> None:
    """Seen: LSODA's work space of (N D)² numbers, 8 GiB for the rows of a law."""
    heun, most = discovery.subjects()["torch/heun"], []

    def watched(velocity, x0, times):
        most.append(len(x0))
        return heun.load()(velocity, x0, times)

    claims = dataclasses.replace(heun.claims, extra={"rows_at_once": 300})
    outcome = measured("law-moments", Subject("test/heun", "ode", lambda: watched, claims), "1d-bimodal")
    assert max(most) == 300
    assert judge_all(outcome.measurements) is Verdict.PASSED
    assert judge_all(measured("law-moments", heun, "1d-bimodal").measurements) is Verdict.PASSED
