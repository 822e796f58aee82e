"""Seeded faults that only state-dependent noise shows: interpretations, Milstein terms, structure of the noise."""

from __future__ import annotations

import torch

from si_verify.faults.sde_step import Step, fault, solver
from si_verify.subject import Claims

TRANSFER, PATHS, LAW = "sde-weak-transfer", "sde-strong-paths", "law-state-noise"
_DIAGONAL = frozenset({"additive", "diagonal"})
ITO = Claims(weak_order=1.0, strong_order=1.0, noise=_DIAGONAL)
STRATONOVICH = Claims(weak_order=1.0, strong_order=1.0, noise=_DIAGONAL, interpretation="stratonovich")


def _heun(step: Step) -> torch.Tensor:
    dw, f, g = step.dw, step.f(step.t, step.x), step.g(step.t, step.x)
    star = step.x + step.h * f + g * dw
    return step.x + 0.5 * step.h * (f + step.f(step.s, star)) + 0.5 * (g + step.g(step.s, star)) * dw


def _milstein(step: Step, sign: float, half: float, ito: float, drift: float) -> torch.Tensor:
    """Derivative-free: g g' by a difference along g √h, to which ``drift`` f h is added."""
    root = abs(step.h) ** 0.5
    f, g, dw = step.f(step.t, step.x), step.g(step.t, step.x), step.dw
    slope = (step.g(step.t, step.x + g * root + drift * f * step.h) - g) / root
    return step.x + f * step.h + g * dw + sign * half * slope * (dw**2 - ito * abs(step.h))


def _noise_at_the_end(step: Step) -> torch.Tensor:
    """Predicts with Euler and takes the noise coefficient from there: neither Itô nor Stratonovich."""
    star = step.euler()
    return step.x + step.f(step.t, step.x) * step.h + step.g(step.s, star) * step.dw


FAULTS = (
    fault(
        "ito-scheme-for-stratonovich", solver(lambda s: s.euler()), STRATONOVICH, (TRANSFER,),
        "Euler–Maruyama is handed a Stratonovich drift: ½ g g' is missing, which additive noise cannot show.",
        "SciML/NeuralPDE.jl#1148",
    ),
    fault(
        "stratonovich-scheme-for-ito", solver(_heun), ITO, (TRANSFER,),
        "Heun averages the noise coefficient over the step and so reads an Itô drift as Stratonovich.",
    ),
    fault(
        "noise-coefficient-at-the-end", solver(_noise_at_the_end), ITO, (TRANSFER, PATHS, LAW),
        "The noise coefficient is taken at the end of the step, where it is correlated with the increment.",
    ),
    fault(
        "milstein-without-dt", solver(lambda s: _milstein(s, 1.0, 0.5, 0.0, 0.0)), ITO, (TRANSFER, PATHS, LAW),
        "Milstein's ΔW² without − dt: the Stratonovich correction in an Itô scheme.",
    ),
    fault(
        "milstein-perturbation-with-drift", solver(lambda s: _milstein(s, 1.0, 0.5, 0.0, 1.0)), STRATONOVICH,
        (TRANSFER, PATHS),
        "The state at which the derivative-free slope of g is taken includes the drift: with ΔW² uncompensated its "
        "mean error is of order ½.",
        "SciML/StochasticDiffEq.jl#650",
    ),
)  # fmt: skip
