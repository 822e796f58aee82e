"""The condition number is that of the field: its fields are the oracle's, its size is the sum of the sensitivities."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from analytic.oracle import FIELDS, MpmathArithmetic, Oracle
from analytic.oracle.oracle import evaluate as evaluate_oracle
from tests.accuracy.closed_form import evaluate
from tests.accuracy.condition import AVAILABLE, EXTENDED, coefficients, condition, extended, inputs_of, perturbed
from tests.accuracy.draw import chunk
from tests.cases import Case, build

COUNT = 20

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="long double is no wider than float64 here: no condition numbers")


@cache
def small_cases() -> list[Case]:
    """Interior times; no mirror, whose exact cancellations long double keeps to rounding only."""
    specs = [s for s in chunk(77, max_work=60) if 0.0 < s.t < 1.0 and s.dtype == "float64" and s.coupling != "mirror"]
    return [build(spec) for spec in specs[:COUNT]]


@pytest.mark.parametrize("number", range(COUNT))
def test_its_fields_are_those_of_the_oracle(number: int) -> None:
    case = small_cases()[number]
    a, point = Oracle(case.mixture, case.path).at(case.spec.t, [float(v) for v in case.x])
    with a.session():
        values = coefficients(point)
        own = evaluate(inputs_of(case.mixture, case.x, values))
        sizes = condition(case.mixture, case.x, values, case.tied)
        for field in FIELDS:
            exact = np.asarray([extended(v) for v in evaluate_oracle(point, field)], dtype=EXTENDED)
            # It stands in long double where the yardstick stands in float64; 1e-40: the oracle's zero.
            bound = 100 * float(np.finfo(EXTENDED).eps) * sizes[field] + 1e-40
            if field == "denoiser" and not point.left[2] > 0:
                continue
            assert np.linalg.norm(own[field][0] - exact) <= bound, field


@pytest.mark.parametrize("number", range(8))
def test_its_sample_of_sign_patterns_is_a_fair_one(number: int) -> None:
    """The largest move of SAMPLES patterns stands by the root mean square of 64 others, within a factor of 4 and 8.

    Below a quarter of it: a Gaussian variable lies there with probability 0.2, all eight with 2e-6. Above eight
    times: never for a sum of signs of similar size (e^{-32}).
    """
    case = small_cases()[number]
    a, point = Oracle(case.mixture, case.path).at(case.spec.t, [float(v) for v in case.x])
    with a.session():
        values = coefficients(point)
    exact = inputs_of(case.mixture, case.x, values)
    every = perturbed(case.mixture, exact, case.tied, np.random.default_rng(5), 64)
    fields = evaluate(every)
    sizes = condition(case.mixture, case.x, values, case.tied, seed=3)
    for field, value in fields.items():
        moves = np.sqrt(((value[1:] - value[0]) ** 2).sum(-1)) * 2.0**50
        typical = max(np.sqrt((moves**2).mean()), np.sqrt((value[0] ** 2).sum()))
        assert 0.25 * typical <= sizes[field] <= 8 * typical, field


def test_a_sensitivity_known_by_hand() -> None:
    """One Gaussian in one dimension, s = −(x − m)/C: the sum of |p ∂s/∂p| over its inputs bounds K from above."""
    spec = replace(
        small_cases()[0].spec, coupling="one_sided", path="one_sided_linear", latent="none", kind="isotropic",
        dim=1, n_components=1, t=0.75, log_condition=0, log_scale=0, log_separation=2, radius=1.0,
    )  # fmt: skip
    case = build(spec)
    a, point = Oracle(case.mixture, case.path, MpmathArithmetic(60)).at(0.75, [float(case.x[0])])
    with a.session():
        values = coefficients(point)
    x, m1, c11 = float(case.x[0]), float(case.mixture.mean1[0, 0]), float(case.mixture.cov11[0])
    c = 0.25**2 + 0.75**2 * c11
    score = -(x - 0.75 * m1) / c
    # x, m1 and β in the mean; α², β², C11 (and C00) in C; the factor of C.
    terms = [x / c, 0.75 * m1 / c, 0.75 * m1 / c + 2 * 0.75**2 * c11 / c * score, 2 * 0.25**2 / c * score,
             0.75**2 * c11 / c * score, 0.25**2 / c * score, score]  # fmt: skip
    bound = sum(abs(v) for v in terms)
    size = condition(case.mixture, case.x, values)["score"]
    assert np.sqrt(sum(v * v for v in terms)) / 4 <= size <= bound * (1 + 1e-9)
