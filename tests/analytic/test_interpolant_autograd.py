"""Automatic differentiation of the log density is a witness that shares no formula with the derivative fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.analytic.builders import ALL, KINDS, Case, case


def gradient(values: torch.Tensor, x: torch.Tensor) -> np.ndarray:
    """d sum(values) / dx."""
    return torch.autograd.grad(values.sum(), x, retain_graph=True)[0].numpy()


def jacobian(values: torch.Tensor, x: torch.Tensor) -> np.ndarray:
    """(N, D, D): d values_i / d x_j for each point."""
    return np.stack([gradient(values[:, i], x) for i in range(values.shape[1])], axis=1)


@pytest.fixture(params=KINDS, ids=lambda kind: kind)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(("name", "schedule"), ALL)
def test_fields_are_the_derivatives_of_the_log_density(name: str, schedule: str, kind: str) -> None:
    one: Case = case(name, schedule, kind, n=3, dim=3, t=0.31, seed=11)
    i, x = one.interpolant, torch.asarray(one.x).requires_grad_()
    times = torch.full((x.shape[0],), one.t, dtype=torch.float64, requires_grad=True)
    log_density = i.log_density(times, x)
    score, velocity = i.score(one.t, x), i.velocity(one.t, x)
    hessian, slope = jacobian(score, x), jacobian(velocity, x)
    pairs = {
        "score": gradient(log_density, x),
        "dt_log_density": gradient(log_density, times),
        "score_jacobian": hessian,
        "laplacian_log_density": np.trace(hessian, axis1=1, axis2=2),
        "velocity_jacobian": slope,
        "divergence": np.trace(slope, axis1=1, axis2=2),
    }
    for field, wanted in pairs.items():
        got = getattr(i, field)(one.t, one.x)
        atol = one.band(got, wanted, hessian, slope, velocity.detach().numpy())
        np.testing.assert_allclose(got, wanted, rtol=0, atol=atol, err_msg=f"{field} {one.label}")


def test_graph_passes_through_the_grouping_of_equal_times() -> None:
    one = case("independent", "linear", "full", n=3, dim=2, t=0.4, seed=0, n_points=16)
    times = np.repeat([0.2, 0.6], 8)
    x = torch.asarray(one.x).requires_grad_()
    got = gradient(one.interpolant.log_density(torch.asarray(times), x), x)
    np.testing.assert_allclose(got, one.interpolant.score(times, one.x), rtol=0, atol=one.band(got))
