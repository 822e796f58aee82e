"""Seeded faults in the fluxes of density solvers: what crosses a face, and what crosses a wall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from si_verify.density.problem import DensityProblem
from si_verify.faults.fault import Fault
from si_verify.subject import Claims, Subject
from si_verify.subjects.pde import fluxes
from si_verify.subjects.pde.marching import explicit_steps, march, ssp2

Tensor = torch.Tensor
Solve = Callable[[DensityProblem, Sequence[float]], Tensor]
MATHEMATICS = "MATH.md section 4"


def fault(
    name: str, solve: Solve, caught_by: tuple[str, ...], story: str, source: str = MATHEMATICS, **extra: Any
) -> Fault:
    """A wrong grid solver under the claims of its right twin: second order, conservative, closed walls."""
    order = extra.pop("order", 2.0)
    claims = {"form": "averages", "conservative": True, "walls": "closed"} | extra
    subject = Subject(f"fault/pde-{name}", "pde", lambda: solve, Claims(order=order, extra=claims), frozenset({"grid"}))
    return Fault(subject, caught_by, story, source)


def by_flux(flux: fluxes.Flux) -> Solve:
    """Explicit finite volumes with a flux of one's own."""

    def solve(problem: DensityProblem, times: Sequence[float]) -> Tensor:
        return march(problem, times, ssp2(fluxes.divergence_of(problem, flux)), explicit_steps(problem))

    return solve


def by_rate(make: Callable[[DensityProblem], Callable[[float, Tensor], Tensor]]) -> Solve:
    """Explicit finite volumes with a rate of one's own."""
    return lambda problem, times: march(problem, times, ssp2(make(problem)), explicit_steps(problem))


def _flux_sign(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    return fluxes.limited(-drift, rho, axis, h, eps)


def _downwind(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    low, high = fluxes.left(rho, axis), fluxes.right(rho, axis)
    return drift.clamp(min=0) * high + drift.clamp(max=0) * low - (eps / h) * (high - low)


def _halved(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    return fluxes.limited(drift, rho, axis, h, 0.5 * eps)


def _doubled(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    return fluxes.limited(drift, rho, axis, h, 2.0 * eps)


def _unlimited(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    low, high = fluxes.left(rho, axis), fluxes.right(rho, axis)
    return 0.5 * drift * (low + high) - (eps / h) * (high - low)


def _minmod(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    """The slope is added on the wrong side of the cell."""
    low, high = fluxes.left(rho, axis), fluxes.right(rho, axis)
    jump = 0.5 * (high - low)
    return drift.clamp(min=0) * (low - jump) + drift.clamp(max=0) * (high + jump) - (eps / h) * (high - low)


def _peclet_without_h(drift: Tensor, rho: Tensor, axis: int, h: float, eps: float) -> Tensor:
    low, high = fluxes.left(rho, axis), fluxes.right(rho, axis)
    spread = eps * fluxes.bernoulli(drift.abs() / eps) if eps > 0 else 0.0 * drift
    return drift.clamp(min=0) * low + drift.clamp(max=0) * high - (spread / h) * (high - low)


def _cell_drift(problem: DensityProblem) -> Callable[[float, Tensor], Tensor]:
    def rate(t: float, rho: Tensor) -> Tensor:
        total = torch.zeros_like(rho)
        for axis, h in enumerate(problem.grid.spacing):
            drift = problem.sign * fluxes.left(problem.centre_drift(t, axis), axis)
            moved = fluxes.limited(drift, rho, axis, h, problem.epsilon(t)) / h
            fluxes.left(total, axis).sub_(moved)
            fluxes.right(total, axis).add_(moved)
        return total

    return rate


def _around(problem: DensityProblem) -> Callable[[float, Tensor], Tensor]:
    inner = fluxes.divergence_of(problem, fluxes.limited)

    def rate(t: float, rho: Tensor) -> Tensor:
        total, eps = inner(t, rho), problem.epsilon(t)
        for axis, h in enumerate(problem.grid.spacing):
            last = rho.shape[axis] - 1
            low, high = rho.narrow(axis, last, 1), rho.narrow(axis, 0, 1)
            w = problem.sign * problem.face_drift(t, axis).narrow(axis, 0, 1)
            moved = (w.clamp(min=0) * low + w.clamp(max=0) * high - (eps / h) * (high - low)) / h
            total.narrow(axis, last, 1).sub_(moved)
            total.narrow(axis, 0, 1).add_(moved)
        return total

    return rate


def _open(problem: DensityProblem) -> Callable[[float, Tensor], Tensor]:
    inner = fluxes.divergence_of(problem, fluxes.limited)

    def rate(t: float, rho: Tensor) -> Tensor:
        total, eps = inner(t, rho), problem.epsilon(t)
        for axis, h in enumerate(problem.grid.spacing):
            for side in (0, rho.shape[axis] - 1):
                total.narrow(axis, side, 1).sub_(rho.narrow(axis, side, 1) * (eps / h**2))
        return total

    return rate


def _gradient_form(problem: DensityProblem) -> Callable[[float, Tensor], Tensor]:
    """−b·∇ρ + ε Δρ: the term ρ ∇·b is lost."""
    inner = fluxes.divergence_of(problem, fluxes.limited)

    def rate(t: float, rho: Tensor) -> Tensor:
        total = inner(t, rho)
        for axis, h in enumerate(problem.grid.spacing):
            faces = problem.sign * problem.face_drift(t, axis)
            total += rho * (fluxes.right(faces, axis) - fluxes.left(faces, axis)) / h
        return total

    return rate


def _products_apart(problem: DensityProblem) -> Callable[[float, Tensor], Tensor]:
    """−b ∂ρ − ρ ∂b by central differences at cell centres: right to second order, but it keeps no mass."""

    def rate(t: float, rho: Tensor) -> Tensor:
        total, eps = torch.zeros_like(rho), problem.epsilon(t)
        for axis, h in enumerate(problem.grid.spacing):
            n = rho.shape[axis]
            drift = problem.sign * problem.centre_drift(t, axis)
            diff = [(f.narrow(axis, 2, n - 2) - f.narrow(axis, 0, n - 2)) / (2 * h) for f in (rho, drift)]
            bend = (fluxes.right(rho, axis) - fluxes.left(rho, axis)).diff(dim=axis) / h**2
            middle = [f.narrow(axis, 1, n - 2) for f in (rho, drift)]
            total.narrow(axis, 1, n - 2).add_(eps * bend - middle[1] * diff[0] - middle[0] * diff[1])
        return total

    return rate


def _first_spacing(problem: DensityProblem) -> Callable[[float, Tensor], Tensor]:
    def rate(t: float, rho: Tensor) -> Tensor:
        total, h = torch.zeros_like(rho), problem.grid.spacing[0]
        for axis in range(problem.grid.dim):
            drift = problem.sign * fluxes.inner(problem.face_drift(t, axis), axis)
            moved = fluxes.fitted(drift, rho, axis, h, problem.epsilon(t)) / h
            fluxes.left(total, axis).sub_(moved)
            fluxes.right(total, axis).add_(moved)
        return total

    return rate


_DIFFUSIVE: dict[str, Any] = {"equations": ("fokker-planck",)}
FAULTS = (
    fault("flux-sign", by_flux(_flux_sign), ("pde-error",), "The drift enters the flux with the wrong sign."),
    fault("downwind", by_flux(_downwind), ("pde-undiffused-drift",), "The upwind side is that of −b.", order=1.0),
    fault(
        "halved-diffusion", by_flux(_halved), ("pde-error", "pde-steady-state"),
        "½ε for ε: √(2ε) dW was read as a diffusion coefficient of ε/2·2. Mass, sign and transport are all right.",
    ),
    fault(
        "doubled-diffusion", by_flux(_doubled), ("pde-error", "pde-steady-state", "pde-divergence-growth"),
        "2ε for ε: the squared noise √(2ε) taken as the coefficient of the Laplacian.",
        "willisma/SiT#14",
    ),
    fault(
        "no-limiter", by_flux(_unlimited), ("pde-positivity",),
        "Central fluxes under a claim of positivity: they undershoot where a cell is wider than ε/|b|.", positive=True,
    ),
    fault("slope-on-the-wrong-side", by_flux(_minmod), ("pde-error",), "The reconstruction looks away from its face."),
    fault(
        "peclet-without-h", by_flux(_peclet_without_h), ("pde-steady-state", "pde-error"),
        "Pe = w/ε for w h/ε in the exponential fitting.", order=2.0, steady="exact", **_DIFFUSIVE,
    ),
    fault(
        "missing-face-average", by_rate(_cell_drift), ("pde-error",),
        "The drift of the cell below stands for that of the face: second order becomes first.",
    ),
    fault(
        "periodic-walls", by_rate(_around), ("pde-closed-walls",),
        "What leaves by one wall comes in by the other (a roll of the array); unseen while the density vanishes there.",
    ),
    fault(
        "open-walls", by_rate(_open), ("pde-closed-walls",),
        "Zero beyond the walls in the Laplacian: density diffuses out of the box.",
    ),
    fault(
        "gradient-form", by_rate(_gradient_form), ("pde-error", "pde-mass"),
        "b·∇ρ for ∇·(bρ): right only for a drift without divergence.",
    ),
    fault(
        "product-rule", by_rate(_products_apart), ("pde-mass",),
        "∇·(bρ) by the product rule: consistent, but no longer a difference of fluxes, so mass is not kept.",
    ),
    fault(
        "one-spacing", by_rate(_first_spacing), ("pde-closed-walls",),
        "The cell width of the first axis is used for all.", steady="exact", **_DIFFUSIVE,
    ),
)  # fmt: skip
