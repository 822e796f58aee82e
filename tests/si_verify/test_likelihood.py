"""Likelihood: estimators against closed forms, theorems over random problems, seeded faults rejected."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analytic import problems
from analytic.affine import GaussianPath
from analytic.schedule import Schedule
from si_verify import discovery
from si_verify.api_likelihood import check_likelihood
from si_verify.execute import run_case
from si_verify.gate import Verdict
from si_verify.likelihood import bounds, oscillation
from si_verify.likelihood.cases import affine_errors, exact_case, field_errors
from si_verify.likelihood.divergence import draw_probe
from si_verify.likelihood.divergences import cross_entropy, kl_divergence
from si_verify.likelihood.estimate import log_mean_pairs, log_mean_weight
from si_verify.likelihood.flow import flow_log_likelihood
from si_verify.likelihood.paths import path_ratio
from si_verify.plan import Settings
from si_verify.selftest import fault_cases

FAULTS = [f for f in discovery.faults().values() if f.subject.kind == "likelihood"]
# The three that take seconds each are left to `si-verify selftest`.
BRIEF = [f for f in FAULTS if not f.caught_by[0].startswith(("likelihood-transport", "likelihood-paths"))]


@pytest.mark.parametrize("fault", BRIEF, ids=lambda f: f.name)
def test_a_fault_is_rejected(fault) -> None:
    first = replace(fault, caught_by=fault.caught_by[:1])
    cases = fault_cases([first], discovery.checks(), problems.all(), Settings())
    assert any(run_case(c, {fault.name: fault.subject}).verdict is Verdict.FAILED for c in cases)


def test_there_are_faults_enough() -> None:
    assert len(FAULTS) >= 15


eps = st.floats(0.05, 20.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), eps, st.sampled_from(["brownian", "quadratic", "sine_squared"]))
def test_kl_never_exceeds_its_bounds(seed: int, dim: int, epsilon: float, latent: str) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.standard_normal((2 * dim, 2 * dim + 2))
    joint = blocks @ blocks.T / (2 * dim) + 0.1 * np.eye(2 * dim)
    means = rng.standard_normal((2, dim))
    path = GaussianPath(
        Schedule.linear(latent), means[0], means[1], joint[:dim, :dim], joint[dim:, dim:], joint[:dim, dim:]
    )
    fields = affine_errors(path, rng, float(10 ** rng.uniform(-2, 0)))
    errors, kl = field_errors(fields, (0.0, 1.0)), fields.kl(epsilon)
    for bound in (bounds.drift_bound, bounds.velocity_score_bound, bounds.interpolant_score_bound):
        assert kl <= bound(errors, epsilon) * (1 + 1e-9)


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_the_best_epsilon_is_best(velocity: float, score: float) -> None:
    best, least = bounds.best_epsilon(velocity, score)
    for epsilon in (best, 0.9 * best, 1.1 * best):
        assert velocity / (2 * epsilon) + epsilon * score / 2 >= least * (1 - 1e-12)
    assert velocity / (2 * best) + best * score / 2 == pytest.approx(least, rel=1e-12)


def test_log_means_survive_weights_beyond_floats() -> None:
    log = torch.tensor([[-2000.0, -2000.0 + math.log(3.0)]], dtype=torch.float64)
    found = log_mean_weight(log)
    assert float(found.log_density) == pytest.approx(-2000.0 + math.log(2.0))
    assert float(found.effective_size) == pytest.approx(16 / 10)
    # Weights 1 and 3: deviation √2, mean 2, error of the mean 1, of its logarithm ½.
    assert float(found.standard_error) == pytest.approx(0.5)
    pairs = log_mean_pairs(torch.stack([log, log], 2).reshape(1, 2, 2))
    assert float(pairs.standard_error) == pytest.approx(float(found.standard_error))


def test_the_chain_density_is_unbiased_at_any_number_of_steps() -> None:
    """Two Euler steps of an affine drift from a Gaussian end in a Gaussian known exactly: no bias is allowed for."""

    def velocity(t: float, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x + t

    def score(t: float, x: torch.Tensor) -> torch.Tensor:
        return -x

    epsilon, mean, variance = 0.4, 0.0, 1.0
    for t in (0.0, 0.5):
        slope = 1.0 + 0.5 * (0.5 - epsilon)
        mean, variance = slope * mean + 0.5 * t, slope**2 * variance + epsilon
    x = torch.full((400, 1), 0.7, dtype=torch.float64)
    found = path_ratio(
        velocity, score, lambda t: epsilon, lambda y: -0.5 * y[:, 0] ** 2 - 0.5 * math.log(2 * math.pi), x,
        [1.0, 0.5, 0.0], 200, torch.Generator().manual_seed(0),
    )  # fmt: skip
    exact = -0.5 * (0.7 - mean) ** 2 / variance - 0.5 * math.log(2 * math.pi * variance)
    ratio = torch.exp(found.log_density - exact)
    assert abs(float(ratio.mean()) - 1.0) < 5 * float(ratio.std()) / 20


def test_cross_entropy_and_kl_of_exact_fields() -> None:
    case = exact_case(problems.get("1d-bimodal"), "cpu")
    x = torch.as_tensor(case.draw(200, 0))
    log = flow_log_likelihood(case.velocity, case.first, x, case.times(64))
    assert kl_divergence(case.last(x), log)[0] == pytest.approx(0.0, abs=1e-5)
    value, error = cross_entropy(log)
    assert value == pytest.approx(-float(case.last(x).mean()), abs=1e-5)
    assert error > 0


def test_a_flow_keeps_its_kl_where_an_sde_loses_it() -> None:
    kls = [
        oscillation.kl_on_grid(x, oscillation.flow_log_density(1.0, k, x))
        for k in (4, 16)
        for x in [oscillation.grid(k)]
    ]
    assert kls[1] == pytest.approx(oscillation.limit(1.0), rel=0.01)
    squares = [oscillation.mean_square(1.0, k) for k in (4, 16)]
    sde = [oscillation.sde_kl(1.0, k, 0.5) for k in (4, 16)]
    assert squares[1] < squares[0] / 15
    assert sde[1] < sde[0] / 100
    assert all(a <= b / 2.0 for a, b in zip(sde, squares, strict=True))


@pytest.mark.parametrize("kind", ["gaussian", "rademacher"])
def test_probes_are_white(kind: str) -> None:
    v = draw_probe(torch.zeros(40_000, 3, dtype=torch.float64), kind, torch.Generator().manual_seed(0))
    assert (v.mT @ v / 40_000 - torch.eye(3)).abs().max() < 0.05


def test_a_users_estimator() -> None:
    def euler(velocity, log_known, x, times):
        total = torch.zeros_like(x[:, 0])
        for a, b in pairwise(times):
            leaf = x.detach().requires_grad_(True)
            value = velocity(a, leaf)
            slope = sum(
                torch.autograd.grad(value[:, d].sum(), leaf, retain_graph=True)[0][:, d] for d in range(x.shape[1])
            )
            x, total = x + (b - a) * value.detach(), total + (b - a) * slope
        return log_known(x) + total

    select = "check=likelihood-order and problem=gaussian-2d-crossed"
    assert check_likelihood(euler, order=1, select=select).passed
    assert not check_likelihood(euler, order=2, select=select).passed


def test_unknown_claims_are_refused() -> None:
    for arguments in (
        {"form": "ode"},
        {"form": "hutchinson", "probe": "uniform"},
        {"form": "bound", "inequality": "kl"},
    ):
        with pytest.raises(ValueError):
            check_likelihood(lambda *a: 0.0, **arguments)
    with pytest.raises(TypeError, match="estimate"):
        check_likelihood(3)  # type: ignore[arg-type]


def test_an_answer_of_another_form_is_named() -> None:
    select = "problem=gaussian-2d-crossed"
    pair = check_likelihood(lambda v, known, x, times: (x, known(x)), select=f"check=likelihood-order and {select}")
    assert "expected the log density" in pair.failures[0].reason
    alone = check_likelihood(
        lambda v, s, e, known, x, times, dw: known(x), "path", select="check=likelihood-ito and problem=gaussian-1d"
    )
    assert "expected (points" in alone.failures[0].reason


def test_exact_fields_are_finite_where_a_schedule_turns_infinitely_fast() -> None:
    """One-sided, variance preserving: dα/dt is −∞ at t = 1, times a mean of zero."""
    problem = problems.get("one-sided-vp-1d")
    case, x = exact_case(problem, "cpu"), torch.linspace(-3, 3, 5, dtype=torch.float64)[:, None]
    assert torch.allclose(case.velocity(1.0, x), problem.interpolant.velocity(1.0, x), rtol=1e-12)
