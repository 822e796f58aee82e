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

from si_verify.kernels.numba_fields import DIAGONAL, ISOTROPIC, mix
from si_verify.kernels.numba_lanes import fma, load, spread, store, width_of
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
def drift(
    xs: Any, stage: int, kind: int, count: int, padded: int, dim: int, bias: Any, scale: Any, place: Any, table: Any,
    columns: int, logits: Any, sums: Any, out: Any,
) -> None:  # fmt: skip
    """out: Σ r_k (a_k + B_k x) of the stage's law at the block xs."""
    w = width_of(xs)
    first = stage * padded
    if kind == ISOTROPIC:
        isotropic(xs, first, count, dim, bias, scale, place, logits)
    elif kind == DIAGONAL:
        diagonal(xs, first, count, dim, bias, scale, place, logits)
    else:
        full(xs, first, count, dim, bias, scale, place, logits)
    zero, low = spread(xs.dtype.type(0)), spread(xs.dtype.type(-np.inf))
    for c in range(2 * columns):
        store(sums, c * w, zero)
    _, _, total0, total1 = exponentials(logits, count, low, low)
    accumulate(logits, count, table, first, columns, sums)
    one = spread(xs.dtype.type(1))
    inverse0, inverse1 = one / total0, one / total1
    for d in range(dim):
        y0, y1 = mix(xs, sums, 0, 1, d, kind, dim)
        store(out, 2 * d * w, y0 * inverse0)
        store(out, (2 * d + 1) * w, y1 * inverse1)


@_inline
def fluctuate(noise: Any, dim: int, sigma: Any, particle: int, step: int, stream: int, seed: int) -> None:
    """noise: σ times the normals of a block of particles at a step."""
    w = width_of(noise)
    width = 2 if noise.itemsize == 8 else 4
    for block in range(dim // width):
        draw(noise, 2 * block * width * w, sigma, particle, step, block, stream, seed)
    block, left = dim // width, dim % width
    if 0 < left <= 2:
        draw_two(noise, 2 * block * width * w, sigma, particle, step, block, stream, seed)
    elif left > 2:
        draw(noise, 2 * block * width * w, sigma, particle, step, block, stream, seed)


@_inline
def _along(to: Any, x: Any, h: Any, f: Any, registers: int) -> None:
    """to = x + h f."""
    w = width_of(to)
    step = spread(h)
    for i in range(registers):
        store(to, i * w, fma(step, load(f, i * w), load(x, i * w)))


@_inline
def _copy(to: Any, x: Any, registers: int) -> None:
    w = width_of(to)
    for i in range(registers):
        store(to, i * w, load(x, i * w))


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
    registers = 2 * dim
    size = registers * w
    xs, to, f, total = (
        np.empty(size, start.dtype),
        np.empty(size, start.dtype),
        np.empty(size, start.dtype),
        np.empty(size, start.dtype),
    )
    noise = np.zeros(size + 8 * w, start.dtype)
    logits, sums = np.empty(2 * padded * w, start.dtype), np.empty(2 * columns * w, start.dtype)
    one = start.dtype.type(1)
    for first in range(low, high, 2 * w):
        fetch(start, first, xs)
        for i in range(len(steps)):
            h, sigma = steps[i, 0], steps[i, 1]
            if sigma != 0:
                fluctuate(noise, dim, sigma, first_particle + first, first_step + i, stream, seed)
            _along(total, xs, one, noise, registers)
            _copy(to, xs, registers)
            for j in range(len(method)):
                law = i * laws + int(method[j, 0])
                drift(to, law, kind, count, padded, dim, bias, scale, place, table, columns, logits, sums, f)
                _along(total, total, h * method[j, 1], f, registers)
                if j + 1 < len(method):
                    _along(to, xs, h * method[j, 2], f, registers)
                    _along(to, to, method[j, 3], noise, registers)
            _copy(xs, total, registers)
        deliver(xs, end, first)
