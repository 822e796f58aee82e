"""Seeded faults inside particular schemes: weights, coefficients, transforms, and what the unknowns are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import torch

from si_verify.density.problem import DensityProblem
from si_verify.faults.pde_fluxes import fault
from si_verify.subjects.pde import chang_cooper, fourier, muscl, semi_lagrangian, tr_bdf2, weno5

Tensor = torch.Tensor
Solve = Callable[[DensityProblem, Sequence[float]], Tensor]


def _with(solve: Solve, module: Any, name: str, value: Any) -> Solve:
    """The solver with one piece of its module replaced while it runs."""

    def wrong(problem: DensityProblem, times: Sequence[float]) -> Tensor:
        with mock.patch.object(module, name, value):
            return solve(problem, times)

    return wrong


_right_weight, _right_reconstruct = chang_cooper.weight, weno5.reconstruct


def _swapped_weight(peclet: Tensor) -> Tensor:
    return 1.0 - _right_weight(peclet)


def _lagged_weight(peclet: Tensor) -> Tensor:
    """½ for every Pe: central differences."""
    return torch.full_like(peclet, 0.5)


def _mirrored(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor) -> Tensor:
    return _right_reconstruct(e, d, c, b, a)


def _third_order(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor) -> Tensor:
    """Equal weights for the three stencils."""
    return ((2 * a - 7 * b + 11 * c) + (-b + 5 * c + 2 * d) + (2 * c + 5 * d - e)) / 18


def _clipped(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """Negative values are set to zero after a run that undershoots: positive, but mass appears."""
    return semi_lagrangian.solve(problem, times).clamp(min=0) * 1.0


def _point_average(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    return weno5.solve(problem, times)


def _half_spectrum(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    right = fourier.wave_numbers

    def wrong(p: DensityProblem) -> list[Tensor]:
        return [k / (1.0 + 1.0 / n) for k, n in zip(right(p), p.grid.shape, strict=True)]

    with mock.patch.object(fourier, "wave_numbers", wrong):
        return fourier.solve(problem, times)


def _factor_twice(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    right = fourier.epsilon_integral
    with mock.patch.object(
        fourier, "epsilon_integral", lambda p, t, dt: right(p, t, dt) if dt > 0 else 2 * right(p, t, dt)
    ):
        return fourier.solve(problem, times)


def _no_memory(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """float32 inside: the answer is cast back, the digits are gone."""
    single = replace(problem, initial=problem.initial.to(torch.float32))
    return muscl.solve(single, times).to(problem.dtype)


def _factorised_once(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """Chang–Cooper with the ε of the first time throughout."""
    return chang_cooper.solve(replace(problem, epsilon=lambda t: problem.epsilon(times[0])), times)


def _sixteen_bits(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    """Cells whose linear index needs more than sixteen bits are never written."""
    answer = muscl.solve(problem, times)
    kept = answer.reshape(len(answer), -1).clone()
    kept[:, 2**16 :] = problem.initial.reshape(-1)[2**16 :]
    return kept.reshape(answer.shape)


def _in_place(problem: DensityProblem, times: Sequence[float]) -> Tensor:
    answer = muscl.solve(problem, times)
    problem.initial.copy_(answer[-1])
    return answer


_FITTED = {"steady": "exact"}
_FIRST: dict[str, Any] = {"order": 1.0, "positive": True}
_DIFFUSIVE: dict[str, Any] = {"equations": ("fokker-planck",)}
FAULTS = (
    fault(
        "chang-cooper-swapped", _with(chang_cooper.solve, chang_cooper, "weight", _swapped_weight),
        ("pde-steady-state", "pde-error"), "δ and 1 − δ are exchanged: the weights of the opposite sign convention.",
        "Chang, Cooper (1970), eq. 17", **_FIRST, **_FITTED,
    ),
    fault(
        "chang-cooper-central", _with(chang_cooper.solve, chang_cooper, "weight", _lagged_weight),
        ("pde-steady-state", "pde-positivity"), "δ = ½ whatever the Péclet number.", "Chang, Cooper (1970), eq. 17",
        **_FIRST, **_FITTED,
    ),
    fault(
        "implicit-epsilon-at-start", _factorised_once, ("pde-epsilon-independence",),
        "The matrix is factorised once, with the ε of the first time, while b + ε s follows ε(t).",
        "huggingface/diffusers#4251", **_FIRST, **_DIFFUSIVE,
    ),
    fault(
        "sixteen-bit-index", _sixteen_bits, ("pde-large-grid",),
        "The linear index of a cell has sixteen bits: right on every grid of at most 65,536 cells.",
        "HISTORICAL_BUGS: test suites that could not see", dims=(3,),
    ),
    fault(
        "tr-bdf2-half", _with(tr_bdf2.solve, tr_bdf2, "_GAMMA", 0.5), ("pde-error",),
        "γ = ½ with the stage coefficients that hold for γ = 2 − √2 only: order 1.", "Bank et al. (1985)",
        equations=("fokker-planck",), steady="",
    ),
    fault(
        "weno-mirrored", _with(weno5.solve, weno5, "reconstruct", _mirrored), ("pde-steady-state",),
        "The stencil is read from right to left.", order=5.0, form="points", walls="",
    ),
    fault(
        "weno-equal-weights", _with(weno5.solve, weno5, "reconstruct", _third_order), ("pde-steady-state",),
        "⅓ for the optimal weights 0.1, 0.6, 0.3: fifth order becomes third.", order=5.0, form="points", walls="",
    ),
    fault(
        "points-as-averages", _point_average, ("pde-undiffused-drift",),
        "Values at cell centres are handed over as cell averages: they differ by h²/24 Δρ, so order 5 becomes 2.",
        order=5.0, form="averages", walls="",
    ),
    fault(
        "clipped", _clipped, ("pde-mass",), "Undershoots are clipped, and mass appears.", positive=True, walls="",
    ),
    fault(
        "spectral-period", _half_spectrum, ("pde-error",),
        "The period is taken as n + 1 cells (both ends of a linspace): every wave number is off by 1/n.",
        order=4.0, form="points", walls="",
    ),
    fault(
        "integrating-factor-sign", _factor_twice, ("pde-directions-meet",),
        "In a backward run the integrating factor carries twice the diffusion.", order=4.0, form="points", walls="",
    ),
    fault("single-precision", _no_memory, ("pde-mass",), "The work arrays are float32 whatever the dtype asked for."),
    fault("initial-overwritten", _in_place, ("pde-mass",), "The initial density is used as the work array."),
)  # fmt: skip
