"""A particle's whole trajectory in one call: field, counter-based noise and every step, the block never leaving L1.

    dX = (b ± ε s) dt + √(2ε) dW          euler: x + h f + σ z,   heun: its trapezoidal corrector with the same noise
    dX = b dt                             rk4: the classical four stages

The drift at a stage's time is one affine-per-component field (numba_fields.py), prepared beforehand for every stage.
The noise of particle i at step j is philox.normals([first_particle + i], first_step + j, D, seed, stream, dtype).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from si_verify.kernels.numba_fields import DIAGONAL, FULL, ISOTROPIC, mix
from si_verify.kernels.numba_lanes import fma, load, scratch, spread, store, width_of
from si_verify.kernels.numba_logits import diagonal, full, isotropic
from si_verify.kernels.numba_noise import draw, draw_two
from si_verify.kernels.numba_sums import accumulate, exponentials
from si_verify.kernels.numba_transpose import deliver, fetch

# A row a stage: law within the step, weight of its drift, and of drift and noise in the state that the next stage sees.
STAGES = {
    "euler": ((0.0, 1.0, 0.0, 0.0),),
    "heun": ((0.0, 0.5, 1.0, 1.0), (1.0, 0.5, 0.0, 0.0)),
    "rk4": ((0.0, 1 / 6, 0.5, 0.0), (1.0, 1 / 3, 0.5, 0.0), (1.0, 1 / 3, 1.0, 0.0), (2.0, 1 / 6, 0.0, 0.0)),
}
LAWS = {"euler": 1, "heun": 1, "rk4": 2}  # new ones a step

_inline = njit(error_model="numpy", boundscheck=False, forceinline=True)


@_inline
def weigh(
    xs: Any, stage: int, kind: int, count: int, padded: int, dim: int, bias: Any, scale: Any, place: Any, table: Any,
    columns: int, logits: Any, sums: Any,
) -> Any:  # fmt: skip
    """sums: Σ_k e_k times the numbers of the stage's law at the block xs; returns what they are to be divided by."""
    first = stage * padded
    if kind == ISOTROPIC:
        isotropic(xs, first, count, dim, bias, scale, place, logits)
    elif kind == DIAGONAL:
        diagonal(xs, first, count, dim, bias, scale, place, logits)
    else:
        full(xs, first, count, dim, bias, scale, place, logits)
    low = spread(xs.dtype.type(-np.inf))
    _, _, total0, total1 = exponentials(logits, count, low, low)
    accumulate(logits, count, table, first, columns, sums, False)
    return total0, total1


@_inline
def fluctuate(
    noise: Any, later: Any, dim: int, sigma: Any, sigma_later: Any, particle: int, step: int, stream: int, seed: int
) -> None:
    """noise: σ times the normals of a block of particles at a step; later: those of the next step with its σ."""
    w = width_of(noise)
    width = 2 if noise.itemsize == 8 else 4
    for block in range(dim // width):
        draw(noise, later, 2 * block * width * w, sigma, sigma_later, particle, step, block, stream, seed)
    block, left = dim // width, dim % width
    if 0 < left <= 2:
        draw_two(noise, later, 2 * block * width * w, sigma, sigma_later, particle, step, block, stream, seed)
    elif left > 2:
        draw(noise, later, 2 * block * width * w, sigma, sigma_later, particle, step, block, stream, seed)


@njit(error_model="numpy", boundscheck=False, cache=True, nogil=True)
def walk(
    start: Any, end: Any, low: int, high: int, method: Any, laws: int, steps: Any, kind: int, count: int, padded: int,
    bias: Any, scale: Any, place: Any, table: Any, columns: int, seed: int, stream: int, first_particle: int,
    first_step: int, known: Any,
) -> None:  # fmt: skip
    """start (N, D) -> end (N, D) for particles low … high − 1; C-contiguous, one dtype, GIL released.

    steps (S, 2): h and σ, no noise where σ = 0. method: STAGES as an array of the dtype; ``laws`` are new in a step.
    A law has ``padded`` components, ``count`` of which are there. known: a tuple as long as a particle has coordinates,
    for loops over them that are unrolled, or of no length.
    """
    dim = len(known) if len(known) > 0 else start.shape[1]
    w = width_of(start)
    size = 2 * dim * w
    xs, total = scratch(size, start), scratch(size, start)
    to = scratch(size, start)
    # A full covariance needs every coordinate of a stage until the last of the next one is made.
    then = scratch(size, start) if kind == FULL else to
    noise, later = scratch(size + 8 * w, start), scratch(size + 8 * w, start)
    logits, sums = scratch(2 * padded * w, start), scratch(2 * columns * w, start)
    one = spread(start.dtype.type(1))
    for first in range(low, high, 2 * w):
        fetch(start, first, xs)
        for i in range(len(steps)):
            h, sigma = steps[i, 0], steps[i, 1]
            if i % 2 == 1:
                noise, later = later, noise
            elif sigma != 0 or steps[min(i + 1, len(steps) - 1), 1] != 0:
                sigma_later = steps[min(i + 1, len(steps) - 1), 1]
                fluctuate(
                    noise, later, dim, sigma, sigma_later, first_particle + first, first_step + i, stream, seed
                )  # fmt: skip
            for j in range(len(method)):
                law = i * laws + int(method[j, 0])
                at = xs if j == 0 else to
                total0, total1 = weigh(
                    at, law, kind, count, padded, dim, bias, scale, place, table, columns, logits, sums
                )  # fmt: skip
                inverse0, inverse1 = one / total0, one / total1
                share, ahead, moved = spread(h * method[j, 1]), spread(h * method[j, 2]), spread(method[j, 3])
                for d in range(dim):
                    up, down = 2 * d * w, (2 * d + 1) * w
                    f0, f1 = mix(at, sums, 0, 1, d, kind, dim)
                    f0, f1 = f0 * inverse0, f1 * inverse1
                    if j == 0:
                        y0, y1 = load(xs, up), load(xs, down)
                        if sigma != 0:
                            y0, y1 = y0 + load(noise, up), y1 + load(noise, down)
                    else:
                        y0, y1 = load(total, up), load(total, down)
                    store(total, up, fma(share, f0, y0))
                    store(total, down, fma(share, f1, y1))
                    if j + 1 < len(method):
                        y0, y1 = fma(ahead, f0, load(xs, up)), fma(ahead, f1, load(xs, down))
                        if sigma != 0:
                            y0, y1 = fma(moved, load(noise, up), y0), fma(moved, load(noise, down), y1)
                        store(then, up, y0)
                        store(then, down, y1)
                to, then = then, to
            xs, total = total, xs
        deliver(xs, end, first)
