"""Seeded faults in the noise of an SDE solver: its scale, its independence, its times."""

from __future__ import annotations

import torch

from si_verify.faults.sde_step import EULER, HEUN, Step, fault, solver

WEAK, STRONG, BEHAVIOUR = "sde-weak-affine", "sde-strong", "sde-behaviour"
MOMENTS, DISTRIBUTION = "law-moments", "law-distribution"


def _last_noise_twice(step: Step) -> torch.Tensor:
    x = step.euler()
    return x + step.g(step.s, x) * step.dw if step.last else x


def _antithetic(step: Step) -> torch.Tensor:
    half = (step.x.shape[0] + 1) // 2
    dw = step.dw
    return step.euler(torch.cat([dw[:half], -dw[: step.x.shape[0] - half]]))


def _next_noise(step: Step) -> torch.Tensor:
    j = (step.i + 1) % (len(step.times) - 1)
    a, b = step.times[j], step.times[j + 1]
    return step.euler(step.brownian(a, b) * abs(step.h / (b - a)) ** 0.5)


def _doubled_in_heun(step: Step) -> torch.Tensor:
    noise = step.g(step.t, step.x) * step.dw
    f = step.f(step.t, step.x)
    star = step.x + step.h * f + noise
    return star + 0.5 * step.h * (step.f(step.s, star) - f) + 0.5 * (noise + step.g(step.s, star) * step.dw)


def _own_noise_by_dt(step: Step) -> torch.Tensor:
    return step.euler(torch.randn_like(step.x) * abs(step.h))


FAULTS = (
    fault(
        "noise-by-dt", solver(lambda s: s.euler(s.dw * abs(s.h) ** 0.5)), EULER, (WEAK, STRONG, MOMENTS, DISTRIBUTION),
        "The unit normal is multiplied by dt and not by its root: noise dies out as steps get finer.",
    ),
    fault(
        "noise-without-root-dt", solver(lambda s: s.euler(s.dw / abs(s.h) ** 0.5)), EULER,
        (WEAK, STRONG, MOMENTS, "sde-work-precision"),
        "The root of dt is left out: a unit normal is added at every step, so the noise grows as steps get finer.",
        "jason-ash/pyesg#73",
    ),
    fault(
        "noise-too-small", solver(lambda s: s.euler(0.97 * s.dw)), EULER, (WEAK, STRONG, BEHAVIOUR),
        "Three per cent too little noise, as a slightly wrong constant leaves it: invisible to a look at samples.",
    ),
    fault(
        "noise-zero", solver(lambda s: s.euler(torch.zeros_like(s.x))), EULER,
        (WEAK, STRONG, BEHAVIOUR, MOMENTS, DISTRIBUTION),
        "Brownian increments come out as zero, so the run is the deterministic one with the SDE's drift.",
        "google-research/torchsde#19",
    ),
    fault(
        "noise-same-each-step",
        solver(lambda s: s.euler(s.brownian(s.times[0], s.times[1]) * abs(s.h / (s.times[1] - s.times[0])) ** 0.5)),
        EULER, (WEAK, STRONG, BEHAVIOUR, MOMENTS, DISTRIBUTION),
        "One draw made before the loop is used at every step: the noise adds up in amplitude, not in variance.",
    ),
    fault(
        "noise-same-for-rows", solver(lambda s: s.euler(s.dw[:1].expand_as(s.x))), EULER, (WEAK, STRONG, BEHAVIOUR),
        "One normal vector is drawn and broadcast over the batch: every sample gets the same noise.",
    ),
    fault(
        "noise-same-for-coordinates", solver(lambda s: s.euler(s.dw[:, :1].expand_as(s.x))), EULER,
        (WEAK, STRONG, BEHAVIOUR, MOMENTS),
        "One normal a row is broadcast over the coordinates: variances are right, the covariance is not.",
    ),
    fault(
        "noise-of-next-step", solver(_next_noise), EULER, (STRONG,),
        "The increment of the wrong step: the law survives where ε is constant, the path does not.",
        "huggingface/diffusers#4251, #8269",
    ),
    fault(
        "noise-antithetic", solver(_antithetic), EULER, (BEHAVIOUR,),
        "The second half of the batch reuses the first half's noise with its sign changed, and counts as independent.",
        "cmdty/storage#52",
    ),
    fault(
        "noise-neighbour-row", solver(lambda s: s.euler(s.dw.roll(1, dims=0))), EULER, (BEHAVIOUR, STRONG),
        "A shuffled index gives each row its neighbour's noise: the law is right, common random numbers are not.",
    ),
    fault(
        "noise-not-on-last-step", solver(lambda s: s.euler(torch.zeros_like(s.x) if s.last else None)), EULER,
        (STRONG, BEHAVIOUR),
        "The mask that keeps samplers from adding noise at their last level is applied to a solver that should add it.",
        "willisma/SiT (last step)",
    ),
    fault(
        "noise-again-at-the-end", solver(_last_noise_twice), EULER, (STRONG, BEHAVIOUR),
        "Noise is added once more after the last step, because the last level is not masked.",
        "huggingface/diffusers#6477",
    ),
    fault(
        "noise-doubled-in-heun", solver(_doubled_in_heun), HEUN, (WEAK, STRONG, MOMENTS, DISTRIBUTION),
        "Predictor and corrector each add their noise, so that it enters twice.",
        "google-research/torchsde#4",
    ),
    fault(
        "own-noise-by-dt", solver(_own_noise_by_dt), EULER, (MOMENTS, DISTRIBUTION),
        "A solver that draws its own normals scales them by dt: only the law of its answers can show it.",
    ),
)  # fmt: skip
