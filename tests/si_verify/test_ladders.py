"""Ladders: finer rungs decide against a claim, and a limit is not read to more digits than it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from si_verify.case import Case
from si_verify.checks import ode_ladder
from si_verify.checks.ode_ladder import Ladder, uniform
from si_verify.execute import run_case
from si_verify.gate import Verdict
from si_verify.orders.extrapolation import judge_expansion, limit

Error = Callable[[float], float]


def climbed(error: Error, claimed: float, monkeypatch: pytest.MonkeyPatch, extensions: int = 4) -> Ladder:
    """A ladder from 40 steps on, of a solver whose error at step h is ``error(h)``."""
    monkeypatch.setattr(ode_ladder, "first_ladder", lambda trial, order, even: [40, 57, 80, 113, 160, 226, 320])

    def solve(implementation: Any, times: np.ndarray) -> tuple[torch.Tensor, None]:
        return torch.tensor([[error(1.0 / (len(times) - 1))]], dtype=torch.float64), None

    trial = SimpleNamespace(
        start=0.0, end=1.0, exact=torch.zeros(1, 1), solve=solve, times=lambda grid: grid, floor=lambda n: 1e-15
    )
    return Ladder.climb(trial, None, uniform, claimed, extensions)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("check", "problem"),
    [("ode-order", "product-3d"), ("ode-order-non-uniform", "1d-bimodal-to-trimodal-trigonometric")],
)
def test_an_order_that_rises_to_its_claim_on_finer_steps_is_not_failed(check, problem):
    """Seen: Euler's, 0.83 (0.78 to 0.95) at 288 steps, and 0.72 (0.58 to 0.97): errors of opposite sign meet there."""
    case = Case(check, "torch/euler", problem, "float64", "cpu", 0, "standard", 1e-9)
    result = run_case(case)
    assert result.verdict is Verdict.PASSED, result.reason


@pytest.mark.parametrize("order", [0.5, 0.75, 0.9])
def test_an_order_that_does_not_rise_is_believed_before_the_last_extension(order, monkeypatch):
    ladder = climbed(lambda h: h**order * (1.0 + 0.1 * h), 1.0, monkeypatch)
    assert not ladder.decided
    assert ladder.fit.high < 1.0
    assert max(ladder.counts) <= 8 * 640


def test_an_order_that_rests_below_its_claim_and_rises_later_is_not_failed(monkeypatch):
    """Seen: Euler's in 64 dimensions, 0.73 from 57 to 160 steps, where few of 32 paths make most of the error."""
    n = np.array([10, 14, 20, 28, 40, 57, 80, 100, 126, 160, 512, 695, 943, 1280, 12800])
    e = [402, 291, 210, 158, 118, 90.3, 70.4, 59.8, 50.5, 42.4, 16.9, 13.0, 9.89, 7.48, 0.75]

    def error(h: float) -> float:
        return float(np.exp(np.interp(math.log(4.0 * h), np.log(1.0 / n[::-1]), np.log(e[::-1]))))

    ladder = climbed(error, 1.0, monkeypatch)
    assert ladder.decided, ladder.fit
    assert max(ladder.counts) > 640


def test_an_order_still_on_its_way_at_the_last_rung_may_be_any_up_to_the_claim(monkeypatch):
    ladder = climbed(lambda h: h / (1.0 + 300.0 * h), 1.0, monkeypatch, extensions=2)
    assert ladder.fit.low < 1.0 <= ladder.fit.high


def test_what_corrections_agree_on_by_chance_is_no_bound():
    """Beyond the polynomial: the corrections agree to 1e-6 of the finest error, and the limit is off by as much."""
    h = np.geomspace(1.0, 1.0 / 6.0, 5)
    values = (h + h**2 + 2e-7 * (np.arange(5) == 4))[:, None]
    found = limit(h, values, np.zeros(1), 1.0)
    assert found.error >= 1e-3 * abs(values[-1, 0])
    assert found.value < found.error


def test_a_limit_off_by_a_hundredth_of_the_finest_error_is_seen():
    h = np.geomspace(1.0, 1.0 / 6.0, 5)
    wrong = 0.01 * h[-1]
    (row, *_) = judge_expansion("q", h, (h + h**2 + wrong)[:, None], np.zeros(1), 1.0, 1e-15, 1.0)
    assert row.bound is not None
    assert row.value > row.bound
    assert math.isclose(row.value, wrong, rel_tol=1e-6)
