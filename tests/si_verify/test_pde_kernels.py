"""Fused kernels against the same formulas written out, and the residual of candidate densities."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from analytic import problems
from si_verify.api import check_field
from si_verify.bench.pde_steps import Square
from si_verify.density.residual import density_residual
from si_verify.subject import Unavailable
from si_verify.subjects.pde import fused, fused_kernels, line_kernels, numba_compiler

pytest.importorskip("numba")


@pytest.mark.parametrize(("n", "dtype"), [(37, "float64"), (130, "float64"), (37, "float32")])
def test_a_fused_step_is_the_step(n: int, dtype: str) -> None:
    square = Square(n, dtype)
    out, one, c = np.empty_like(square.rho), square.scalar(1.0), square.scalar(square.diffusion)
    fused_kernels.compiled().euler(square.rho, square.wx, square.wy, out, one, c, one, c, 8)
    assert square.error(out) <= 1.0
    assert out.dtype == square.dtype
    out[n // 2, n // 3] *= 1.0 + 1e3 * np.finfo(dtype).eps
    assert square.error(out) > 1.0


@pytest.mark.parametrize("tile", [(16, 20), (64, 512), (7, 9), (53, 20)])
def test_several_steps_in_tiles_are_the_steps_one_by_one(tile: tuple[int, int]) -> None:
    square = Square(53, "float64", steps=5)
    out = np.empty_like(square.rho)
    fused_kernels.compiled().several(square.rho, square.wx, square.wy, out, 5, 0.0, 1.0, 0.05, 1.0, 0.05, *tile)
    assert square.error(out) <= 1.0


def test_pairs_of_stages_in_tiles_are_two_passes() -> None:
    square = Square(40, "float64")
    kernel, (first, second, tiled) = fused_kernels.compiled(), (np.empty_like(square.rho) for _ in range(3))
    given = (square.wx, square.wy)
    kernel.euler(square.rho, *given, first, 1.0, 0.05, 1.0, 0.05, 8)
    kernel.stage(square.rho, first, *given, second, 0.5, 1.0, 0.05, 1.0, 0.05, 8)
    kernel.several(square.rho, *given, tiled, 2, 0.5, 1.0, 0.05, 1.0, 0.05, 16, 24)
    assert np.abs(second - tiled).max() <= 8 * np.finfo(float).eps


@pytest.mark.parametrize("m", [1, 5, 15, 16, 17, 31, 32, 33, 40, 48])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_of_every_length_keep_mass_and_do_not_use_walls(m: int, dtype: str) -> None:
    rng = np.random.default_rng(m)
    n, kind = 11, np.dtype(dtype).type
    rho = rng.random((n, m)).astype(dtype)
    wx, wy = (rng.uniform(-0.05, 0.05, shape).astype(dtype) for shape in ((n + 1, m), (n, m + 1)))
    wx[[0, -1]] = wy[:, [0, -1]] = np.nan
    kernel, one, c = fused_kernels.compiled(), kind(1.0), kind(0.03)
    out, base, mixed = np.full_like(rho, np.nan), rng.random((n, m)).astype(dtype), np.full_like(rho, np.nan)
    kernel.euler(rho, wx, wy, out, one, c, one, c, 4)
    kernel.stage(base, rho, wx, wy, mixed, kind(0.25), one, c, one, c, 4)
    state, after = rho.astype(float), rho.astype(float)
    for axis, w in ((0, wx[1:-1]), (1, wy[:, 1:-1])):
        low, high = (slice(None, -1), slice(1, None))
        low, high = (
            ((low, slice(None)), (high, slice(None))) if axis == 0 else ((slice(None), low), (slice(None), high))
        )
        w = w.astype(float)
        flux = w * (state[low] + state[high]) - np.maximum(0.03, np.abs(w)) * (state[high] - state[low])
        after[low] -= flux
        after[high] += flux
    eps = float(np.finfo(dtype).eps)
    assert np.abs(out - after).max() <= 16 * eps
    assert np.abs(mixed - (0.25 * base + 0.75 * after)).max() <= 16 * eps
    assert abs(out.sum(dtype=float) - rho.sum(dtype=float)) <= 8 * eps * rho.size**0.5


def test_numba_leaves_the_threads_of_torch_alone() -> None:
    threads = torch.get_num_threads()
    assert numba_compiler.take_threads() <= threads
    square = Square(40, "float64")
    fused_kernels.compiled().euler(square.rho, square.wx, square.wy, np.empty_like(square.rho), 1.0, 0.05, 1.0, 0.05, 8)
    assert torch.get_num_threads() == threads


def test_a_nan_comes_out_as_one() -> None:
    square = Square(20, "float64")
    square.rho[7, 8] = np.nan
    out = np.empty_like(square.rho)
    fused_kernels.compiled().euler(square.rho, square.wx, square.wy, out, 1.0, 0.05, 1.0, 0.05, 8)
    assert np.isnan(out[7, 8])
    assert np.isnan(out).sum() == 5
    square.rho[7, 8] = np.inf
    fused_kernels.compiled().several(square.rho, square.wx, square.wy, out, 2, 0.0, 1.0, 0.05, 1.0, 0.05, 20, 20)
    assert not np.isfinite(out[7, 8])
    assert (~np.isfinite(out)).sum() == 13


@pytest.mark.parametrize(("shape", "tau"), [((3, 17, 5), 1.0), ((1, 40, 70), 1e6), ((2, 9, 1), 1e-3)])
def test_line_solves_invert_keep_mass_and_sign(shape: tuple[int, int, int], tau: float) -> None:
    outer, n, inner = shape
    rng = np.random.default_rng(1)
    rho, drift = rng.random(shape), tau * rng.normal(size=(outer, n + 1, inner))
    found, back = np.empty_like(rho), np.empty_like(rho)
    kernel = line_kernels.compiled()
    kernel.implicit(rho, drift, found, 1.0, 0.5 * tau, 64)
    kernel.explicit(rho, drift, back, 1.0, 0.5 * tau, 64)
    w = drift[:, 1:-1]
    up, down = np.maximum(0.5 * tau, np.abs(w)) + w, np.maximum(0.5 * tau, np.abs(w)) - w
    eps = np.finfo(float).eps
    for state, sign, answer in ((rho, -1, back), (found, 1, rho)):
        flux, expected = up * state[:, :-1] - down * state[:, 1:], state.copy()
        expected[:, :-1] += sign * flux
        expected[:, 1:] -= sign * flux
        assert np.abs(expected - answer).max() <= 64 * n * eps * (1 + tau * 8) * state.max()
    assert np.abs(found.sum(1) - rho.sum(1)).max() <= 64 * n * eps * (1 + tau * 8) * found.max()
    assert (found >= 0).all()


def test_one_row_and_more_than_a_plane() -> None:
    from si_verify.density.cases import box, density_case

    case = density_case(problems.get("product-3d"), "varying", span=(0.5, 0.51))
    with pytest.raises(ValueError, match="one or two dimensions"):
        fused.solve(case.on(box(case.problem, 16), "averages", torch.float64), [0.5, 0.51])


def test_without_numba_they_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(Unavailable, match="kernels"):
        numba_compiler.compiler()


@pytest.mark.parametrize("name", ["1d-bimodal", "correlated-mixture-2d", "gaussian-8d"])
def test_the_residual_of_the_exact_density_is_within_its_bound_and_that_of_a_wrong_one_is_not(name: str) -> None:
    interpolant = problems.get(name).interpolant
    x = torch.as_tensor(np.asarray(interpolant.sample(0.4, 16, 0)))
    right = density_residual(interpolant.log_density, interpolant, 0.4, x, 0.1)
    assert bool((right.transport.abs() <= right.transport_bound).all())
    assert bool((right.fokker_planck.abs() <= right.fokker_planck_bound).all())
    wrong = density_residual(lambda t, y: interpolant.log_density(t, y) + 1e-4 * t, interpolant, 0.4, x, 0.1)
    assert torch.allclose(wrong.transport, torch.full_like(wrong.transport, 1e-4), rtol=0.05)
    assert bool((wrong.fokker_planck.abs() > wrong.fokker_planck_bound).all())


def test_the_two_forms_differ_where_the_shape_is_wrong() -> None:
    """−ε (Δl − Δ log ρ + ∇l·(∇l − s)) for l = log ρ + c·x: −ε c·(s + c)."""
    interpolant = problems.get("1d-bimodal").interpolant
    x = torch.linspace(-1.0, 1.0, 9, dtype=torch.float64)[:, None]
    found = density_residual(lambda t, y: interpolant.log_density(t, y) + 0.3 * y[:, 0], interpolant, 0.5, x, 0.2)
    known = -0.2 * 0.3 * (interpolant.score(0.5, x)[:, 0] + 0.3)
    assert torch.allclose(found.fokker_planck - found.transport, known, atol=1e-6)


def test_a_candidate_density_is_any_callable() -> None:
    interpolant = problems.get("1d-bimodal").interpolant

    def late(t: float, x: torch.Tensor) -> torch.Tensor:
        return interpolant.log_density(0.99 * t, x)

    options = {"quantity": "log_density", "problem": "1d-bimodal", "select": "check=pde-residual"}
    assert check_field(interpolant.log_density, **options).passed
    assert not check_field(late, **options).passed


@pytest.mark.parametrize(("argument", "value"), [("t", 1.0), ("epsilon", -0.1)])
def test_bad_arguments_are_named(argument: str, value: float) -> None:
    interpolant = problems.get("1d-bimodal").interpolant
    given = {"t": 0.5, "epsilon": 0.1} | {argument: value}
    with pytest.raises(ValueError, match=argument):
        density_residual(interpolant.log_density, interpolant, x=torch.zeros(2, 1, dtype=torch.float64), **given)
