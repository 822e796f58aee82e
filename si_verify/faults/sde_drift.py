"""Seeded faults in the drift of an SDE sampler: the sign and size of ε s, the direction, the stage's time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from si_verify.faults.sde_step import FIELDS, FIELDS_HEUN, HEUN, Step, fault, solver

WEAK, STRONG, BEHAVIOUR = "sde-weak-affine", "sde-strong", "sde-behaviour"
MOMENTS, DISTRIBUTION = "law-moments", "law-distribution"

# (t, h, ε(t), ε(start)) -> factor of the score, factor of ΔW
Amounts = Callable[[float, float, float, float], tuple[float, float]]


def _sign(h: float) -> float:
    return 1.0 if h > 0 else -1.0


def _euler(amounts: Amounts) -> Callable[..., torch.Tensor]:
    def solve(velocity: Any, score: Any, epsilon: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> Any:
        grid, x = times.tolist(), x0
        for t, s in pairwise(grid):
            pull, spread = amounts(t, s - t, epsilon(t), epsilon(grid[0]))
            x = x + (s - t) * (velocity(t, x) + pull * score(t, x)) + spread * brownian(t, s)
        return x

    return solve


def _heun(stage: str, score_factor: float = 1.0) -> Callable[..., torch.Tensor]:
    """Heun for b ± ε s with one stage at a wrong place: "right", "first-late", "second-stale" or "quiet"."""

    def solve(velocity: Any, score: Any, epsilon: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> Any:
        grid, x = times.tolist(), x0
        for t, s in pairwise(grid):
            h = s - t

            def drift(u: float, y: torch.Tensor, h: float = h) -> torch.Tensor:
                return velocity(u, y) + _sign(h) * score_factor * epsilon(u) * score(u, y)

            noise = 0.5 * ((2 * epsilon(t)) ** 0.5 + (2 * epsilon(s)) ** 0.5) * brownian(t, s)
            first = drift(s if stage == "first-late" else t, x)
            star = x + h * first + (0.0 if stage == "quiet" else noise)
            second = drift(s, x if stage == "second-stale" else star)
            x = x + 0.5 * h * (first + second) + noise
        return x

    return solve


def _absolute_step(step: Step) -> torch.Tensor:
    return step.x + step.f(step.t, step.x) * abs(step.h) + step.g(step.t, step.x) * step.dw


FAULTS = (
    fault(
        "root-eps", _euler(lambda t, h, e, e0: (_sign(h) * e, e**0.5)), FIELDS,
        (WEAK, STRONG, BEHAVIOUR, MOMENTS),
        "√ε for √(2ε): half the variance that the drift b + ε s was made for.",
        "sihyun-yu/REPA#52; willisma/SiT#14",
    ),
    fault(
        "score-wrong-sign", _euler(lambda t, h, e, e0: (-_sign(h) * e, (2 * e) ** 0.5)), FIELDS,
        (WEAK, STRONG, MOMENTS, DISTRIBUTION),
        "ε s with the wrong sign: noise spreads the law and the drift helps it.",
        "atong01/conditional-flow-matching#85",
    ),
    fault(
        "score-dropped", _euler(lambda t, h, e, e0: (0.0, (2 * e) ** 0.5)), FIELDS, (WEAK, STRONG, MOMENTS),
        "Noise added to the probability flow without the drift that keeps its law.", "tue-bmd/zea#551",
    ),
    fault(
        "backward-drift-of-forward", _euler(lambda t, h, e, e0: (e, (2 * e) ** 0.5)), FIELDS, (WEAK, DISTRIBUTION),
        "b + ε s where b − ε s belongs: the backward run takes the forward drift and a negative step.",
        "hustvl/LightningDiT#89",
    ),
    fault(
        "score-halved", _euler(lambda t, h, e, e0: (_sign(h) * e / 2, (2 * e) ** 0.5)), FIELDS, (WEAK, STRONG, MOMENTS),
        "½ g² s for g² s: the flow's factor in the SDE.", "crowsonkb/k-diffusion#59",
    ),
    fault(
        "eps-frozen", _euler(lambda t, h, e, e0: (_sign(h) * e, (2 * e0) ** 0.5)), FIELDS, (WEAK, STRONG),
        "The noise level of the first step is used throughout, while the drift follows ε(t).",
        "huggingface/diffusers#4251",
    ),
    fault(
        "score-off-by-a-thousandth", _heun("right", 1.001), FIELDS_HEUN, (WEAK,),
        "A score off by one part in a thousand: far below what samples show.",
    ),
    fault(
        "heun-first-stage-late", _heun("first-late"), FIELDS_HEUN, (WEAK,),
        "Heun's first stage is evaluated at t + dt: its order falls to one.",
        "malbergo/stochastic-interpolants (SDE Heun step)",
    ),
    fault(
        "heun-second-stage-stale", _heun("second-stale"), FIELDS_HEUN, (WEAK,),
        "The second stage takes the time t + dt with the state at t.",
    ),
    fault(
        "heun-quiet-predictor", _heun("quiet"), FIELDS_HEUN, (WEAK,),
        "The predictor leaves out the noise, so that the corrector sees the wrong point.",
    ),
    fault(
        "time-reversed-with-positive-step", solver(_absolute_step), HEUN, (WEAK, BEHAVIOUR),
        "Time runs down and the step is taken as positive.", "MATH.md section 9; hustvl/LightningDiT#89",
    ),
)  # fmt: skip
