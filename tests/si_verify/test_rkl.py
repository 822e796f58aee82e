"""Super time stepping: coefficients against their definition, stability on whole spectra, the kernel stage by stage."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.polynomial import Polynomial, legendre

from analytic import problems
from si_verify.density.cases import box, density_case
from si_verify.density.grid import Grid
from si_verify.density.problem import DensityProblem
from si_verify.faults.pde_rkl import hybrid, stepped
from si_verify.subjects.pde import fluxes, fused_rkl, rkl

EPS = float(np.finfo(float).eps)
STAGES = (2, 3, 4, 5, 8, 9, 17)


def recurrence(stages: int) -> Polynomial:
    """R_s as the stages make it of z = τλ."""
    z, one = Polynomial([0.0, 1.0]), Polynomial([1.0])
    before, now = one, one
    for mu, nu, part, fixed in rkl.coefficients(stages):
        before, now = now, mu * now + nu * before + (1.0 - mu - nu) + part * z * now + fixed * z
    return now


@pytest.mark.parametrize("stages", STAGES)
def test_a_step_is_the_exponential_to_second_order(stages: int) -> None:
    """1 + z + z²/2, and what is left of e^z at z³ is not zero."""
    found = np.append(recurrence(stages).coef, 0.0)
    rounding = 64 * EPS * stages**2
    assert np.abs(found[:3] - [1.0, 1.0, 0.5]).max() <= rounding
    assert abs(found[3] - 1.0 / 6.0) > 1e-3


@pytest.mark.parametrize("stages", STAGES)
def test_the_recurrence_is_the_shifted_legendre_polynomial(stages: int) -> None:
    z = np.linspace(-0.5 * (stages**2 + stages - 2), 0.0, 41)
    b = (stages**2 + stages - 2) / (2 * stages * (stages + 1))
    expected = 1 - b + b * legendre.Legendre.basis(stages)(1 + 4 * z / (stages**2 + stages - 2))
    assert np.abs(rkl.growth(stages, z) - expected).max() <= 64 * EPS * stages
    before, now = np.ones_like(z), np.ones_like(z)
    for mu, nu, part, fixed in rkl.coefficients(stages):
        before, now = now, 1.0 + mu * (now - 1.0) + nu * (before - 1.0) + part * z * now + fixed * z
    # An error of a stage grows no faster than linearly with the stages after it.
    assert np.abs(now - expected).max() <= 64 * EPS * stages**2


def spectrum(spreading: list[float], moving: list[float]) -> np.ndarray:
    """z of all modes and of all speeds up to the largest, both axes."""
    angle, share = np.linspace(0.0, 2 * np.pi, 97), np.linspace(0.0, 1.0, 6)
    total = np.zeros(1, complex)
    for c, v in zip(spreading, moving, strict=True):
        # The hybrid flux spreads by the larger of what it is given and half the speed.
        z = np.concatenate([-2 * c * (1 - np.cos(angle)) - 1j * s * v * np.sin(angle) for s in share])
        total = (total[:, None] + z).reshape(-1)
    return total


@pytest.mark.parametrize("courant", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("peclet", [0.0, 1e-3, 0.03, 0.2, 0.5, 1.0, 1.7, 2.0, 10.0, 1e6])
@pytest.mark.parametrize("other", [None, 0.0, 0.3, 1.0])
def test_the_chosen_stages_are_stable(courant: float, peclet: float, other: float | None) -> None:
    """|R| ≤ 1 for cell Péclet numbers w h/ε, on one axis or two with drifts in a ratio ``other``."""
    speeds = [1.0] if other is None else [1.0, other]
    moving = [courant * s / sum(speeds) if peclet else 0.0 for s in speeds]
    eps = moving[0] / peclet if peclet else 300.0 * courant
    spreading = [max(eps, 0.5 * v) for v in moving]
    stages, parts = rkl.stages_for(spreading, moving)
    z = spectrum([c / parts for c in spreading], [v / parts for v in moving])
    assert np.abs(rkl.growth(stages, z)).max() <= 1.0 + 1e-12
    # And not by being far too careful: forward Euler is stable for z = −2, s stages do no better than its (s² + s)/4.
    assert stages * parts <= 3 * (2 + np.sqrt(4 * sum(spreading)) + 4 * courant)


def test_a_stage_less_is_not_stable() -> None:
    """What is chosen is the least, for drift and for diffusion; a bound that everything meets would say nothing."""
    for spreading, moving in (([30.0], [0.5]), ([0.5], [1.0]), ([2.0, 2.0], [1.0, 1.0])):
        stages, parts = rkl.stages_for(spreading, moving)
        assert parts == 1
        if stages > 2:
            assert np.abs(rkl.growth(stages - 1, 1.05 * spectrum(spreading, moving))).max() > 1.0 + 1e-6


def test_nothing_moves_and_what_is_not_finite() -> None:
    assert rkl.stages_for([0.0], [0.0]) == (2, 1)
    with pytest.raises(ValueError, match="spreading"):
        rkl.stages_for([float("nan")], [0.0])
    with pytest.raises(ValueError, match="stages"):
        rkl.coefficients(1)


def plain(n: int, m: int, dtype: torch.dtype = torch.float64) -> tuple[DensityProblem, list[torch.Tensor]]:
    """A random state under a random steady drift."""
    make = torch.Generator().manual_seed(n * 1000 + m)
    drift = [torch.randn(s, generator=make, dtype=torch.float64) for s in ((n + 1, m), (n, m + 1))]
    rho = torch.rand((n, m), generator=make, dtype=torch.float64).to(dtype)
    grid = Grid((0.0, 0.0), (float(n), 0.9 * m), (n, m))
    given = DensityProblem(
        grid, rho, lambda t: 0.6, "forward", lambda t, axes, axis: drift[axis], lambda t, x: x, steady=True
    )
    return given, drift


@pytest.mark.parametrize("stages", [2, 3, 5])
@pytest.mark.parametrize("shape", [(5, 4), (11, 16), (9, 17), (40, 33), (7, 48)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_kernel_makes_the_stages(stages: int, shape: tuple[int, int], dtype: torch.dtype) -> None:
    pytest.importorskip("numba")
    given = plain(*shape, dtype)[0]
    dt, count = 0.2, 3
    kernel = fused_rkl.factors(given, 0.0, dt)
    rho, (wx, wy) = given.initial.numpy(), fused_rkl.faces(given, 0.0)
    found, again, banded, one = (np.full_like(rho, np.nan) for _ in range(4))
    fused_rkl.advance(rho, wx, wy, found, count, stages, kernel)
    exact = dataclasses.replace(given, initial=given.initial.to(torch.float64))
    step = stepped(fluxes.divergence_of(exact, hybrid), lambda t, dt: rkl.coefficients(stages))
    expected = exact.initial
    for _ in range(count):
        expected = step(expected, 0.0, dt)
    eps = float(torch.finfo(dtype).eps)
    assert np.abs(found - expected.numpy()).max() <= 64 * count * stages * eps * float(expected.abs().max())
    assert abs(float(found.sum(dtype=float)) - float(expected.sum())) <= 64 * count * stages * eps * rho.size**0.5
    assert np.array_equal(rho, plain(*shape, dtype)[0].initial.numpy())
    # Walls are not read, and bands of rows make what the whole makes.
    wx[[0, -1]] = wy[:, [0, -1]] = np.nan
    fused_rkl.advance(rho, wx, wy, again, count, stages, kernel)
    assert np.array_equal(found, again)
    table = rkl.coefficients(stages).astype(rho.dtype)
    fused_rkl.compiled().shared(rho, wx, wy, banded, table, False, *kernel, 2)
    fused_rkl.advance(rho, wx, wy, one, 1, stages, kernel)
    assert np.array_equal(banded, one)
    # Where all faces are central, both ways of writing a flux are the same.
    slow = [0.2 * w / np.nanmax(np.abs(w)) for w in (wx, wy)]
    fused_rkl.advance(rho, *slow, found, count, stages, kernel)
    fused_rkl.advance(rho, *slow, again, count, stages, kernel, central=True)
    assert 0.0 < np.abs(found - again).max() <= 64 * count * stages * eps


@pytest.mark.parametrize("shape", [(4, 5), (5, 40)])
def test_the_fastest_drift_is_that_of_inner_faces(shape: tuple[int, int]) -> None:
    pytest.importorskip("numba")
    _, drift = plain(*shape)
    wx, wy = (d.numpy() for d in drift)
    wx[0, 0], wy[0, -1] = 100.0, np.nan
    found = fused_rkl.compiled().fastest(wx, wy)
    assert found == (np.abs(wx[1:-1]).max(), np.abs(wy[:, 1:-1]).max())


def solved(given: DensityProblem, times: list[float]) -> Any:
    return fused_rkl.solve(given, times)


def test_a_steady_drift_is_asked_once_and_a_changing_epsilon_is_followed() -> None:
    pytest.importorskip("numba")
    given, drift = plain(24, 20)
    asked: list[int] = []

    def lattice(t: float, axes: Any, axis: int) -> torch.Tensor:
        asked.append(axis)
        return drift[axis]

    still = dataclasses.replace(given, lattice_drift=lattice)
    answer = solved(still, [0.0, 0.4, 0.8])
    assert sorted(asked) == [0, 1]
    # Stored so often that steps are short and what they err is little beside what ε does.
    times = torch.linspace(0.0, 0.8, 33).tolist()
    changing, followed = (
        solved(dataclasses.replace(given, epsilon=lambda t: 0.2 + t, steady=steady), times)[-1]
        for steady in (True, False)
    )
    assert float((changing - followed).abs().max()) < 0.02 * float((changing - answer[-1]).abs().max())


def test_a_step_in_time_is_of_second_order_whatever_its_stages() -> None:
    """Against e^{tM} of a dense matrix on a small grid."""
    pytest.importorskip("numba")
    given, _ = plain(10, 17)
    rate = fluxes.divergence_of(given, hybrid)
    basis = torch.eye(170, dtype=torch.float64).reshape(170, 10, 17)
    matrix = torch.stack([rate(0.0, e).reshape(-1) for e in basis], 1)
    exact = (torch.linalg.matrix_exp(0.4 * matrix) @ given.initial.reshape(-1)).reshape(10, 17).numpy()
    rho, around = given.initial.numpy(), fused_rkl.faces(given, 0.0)
    errors, found = [], np.empty_like(rho)
    for n in (4, 8, 16):
        fused_rkl.advance(rho, *around, found, n, 4, fused_rkl.factors(given, 0.0, 0.4 / n))
        errors.append(np.abs(found - exact).max())
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert 1.8 < slopes[-1] < 2.2


def test_without_a_drift_the_order_is_two_too() -> None:
    """N(0, 1) that spreads with ε = ½: no cell is crossed, and the steps fall with h all the same."""
    errors = []
    for n in (64, 128, 256):
        grid = Grid((-12.0,), (12.0,), (n,))
        edges = torch.linspace(-12.0, 12.0, n + 1, dtype=torch.float64)

        def averages(variance: float, edges: torch.Tensor = edges) -> torch.Tensor:
            below = torch.special.ndtr(edges / variance**0.5)
            return torch.diff(below) / torch.diff(edges)

        given = DensityProblem(
            grid, averages(1.0), lambda t: 0.5, "forward", lambda t, axes, axis: torch.zeros_like(axes[0]),
            lambda t, x: torch.zeros_like(x), steady=True,
        )  # fmt: skip
        last = fused_rkl.solve(given, [0.0, 2.0])[-1]
        errors.append(float((last - averages(3.0)).abs().sum()) * grid.volume)
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (np.abs(orders - 2.0) < 0.5).all(), (errors, orders)  # orders come in halves


def test_more_than_a_plane_is_refused() -> None:
    pytest.importorskip("numba")
    case = density_case(problems.get("product-3d"), "varying", span=(0.5, 0.51))
    with pytest.raises(ValueError, match="one or two dimensions"):
        solved(case.on(box(case.problem, 16), "averages", torch.float64), [0.5, 0.51])
