"""Affine probing of a sampler: the exact law of its answer where the law of the data is Gaussian, with no sampling.

The ideal prediction of Gaussian data is affine in x, so a sampler whose steps are linear in its evaluations maps
(x, its normal draws) to its answer affinely. Each row of one run is given another basis vector (module
scripted_noise); mean and covariance of the answer follow by sums of squares, for any law of x. MATH.md section 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from analytic.mixture import GaussianMixture
from si_verify.check import Inapplicable
from si_verify.sampling.scripted_noise import ScriptedNoise

Run = Callable[[torch.Tensor], torch.Tensor]
# Random rows by which the map is tested for being one.
_TESTS = 2
_MOST_ROWS = 6000


@dataclass(frozen=True, eq=False)
class SamplerMap:
    """answer = mean + state (x − centre) + Σ gain_k n_k, n_k the standard normals that a row was given.

    mean (D,), state (D, D), gain (draws, D, entries). residual: how far a random row misses it, in units of ``floor``,
    the rounding of one answer (eps times largest entry times √draws).
    """

    centre: np.ndarray
    mean: np.ndarray
    state: np.ndarray
    gain: np.ndarray
    residual: float
    floor: float

    def law(self, mean: np.ndarray, cov: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Exact mean (D,) and covariance (D, D) of the answer from N(mean, cov)."""
        noise = np.einsum("kdm,kem->de", self.gain, self.gain)
        return self.mean + self.state @ (mean - self.centre), self.state @ cov @ self.state.T + noise


def draws_of(run: Run, x: torch.Tensor) -> list[tuple[int, ...]]:
    """The shapes of the normals that a run on x draws, in order."""
    mode = ScriptedNoise(lambda k, shape: torch.zeros(shape, dtype=torch.float64))
    with mode:
        run(x)
    return mode.shapes


def probe_sampler(
    run: Callable[[int], Run], law: GaussianMixture, dtype: torch.dtype, eps: float, generator: torch.Generator
) -> SamplerMap:
    """Read off the map of ``run(rows)(x)``. Raises Inapplicable where there is no such map to read.

    law: a Gaussian about which x is probed; eps: the precision of the sampler's arithmetic.
    """
    centre, cov = np.asarray(law.mean(), dtype=float), np.asarray(law.covariance(), dtype=float)
    dim = centre.size
    scale = math.sqrt(float(np.trace(cov)) / dim)
    shapes = draws_of(run(2), torch.tensor(np.tile(centre, (2, 1)), dtype=dtype))
    if any(len(s) < 1 or s[0] != 2 for s in shapes):
        raise Inapplicable(f"draws noise of shape {next(s for s in shapes if not s or s[0] != 2)}, not one row per row")
    if not shapes:
        raise Inapplicable(
            "draws no noise by torch: what it draws otherwise cannot be scripted, so only samples judge it"
        )
    sizes = [int(np.prod(s[1:])) for s in shapes]
    if len(set(sizes)) > 1:
        raise Inapplicable("its draws differ in shape")
    entries, count = sizes[0], len(shapes)
    rows = 1 + dim + count * entries + _TESTS
    if rows > _MOST_ROWS:
        raise Inapplicable(f"{count} draws of {entries} normals are too many to probe one by one")
    x = np.tile(centre, (rows, 1))
    x[1 : dim + 1] += scale * np.eye(dim)
    normals = np.zeros((rows, count, entries))
    normals[1 + dim : rows - _TESTS] = np.eye(count * entries).reshape(-1, count, entries)
    random = torch.randn(_TESTS, dim + count * entries, generator=generator, dtype=torch.float64).numpy()
    x[-_TESTS:] += scale * random[:, :dim]
    normals[-_TESTS:] = random[:, dim:].reshape(_TESTS, count, entries)
    given = torch.tensor(normals)
    with ScriptedNoise(lambda k, shape: given[:, k] if k < count else torch.zeros(shape, dtype=torch.float64)) as mode:
        answer = run(rows)(torch.tensor(x, dtype=dtype)).to(torch.float64).numpy()
    if [s[1:] for s in mode.shapes] != [s[1:] for s in shapes]:
        raise Inapplicable("what it draws depends on the state or differs between runs: no map to probe")
    mean = answer[0]
    state = (answer[1 : dim + 1] - mean).T / scale
    gain = (answer[1 + dim : rows - _TESTS] - mean).reshape(count, entries, dim).swapaxes(1, 2)
    expected = mean + scale * random[:, :dim] @ state.T + random[:, dim:] @ (answer[1 + dim : -_TESTS] - mean)
    floor = eps * float(np.abs(answer).max()) * math.sqrt(max(count, 1))
    residual = float(np.abs(answer[-_TESTS:] - expected).max()) / floor if np.isfinite(answer).all() else math.nan
    return SamplerMap(centre, mean, state, gain, residual, floor)
