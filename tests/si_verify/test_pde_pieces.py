"""The pieces of density verification: grids, exact averages, fast fields, orders, distances, tridiagonal solves."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analytic import GaussianMixture, problems
from si_verify.density.cases import TAIL, box, density_case, domain
from si_verify.density.claims import density_claims
from si_verify.density.errors import Shrinking, distances, kullback_leibler
from si_verify.density.exact import exact_values
from si_verify.density.grid import Grid
from si_verify.density.order import judge, observed_order
from si_verify.density.problem import DensityProblem
from si_verify.fields import mixture as mixture_fields
from si_verify.gate import Verdict
from si_verify.gate import judge as verdict_of
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde import upwind
from si_verify.subjects.pde.tridiagonal import LineOperator, solve_tridiagonal

CORRELATED = GaussianMixture(
    [0.3, 0.7], [[-1.0, 0.5], [1.0, 0.0]], [[[0.4, 0.1], [0.1, 0.3]], [[0.5, -0.2], [-0.2, 0.6]]]
)
DIAGONAL = GaussianMixture([0.3, 0.7], [[-1.0, 0.5], [1.0, 0.0]], [[0.4, 0.3], [0.5, 0.6]])


def test_grid_rejects_a_box_without_width() -> None:
    with pytest.raises(ValueError, match="low < high"):
        Grid((0.0,), (0.0,), (8,))


@pytest.mark.parametrize("law", [CORRELATED, DIAGONAL], ids=["quadrature", "products"])
def test_cell_averages_are_those_of_a_much_finer_grid(law: GaussianMixture) -> None:
    grid = Grid((-6.0, -5.0), (6.0, 5.0), (12, 10))
    fine = exact_values(law, grid.with_cells((120, 100)), "points")
    # The midpoint rule on a tenth of the width errs by a hundredth of what a point value does.
    nested = fine.reshape(12, 10, 10, 10).mean((1, 3))
    averages = exact_values(law, grid, "averages")
    point = exact_values(law, grid, "points")
    assert float((averages - nested).abs().max()) < 0.02 * float((averages - point).abs().max())
    assert float(averages.sum()) * grid.volume == pytest.approx(1.0, abs=1e-4)


def test_averages_keep_their_digits_in_the_upper_tail() -> None:
    law = GaussianMixture([1.0], [[0.0]], [1.0])
    grid = Grid((-12.0,), (12.0,), (48,))
    averages = exact_values(law, grid, "averages")
    assert torch.allclose(averages, averages.flip(0), rtol=1e-9, atol=0.0)


def test_domain_holds_the_law_at_all_times() -> None:
    problem = problems.get("1d-bimodal")
    (low,), (high,) = domain(problem)
    for t in np.linspace(0, 1, 33):
        law = problem.interpolant.marginal(float(t))
        assert float(law.cdf(np.array([low]))[0]) <= 1.01 * TAIL
        assert float(law.sf(np.array([high]))[0]) <= 1.01 * TAIL


@pytest.mark.parametrize("name", ["product-2d", "correlated-mixture-2d", "product-3d"])
def test_lattice_drift_is_the_yardsticks(name: str) -> None:
    problem = problems.get(name)
    case = density_case(problem, "constant", "backward")
    grid = box(problem, 12)
    density = case.on(grid, "points", torch.float64)
    exact = problem.interpolant.drift(0.4, grid.points(), case.epsilon(0.4), "backward")
    for axis in range(grid.dim):
        found = density.centre_drift(0.4, axis).reshape(-1)
        assert torch.allclose(found, exact[:, axis], rtol=1e-9, atol=1e-9)


def test_lattice_drift_survives_underflow_of_its_factors() -> None:
    """Components far apart on both axes: every product of factors underflows between them."""
    law = GaussianMixture([0.5, 0.5], [[-30.0, -30.0], [30.0, 30.0]], [[0.02, 0.02], [0.02, 0.02]])
    base = GaussianMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    from analytic import Interpolant, Schedule

    interpolant = Interpolant((base, law), Schedule.linear("brownian"))
    fields = mixture_fields.MixtureFields(interpolant, torch.device("cpu"))
    axes = [torch.linspace(-35.0, 35.0, 15, dtype=torch.float64) for _ in range(2)]
    found = fields.on_lattice(0.99, axes, 0, 0.1)
    exact = interpolant.drift(0.99, mixture_fields.lattice(axes), 0.1)[:, 0].reshape(15, 15)
    assert torch.isfinite(found).all()
    assert torch.allclose(found, exact, rtol=1e-8)


def test_fields_that_stray_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    right = mixture_fields.MixtureFields.points
    monkeypatch.setattr(mixture_fields.MixtureFields, "points", lambda self, t, x, gain: right(self, t, x, 1.01 * gain))
    with pytest.raises(ArithmeticError, match="stray"):
        mixture_fields.held.__wrapped__(problems.get("1d-bimodal"), torch.device("cpu"))


@given(
    n=st.integers(2, 40),
    tau=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=25, deadline=None)
def test_line_operator_inverts_keeps_mass_and_sign(n: int, tau: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    drift = torch.randn(3, n + 1, generator=generator, dtype=torch.float64)
    kappa = torch.rand(3, n - 1, generator=generator, dtype=torch.float64)
    rho = torch.rand(3, n, generator=generator, dtype=torch.float64)
    operator = LineOperator(drift, kappa, 0.5)
    moved = operator.implicit(tau, rho)
    back = moved - tau * operator.apply(moved)
    # The norm of I − τL: a cell's own share and what it gives to either neighbour.
    scale = 1.0 + 2.0 * tau * float(operator.up.max() + operator.down.max())
    eps = torch.finfo(torch.float64).eps
    assert float((back - rho).abs().max()) <= 64 * n * eps * scale * float(moved.abs().max())
    assert float((moved.sum(-1) - rho.sum(-1)).abs().max()) <= 64 * n * eps * scale * float(rho.sum(-1).max())
    assert bool((moved >= 0).all())


def test_tridiagonal_solve_agrees_with_a_dense_one() -> None:
    generator = torch.Generator().manual_seed(5)
    a, b, c, d = (torch.randn(4, 13, generator=generator, dtype=torch.float64) for _ in range(4))
    b = b.sign() * (b.abs() + 3.0)
    dense = torch.diag_embed(b) + torch.diag_embed(a[..., 1:], -1) + torch.diag_embed(c[..., :-1], 1)
    expected = torch.linalg.solve(dense, d[..., None])[..., 0]
    assert torch.allclose(solve_tridiagonal(a, b, c, d), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("order", "verdict"), [(2.0, Verdict.PASSED), (1.5, Verdict.FAILED), (1.0, Verdict.FAILED)])
def test_an_order_below_the_claim_is_rejected(order: float, verdict: Verdict) -> None:
    h = np.array([1.0, 0.7, 0.5, 0.35, 0.25]) / 40
    row, _ = judge("x", h, 3.0 * h**order * (1 + 4 * h), 1e-14, 2.0)
    assert verdict_of(row) is verdict


def test_an_order_that_scatters_is_not_a_pass() -> None:
    h = np.array([1.0, 0.7, 0.5, 0.35, 0.25])
    row, _ = judge("x", h, np.array([1.0, 0.9, 0.3, 0.05, 0.08]), 1e-14, 2.0)
    assert verdict_of(row) is Verdict.INCONCLUSIVE


def test_no_order_without_finite_errors() -> None:
    h = np.array([1.0, 0.5, 0.25])
    assert "finite" in observed_order(h, np.array([1.0, math.nan, 1.0]), 0.0, 2.0).reason
    row, _ = judge("x", h, np.array([1.0, math.inf, 1.0]), 0.0, 2.0)
    assert verdict_of(row) is Verdict.FAILED


def test_errors_at_the_floor_are_exact_not_without_order() -> None:
    row, _ = judge("x", np.array([1.0, 0.5, 0.25]), np.full(3, 1e-15), 1e-14, 2.0)
    assert verdict_of(row) is Verdict.PASSED


def test_shrinking_judges_the_worst_time() -> None:
    fine = np.array([1.0, 1.0, 3.0]) * 2.0**-2
    assert verdict_of(Shrinking(np.ones(3), fine, 2.0, 2.0, 0.0).measurement("x")) is Verdict.FAILED
    assert verdict_of(Shrinking(np.ones(3), np.minimum(fine, 0.3), 2.0, 2.0, 0.0).measurement("x")) is Verdict.PASSED
    assert verdict_of(Shrinking(np.ones(3), np.full(3, math.nan), 2.0, 2.0, 0.0).measurement("x")) is Verdict.FAILED


def test_divergence_on_a_grid_is_below_the_exact_one_and_close() -> None:
    grid = Grid((-9.0,), (9.0,), (200,))
    p, q = (exact_values(GaussianMixture([1.0], [[m]], [1.0]), grid, "averages") for m in (0.0, 0.5))
    assert 0.12 < kullback_leibler(p, q, grid) <= 0.125 + 1e-12
    assert kullback_leibler(p, p, grid) == 0.0
    assert distances(q, p, grid)["L1"] == pytest.approx(2 * math.erf(0.25 / math.sqrt(2)), rel=1e-3)


def test_divergence_is_infinite_where_the_bulk_is_not_positive() -> None:
    grid = Grid((-6.0,), (6.0,), (60,))
    p = exact_values(GaussianMixture([1.0], [[0.0]], [1.0]), grid, "averages")
    q = p.clone()
    q[30] = -1e-3
    assert kullback_leibler(p, q, grid) == math.inf


def test_unknown_claims_are_named() -> None:
    subject = Subject("mine", "pde", lambda: None, Claims(extra={"conserative": True}))
    with pytest.raises(ValueError, match="conserative"):
        density_claims(subject)


def test_bad_forms_and_amounts_are_named() -> None:
    grid = Grid((-1.0,), (1.0,), (8,))
    with pytest.raises(ValueError, match="form"):
        exact_values(SimpleNamespace(kind="diagonal"), grid, "cells")
    with pytest.raises(ValueError, match="amount"):
        density_case(problems.get("1d-bimodal"), "lots")


def test_a_steady_drift_is_asked_for_once_and_changes_no_number() -> None:
    asked: list[float] = []

    def drift(t: float, axes: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
        asked.append(t)
        return -0.5 * axes[axis].reshape([-1 if a == axis else 1 for a in range(2)]).expand([len(a) for a in axes])

    box = Grid((-4.0, -4.0), (4.0, 4.0), (24, 20))
    initial = exact_values(GaussianMixture([1.0], [[0.5, 0.0]], [0.6]), box, "averages")
    given = DensityProblem(box, initial, lambda t: 0.5, "forward", drift, lambda t, x: -0.5 * x)
    plain = upwind.solve(given, [0.0, 0.3])
    many, asked[:] = len(asked), []
    assert torch.equal(upwind.solve(dataclasses.replace(given, steady=True), [0.0, 0.3]), plain)
    assert len(asked) == 2 < many
