"""What the reproductions of docs/findings/diffusers.md share: an ideal model, its exact flow, a training schedule.

Needs diffusers, torch, numpy and the package ``analytic`` of this repository. Data: N(0.4, 0.6²) in one dimension, so
that the ideal prediction is affine and the probability flow is known exactly (analytic.flow).
"""

from __future__ import annotations

import itertools
import logging
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from analytic.flow import reference_flow

warnings.filterwarnings("ignore")
logging.getLogger("diffusers").setLevel(logging.ERROR)
torch.set_num_threads(1)

MEAN, DEVIATION = 0.4, 0.6
_BASE, DATA = (GaussianMixture([1.0], [[m]], [[s * s]]) for m, s in ((0.0, 1.0), (MEAN, DEVIATION)))
IDEAL = Interpolant(Coupling.independent(_BASE, DATA), Schedule.variance_preserving())
_FLOW = reference_flow(IDEAL)


def noise_prediction(x: torch.Tensor, ratio: float) -> torch.Tensor:
    """E[z | x] for x = (x1 + ratio z)/√(1 + ratio²): −s times the score at time a = 1/√(1 + ratio²)."""
    scale = math.hypot(1.0, ratio)
    return -ratio / scale * IDEAL.score(1.0 / scale, x)


def data_prediction(x: torch.Tensor, ratio: float) -> torch.Tensor:
    """E[x1 | x] for the same x."""
    return IDEAL.target_denoiser(1.0 / math.hypot(1.0, ratio), x)


def flow(x: torch.Tensor, start: float, end: float) -> torch.Tensor:
    """Where the exact probability flow takes x from one ratio to another, both states variance preserving."""
    moved = _FLOW(x.numpy(), 1.0 / math.hypot(1.0, start), 1.0 / math.hypot(1.0, end))
    return torch.as_tensor(np.asarray(moved))


def points(ratio: float, rows: int = 16) -> torch.Tensor:
    """Exact quantiles of the law at a ratio, (rows, 1) float64."""
    u = torch.special.ndtri((torch.arange(rows, dtype=torch.float64) + 0.5) / rows)
    a = 1.0 / math.hypot(1.0, ratio)
    return (a * MEAN + math.hypot(a * DEVIATION, a * ratio) * u)[:, None]


def smooth(total: int = 2521, low: float = 0.02, high: float = 40.0, rho: float = 7.0) -> dict[str, Any]:
    """A training schedule on which equal strides are the levels of Karras et al. (arXiv:2206.00364, equation 5)."""
    a, b = low ** (1 / rho), high ** (1 / rho)
    bar = 1.0 / (1.0 + (a + np.linspace(0.0, 1.0, total) * (b - a)) ** (2 * rho))
    betas = 1.0 - bar / np.concatenate([[1.0], bar[:-1]])
    return {"trained_betas": betas.tolist(), "num_train_timesteps": total}


def ratios_of(scheduler: Any) -> np.ndarray:
    """√((1 − ᾱ)/ᾱ) at every training timestep, float64."""
    bar = scheduler.alphas_cumprod.numpy().astype(float)
    return np.sqrt((1.0 - bar) / bar)


Model = Callable[[torch.Tensor, Any, int], torch.Tensor]


def told_by_time(scheduler: Any) -> Model:
    """The ideal noise prediction at the level of the timestep that the scheduler hands to the model."""
    table = np.log(ratios_of(scheduler))

    def model(x: torch.Tensor, t: Any, step: int) -> torch.Tensor:
        return noise_prediction(x, math.exp(float(np.interp(float(t), np.arange(table.size), table))))

    return model


def told_by_level(scheduler: Any) -> Model:
    """The same at the level that the scheduler believes its state to be at."""
    return lambda x, t, step: noise_prediction(x, float(scheduler.sigmas[step]))


def run(scheduler: Any, model: Model, x: torch.Tensor, steps: int, generator: Any = None) -> torch.Tensor:
    """The loop of every pipeline."""
    scheduler.set_timesteps(steps)
    more = {} if generator is None else {"generator": generator}
    for i, t in enumerate(scheduler.timesteps):
        x = scheduler.step(model(x, t, i), t, x, **more, return_dict=False)[0]
    return x


def path_error(scheduler: Any, model: Model, steps: int) -> float:
    """Root mean square distance from the exact flow between the first and the last level, over the deviation."""
    scheduler.set_timesteps(steps)
    start, end = float(scheduler.sigmas[0]), float(scheduler.sigmas[-1])
    x = points(start)
    miss = run(scheduler, model, x, steps) - flow(x, start, end)
    return float(miss.square().mean().sqrt()) / DEVIATION


def table(title: str, counts: list[int], errors: list[float]) -> list[float]:
    """Print errors and local orders; the orders are returned."""
    pairs = itertools.pairwise(zip(counts, errors, strict=True))
    orders = [math.log(e / f) / math.log(m / n) if min(e, f) > 0 else math.nan for (n, e), (m, f) in pairs]
    print(title)
    for n, e, p in zip(counts, errors, [math.nan, *orders], strict=True):
        print(f"  {n:5d} steps  error {e:9.2e}" + ("" if math.isnan(p) else f"  order {p:5.2f}"))
    return orders


def law_of(run_rows: Callable[[torch.Tensor], torch.Tensor], module: Any, draws: int, start: float) -> float:
    """Variance of a stochastic run's answer started from the exact law at a ratio, with no sampling noise.

    On Gaussian data the run is an affine map of its start and of the normals it draws (``module.randn_tensor``): row 0
    is given zeros, row 1 another start, row k + 2 a one for its k-th draw.
    """
    counter = itertools.count()
    original = module.randn_tensor

    def scripted(shape: Any, **more: Any) -> torch.Tensor:
        noise, k = torch.zeros(tuple(shape), dtype=torch.float64), next(counter)
        if k < draws:
            noise[2 + k] = 1.0
        return noise

    x = torch.zeros(draws + 2, 1, dtype=torch.float64)
    x[1] = 1.0
    module.randn_tensor = scripted
    try:
        answer = run_rows(x)[:, 0].double()
    finally:
        module.randn_tensor = original
    a = 1.0 / math.hypot(1.0, start)
    gains = answer[1:] - answer[0]
    return float(gains[0] ** 2 * a * a * (DEVIATION**2 + start**2) + gains[1:].square().sum())


def variance(ratio: float) -> float:
    """The exact variance of the variance-preserving state at a ratio."""
    return (DEVIATION**2 + ratio**2) / (1.0 + ratio**2)


def variance_error(scheduler: Any, module: Any, steps: int) -> float:
    """|variance of the answer − exact| over the exact one, for a scheduler of the DPM-Solver family."""
    scheduler.set_timesteps(steps)
    start, end = float(scheduler.sigmas[0]), float(scheduler.sigmas[-1])
    found = law_of(lambda x: run(scheduler, told_by_level(scheduler), x, steps), module, steps, start)
    return abs(found / variance(end) - 1.0)
