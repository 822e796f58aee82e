"""Statistics err as rarely as they say and see what they say they see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from si_verify.stats import cdf_test, fit_order, geometric_steps, mean_test, split, two_sample_cdf_test

STEPS = 1.0 / np.array([9, 13, 18, 26, 37, 52, 74])


@given(order=st.sampled_from([0.5, 1, 1.5, 2, 3, 4, 5]), bend=st.floats(-1.5, 3), scale=st.floats(-6, 3))
def test_the_interval_of_a_fit_holds_the_true_order(order, bend, scale):
    fit = fit_order(STEPS, 10**scale * STEPS**order * (1 + bend * STEPS))
    assert fit.low <= order <= fit.high
    assert fit.high - fit.low < 0.5


@given(order=st.sampled_from([1, 2, 4]), bend=st.floats(-1.5, 3))
def test_an_order_that_is_half_a_step_short_is_outside_the_interval(order, bend):
    fit = fit_order(STEPS, STEPS ** (order - 0.5) * (1 + bend * STEPS))
    assert fit.high < order


def test_rungs_below_the_floor_do_not_enter():
    errors = STEPS**4 + 1e-6
    fit = fit_order(STEPS, errors, floor=2e-6)
    assert all(errors[i] > 2e-6 for i in fit.used)


def test_a_ladder_at_rounding_or_of_nans_gives_no_order():
    assert not fit_order(STEPS, np.full(7, 1e-17), floor=1e-16).found
    none = fit_order(STEPS, np.full(7, np.nan))
    assert not none.found
    assert none.interval == (-np.inf, np.inf)


@pytest.mark.parametrize("law", ["normal", "expon", "bimodal"])
def test_the_mean_test_errs_no_more_often_than_it_says(law):
    rng = np.random.default_rng(7)
    draw = {
        "normal": lambda n: rng.normal(size=n),
        "expon": lambda n: rng.exponential(size=n) - 1,
        "bimodal": lambda n: rng.normal(size=n) * 0.5 + rng.choice([-3, 3], size=n),
    }[law]
    trials, alpha = 4000, 1e-2
    alarms = sum((t := mean_test(draw(400), 0.0, alpha)).deviation > t.critical for _ in range(trials))
    assert alarms <= sps.binom.isf(1e-6, trials, alpha)


def test_the_mean_test_sees_the_effect_it_promises():
    rng = np.random.default_rng(8)
    seen = 0
    for _ in range(300):
        x = rng.normal(size=2000)
        shift = mean_test(x, 0.0, 1e-9).detectable
        t = mean_test(x + shift, 0.0, 1e-9)
        seen += t.deviation > t.critical
    assert seen >= sps.binom.isf(1 - 1e-6, 300, 0.99)


def test_the_cdf_test_is_calibrated_and_sees_a_wrong_scale():
    rng = np.random.default_rng(9)
    trials, alpha = 2000, 1e-2
    alarms = sum((t := cdf_test(rng.random(500), alpha)).distance > t.critical for _ in range(trials))
    assert alarms <= sps.binom.isf(1e-6, trials, alpha)
    assert alarms >= sps.binom.isf(1 - 1e-6, trials, alpha)
    wrong = cdf_test(sps.norm.cdf(1.2 * rng.normal(size=40_000)), 1e-9)
    assert wrong.distance > wrong.critical


def test_the_two_sample_test_is_conservative_and_sees_a_shift():
    rng = np.random.default_rng(10)
    for _ in range(300):
        t = two_sample_cdf_test(rng.normal(size=500), rng.normal(size=700), 1e-3)
        assert t.distance <= t.critical
    t = two_sample_cdf_test(rng.normal(size=20_000), rng.normal(size=20_000) + 0.2, 1e-9)
    assert t.distance > t.critical


def test_nan_samples_give_nan_distances():
    assert np.isnan(cdf_test(np.full(20, np.nan), 1e-3).distance)
    assert np.isnan(two_sample_cdf_test(np.full(20, np.nan), np.zeros(20), 1e-3).distance)


def test_arguments_are_named_in_errors():
    with pytest.raises(ValueError, match="step, error"):
        fit_order([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="sample"):
        mean_test(np.zeros(3), 0.0, 0.1)
    with pytest.raises(ValueError, match="assertions"):
        split(1e-6, 0)


def test_ladders_are_distinct_and_not_only_powers_of_two():
    ladder = geometric_steps(8, 128, 6)
    assert len(set(ladder)) == len(ladder) == 6
    assert any(n & (n - 1) for n in ladder)
