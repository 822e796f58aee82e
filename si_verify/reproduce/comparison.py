"""The flow against one SDE on fresh draws: which of the two has the smaller KL, decided by paired differences."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from si_verify.learning.batches import BatchSource
from si_verify.learning.fields import velocity_of
from si_verify.reproduce.generation import END, Field, flow_ratios, sde_ratios, times

# Draws that are carried along at once: with 32 chains each, a few thousand rows fill a core's caches and no more.
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Comparison:
    """log ρ − log ρ̂ of the flow and of the SDE at ``epsilon``, both (N,) at the same draws of ρ."""

    epsilon: float
    flow: np.ndarray
    sde: np.ndarray
    seconds: float

    @property
    def gain(self) -> tuple[float, float]:
        """KL of the flow less that of the SDE, and the standard error of this paired difference."""
        gap = self.flow - self.sde
        return float(gap.mean()), float(gap.std(ddof=1)) / math.sqrt(len(gap))


def compare(
    source: BatchSource, fields: dict[str, Field], epsilon: float, settings: Any, device: str, seed: int
) -> Comparison:
    """``settings.fresh`` draws that took no part in the choice of ε: its choice cannot flatter the SDE.

    ``settings.fresh_paths`` backward chains a draw. log of a mean of weights lies below log ρ̂ by Jensen's gap, which
    falls as chains are added: the KL of the SDE is an upper bound in expectation, that of the flow is unbiased.
    """
    started = time.perf_counter()
    b, s, _ = velocity_of(fields, source.interpolant)
    grid = times(settings.steps)
    generator = torch.Generator(device).manual_seed(seed + 1)
    flow, sde = [], []
    for first in range(0, settings.fresh, _AT_ONCE):
        x = source.points(END, min(_AT_ONCE, settings.fresh - first), generator)
        flow.append(flow_ratios(source.interpolant, b, x, grid, generator))
        sde.append(sde_ratios(source.interpolant, b, s, epsilon, x, grid, settings.fresh_paths, generator))
    return Comparison(epsilon, np.concatenate(flow), np.concatenate(sde), time.perf_counter() - started)
