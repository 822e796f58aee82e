"""Affine probing: the exact law of a numerical solution, with no sampling noise at all.

Where drift is affine in x and noise additive, every scheme whose stages are linear in its evaluations maps
(x0, increments) to x affinely (MATH.md section 4). Its matrices are read off by running it once on basis vectors, one
per row. With normals (n0, n1) for each cell of the times that the scheme asks for,

    ΔW = √h n0,    ∫(W_u − W_a)|du| = h/2 ΔW − h^{3/2}/(2√3) n1,
    x = mean + state (x0 − centre) + Σ_cells gain0 n0 + gain1 n1

so that mean, covariance and the mean square distance to the exact solution follow by sums of squares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from analytic.affine import AffineSDE
from analytic.gaussian import Gaussian
from analytic.strong import StrongSolution
from si_verify.check import Inapplicable
from si_verify.sde.brownian import Brownian, BrownianPath, Recorder, distinct

Run = Callable[[torch.Tensor, Brownian], torch.Tensor]


@dataclass(frozen=True, eq=False)
class AffineMap:
    """What one scheme on one grid does, as matrices in float64.

    knots (C + 1,) in the order of the run; mean (D,) at x0 = centre; state (D, D); gain0, gain1 (C, D, M).
    residual: how far a random row misses the map, as a multiple of ``floor``, the rounding of one answer: eps times
    the largest entry met times the number of steps. calls: the intervals that were asked for, in order.
    """

    knots: np.ndarray
    centre: np.ndarray
    mean: np.ndarray
    state: np.ndarray
    gain0: np.ndarray
    gain1: np.ndarray
    residual: float
    floor: float
    calls: tuple[tuple[float, float], ...]

    def law(self, initial: Gaussian) -> tuple[np.ndarray, np.ndarray]:
        """Exact mean (D,) and covariance (D, D) of the numerical solution from an initial Gaussian."""
        mean = self.mean + self.state @ (initial.mean - self.centre)
        cov = self.state @ initial.cov @ self.state.T
        for gain in (self.gain0, self.gain1):
            cov = cov + np.einsum("cdm,cem->de", gain, gain)
        return mean, cov

    def mean_square_error(self, exact: StrongSolution, initial: Gaussian) -> float:
        """E|X − exact X|² at the last time under the same path and start; ``exact`` is on the same knots."""
        phi = np.eye(self.mean.size)
        shift = np.zeros(self.mean.size)
        total = 0.0
        for i in range(len(self.gain0) - 1, -1, -1):
            total += float(np.sum((self.gain0[i] - phi @ exact.gain0[i]) ** 2))
            total += float(np.sum((self.gain1[i] - phi @ exact.gain1[i]) ** 2))
            total += float(np.sum((phi @ exact.rest01[i]) ** 2))
            shift = shift + phi @ exact.laws.shift[i]
            phi = phi @ exact.laws.transition[i]
        bias = self.mean + self.state @ (initial.mean - self.centre) - (phi @ initial.mean + shift)
        miss = self.state - phi
        return total + float(bias @ bias) + float(np.trace(miss @ initial.cov @ miss.T))


def probe(
    run: Run,
    initial: Gaussian,
    times: torch.Tensor,
    channels: int,
    seed: int,
    generator: torch.Generator,
    repeat: bool = True,
) -> AffineMap:
    """Read off the map of ``run(x0, brownian) -> x``. Raises Inapplicable where there is no such map to read.

    times: the grid the scheme is given, whose dtype and device the state has. ``repeat``: first see that two runs on
    the same increments agree (once for a ladder is enough).
    """
    dtype, device, dim = times.dtype, times.device, initial.dim
    span = sorted((float(times[0]), float(times[-1])))
    recorder = _dry_run(run, initial, times, channels, seed, repeat)
    knots = distinct([*(t for t in recorder.times if span[0] <= t <= span[1]), *span], dtype)
    areas = bool(recorder.areas)
    cells = len(knots) - 1
    noises = cells * channels * (2 if areas else 1)
    scale = math.sqrt(max(float(np.trace(initial.cov)) / dim, 1e-300))
    extra = 2
    rows = 1 + dim + noises + extra
    start = np.tile(initial.mean, (rows, 1))
    start[1 : dim + 1] += scale * np.eye(dim)
    normals = np.zeros((rows, 2, cells, channels))
    basis = normals[1 + dim : 1 + dim + noises].reshape(noises, -1)
    basis[:, :noises] = np.eye(noises)
    random = torch.randn(extra, dim + noises, generator=generator, dtype=torch.float64).numpy()
    start[-extra:] += scale * random[:, :dim]
    normals[-extra:].reshape(extra, -1)[:, :noises] = random[:, dim:]
    x0 = torch.tensor(start, dtype=dtype, device=device)
    path = path_of_normals(knots, normals, areas, dtype, device)
    again = Recorder(path)
    answer = run(x0, again).detach().to(torch.float64).cpu().numpy()
    if path.bridged or again.increments != recorder.increments:
        raise Inapplicable("its steps depend on the state: no affine map of x0 and the increments to probe")
    mean = answer[0]
    state = (answer[1 : dim + 1] - mean).T / scale
    gains = (answer[1 + dim : 1 + dim + noises] - mean).reshape(-1, cells, channels, dim).transpose(0, 1, 3, 2)
    zero = np.zeros_like(gains[0])
    forward = bool(times[-1] > times[0])
    order = slice(None) if forward else slice(None, None, -1)
    # Along a falling run ΔW changes its sign; the area's own normal does not.
    gain0 = (1.0 if forward else -1.0) * gains[0][order]
    gain1 = (gains[1] if areas else zero)[order]
    expected = mean + random[:, :dim] * scale @ state.T + random[:, dim:] @ (answer[1 + dim : -extra] - mean)
    floor = float(torch.finfo(dtype).eps) * float(np.abs(answer).max()) * max(len(times), 1)
    residual = float(np.abs(answer[-extra:] - expected).max()) / floor if floor > 0 else math.inf
    if not np.isfinite(answer).all():
        residual = math.nan
    return AffineMap(
        np.array(knots)[order], initial.mean, mean, state, gain0, gain1, residual, floor, tuple(recorder.increments)
    )


def strong_reference(sde: AffineSDE, found: AffineMap) -> StrongSolution:
    """The exact solution on the knots that a probed scheme uses."""
    return StrongSolution.on(sde, found.knots)


def _dry_run(run: Run, initial: Gaussian, times: torch.Tensor, channels: int, seed: int, repeat: bool) -> Recorder:
    """One small run that shows which times are asked for; a repetition shows that the noise is ours."""
    rows = 3
    generator = np.random.default_rng(seed)
    x0 = torch.tensor(initial.sample(rows, generator), dtype=times.dtype, device=times.device)
    path = BrownianPath.sample([float(t) for t in times], rows, channels, seed, dtype=times.dtype, device=times.device)
    recorder = Recorder(path)
    first = run(x0, recorder)
    if repeat and not torch.equal(first.nan_to_num(), run(x0, path).nan_to_num()):
        raise Inapplicable(
            "two runs on the same increments differ: it draws its own noise or keeps state, so that nothing can be "
            "probed; only the sampled checks of the law apply, and they see much less"
        )
    return recorder


def path_of_normals(
    knots: list[float], normals: np.ndarray, areas: bool, dtype: torch.dtype, device: torch.device
) -> BrownianPath:
    """The path of given normals (N, 2, C, M) for each cell, as values at the knots."""
    h = np.diff(knots)[None, :, None]
    dw = np.sqrt(h) * normals[:, 0]
    w = np.concatenate([np.zeros_like(dw[:, :1]), np.cumsum(dw, axis=1)], axis=1)
    s = None
    if areas:
        pieces = h * w[:, :-1] + h / 2 * dw - h**1.5 / (2 * math.sqrt(3)) * normals[:, 1]
        s = np.concatenate([np.zeros_like(dw[:, :1]), np.cumsum(pieces, axis=1)], axis=1)
    move = [None if a is None else torch.tensor(a.swapaxes(0, 1), device=device) for a in (w, s)]
    assert move[0] is not None
    return BrownianPath(knots, move[0], move[1], dtype=dtype)
