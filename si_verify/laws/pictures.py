"""Pictures of a sampler at work on a 1-D or 2-D problem: paths, and marginals beside their closed form."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch

from si_verify.check import Context
from si_verify.laws.terminal_sample import stepper
from si_verify.measurement import Data
from si_verify.sde.brownian import BrownianPath
from si_verify.sde.equation import Equation, grid

_PARTS = 24
_PARTS_ADAPTIVE = 8  # a restart costs an adaptive solver its step size
_SHOWN = 4  # marginals at t = 0, ¼ ... of the span, so a divisor of both
_PATHS = 40
_ROWS = (400, 2000, 4000)
_POINTS_1D = 96
_POINTS_2D = 40
_SAMPLES_2D = 400


def pictures(ctx: Context, eq: Equation) -> list[Data]:
    """Paths and marginals of one run in _PARTS pieces; nothing for more than two dimensions."""
    if eq.dim > 2:
        return []
    parts = _PARTS_ADAPTIVE if ctx.subject.claims.adaptive else _PARTS
    edges = grid(eq.span, parts, ctx.dtype, ctx.device)
    states = _states(ctx, eq, edges)
    times = [float(t) for t in edges]
    shown = list(range(0, parts + 1, parts // _SHOWN))
    paths: dict[str, list[Any]] = {
        "path": np.repeat(np.arange(_PATHS), parts + 1).tolist(),
        "t": times * _PATHS,
    }
    cut = states[:, :_PATHS].swapaxes(0, 1)
    names = ("x", "y")[: eq.dim]
    for i, name in enumerate(names):
        paths[name] = cut[..., i].reshape(-1).tolist()
    if eq.dim == 1:
        return [
            Data("trajectories-1d", f"Paths, {eq.label}", paths),
            _density_1d(ctx, eq, states[shown, :, 0], [times[k] for k in shown]),
        ]
    return [Data("trajectories-2d", f"Paths, {eq.label}", paths), *_plane(ctx, eq, states, times, shown)]


def _states(ctx: Context, eq: Equation, edges: torch.Tensor) -> np.ndarray:
    """States at the edges of the pieces, (P + 1, N, D), two steps a piece."""
    rows = _ROWS[ctx.effort]
    rng = np.random.default_rng([ctx.seed, 99])
    x = torch.tensor(np.asarray(eq.law(eq.span[0]).sample(rows, rng)), dtype=ctx.dtype, device=ctx.device)
    fine = grid(eq.span, 2 * (len(edges) - 1), ctx.dtype, ctx.device)
    path: Any = None
    if ctx.subject.kind == "sde":
        path = BrownianPath.sample(fine.tolist(), rows, eq.channels, ctx.seed & 0xFFFFFFFF, ctx.dtype, ctx.device)
    run = stepper(ctx, eq)
    out = [x]
    for k, _ in enumerate(pairwise(edges)):
        x = run(x, fine[2 * k : 2 * k + 3], path, 0)
        out.append(x)
    return torch.stack(out).detach().to(torch.float64).cpu().numpy()


def _density_1d(ctx: Context, eq: Equation, states: np.ndarray, times: list[float]) -> Data:
    low, high = ctx.problem.window[0]
    bins = np.linspace(low, high, _POINTS_1D + 1)
    centres = 0.5 * (bins[1:] + bins[:-1])
    columns: dict[str, list[Any]] = {"t": [], "x": [], "exact": [], "sampled": []}
    for t, x in zip(times, states, strict=True):
        counts = np.histogram(x[np.isfinite(x)], bins)[0] / (x.size * np.diff(bins))
        columns["t"] += [t] * _POINTS_1D
        columns["x"] += centres.tolist()
        columns["exact"] += np.exp(np.asarray(eq.law(t).log_density(centres[:, None]))).tolist()
        columns["sampled"] += counts.tolist()
    return Data("density-1d", f"Marginals, {eq.label}", columns, {"quantity": "density"})


def _plane(ctx: Context, eq: Equation, states: np.ndarray, times: list[float], shown: list[int]) -> list[Data]:
    axes = [np.linspace(*limits, _POINTS_2D) for limits in ctx.problem.window]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    density: dict[str, list[Any]] = {"t": [], "x": [], "y": [], "exact": []}
    samples: dict[str, list[Any]] = {"t": [], "x": [], "y": []}
    for k in shown:
        density["t"] += [times[k]] * len(points)
        density["x"] += points[:, 0].tolist()
        density["y"] += points[:, 1].tolist()
        density["exact"] += np.exp(np.asarray(eq.law(times[k]).log_density(points))).tolist()
        dots = states[k, :_SAMPLES_2D]
        samples["t"] += [times[k]] * len(dots)
        samples["x"] += dots[:, 0].tolist()
        samples["y"] += dots[:, 1].tolist()
    return [
        Data("density-2d", f"Marginals, {eq.label}", density, {"quantity": "density"}),
        Data("samples-2d", f"Samples, {eq.label}", samples),
    ]
