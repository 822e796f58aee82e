"""Whole trajectories in eager torch, step by step, with counter-based noise: the plain twin of the fused kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.kernels.philox import normals
from si_verify.paths.schemes import SCHEMES
from si_verify.subjects.fields import torch_eager


@dataclass(frozen=True)
class Parts:
    """What a path is made of; the seeded faults get one of them wrong.

    draw    particles (N,), step, D, seed, stream, dtype -> normals (N, D)
    gain    (ε, h) -> the score's factor in the drift
    spread  (ε, h) -> the noise's standard deviation
    clock   (t, h, c) -> time of a stage
    again   whether the last state is made with normals of its own and not with those the stages saw
    """

    draw: Callable[..., Any] = normals
    gain: Callable[[float, float], float] = lambda epsilon, h: epsilon if h > 0 else -epsilon
    spread: Callable[[float, float], float] = lambda epsilon, h: (2.0 * epsilon * abs(h)) ** 0.5
    clock: Callable[[float, float, float], float] = lambda t, h, c: t + c * h
    again: bool = False


RIGHT = Parts()


def planner(parts: Parts = RIGHT) -> Callable[..., Callable[..., Tensor]]:
    """``plan`` of kind path (si_verify/subject.py) made of these parts."""

    def plan(
        interpolant: Interpolant, times: Sequence[float], method: str, epsilon: float, dtype: torch.dtype,
        device: torch.device,
    ) -> Callable[..., Tensor]:  # fmt: skip
        fields = torch_eager.build(interpolant, dtype, device)
        name = str(dtype).removeprefix("torch.")

        def run(x0: Tensor, seed: int, *, stream: int = 0, first_particle: int = 0, first_step: int = 0) -> Tensor:
            x, who = x0, first_particle + np.arange(len(x0), dtype=np.uint64)
            for i, (t, u) in enumerate(pairwise(times)):
                h, t = float(u) - float(t), float(t)

                def noise(which: int, step: int = first_step + i, h: float = h) -> Tensor:
                    if not epsilon:
                        return torch.zeros_like(x0)
                    z = parts.draw(who, step, x0.shape[1], seed, which, name)
                    return parts.spread(epsilon, h) * torch.as_tensor(z).to(x0)

                w = noise(stream)
                state, total = x, x + (noise(stream + 1) if parts.again else w)
                for c, b, a, n in SCHEMES[method]:
                    s = parts.clock(t, h, c)
                    f = fields["velocity"](s, state)
                    if epsilon:
                        f = f + parts.gain(epsilon, h) * fields["score"](s, state)
                    total, state = total + b * h * f, x + a * h * f + n * w
                x = total
            return x

        return run

    return plan
