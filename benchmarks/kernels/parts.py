"""``python -m benchmarks.kernels.parts``: where a fused path's time goes, as a Markdown table.

Hardware counters are not to be had in most containers. What can be had: a path with and without its noise, and the
vector instructions of the noise as compiled, counted in its machine code. A core that starts two 64-byte instructions
a cycle needs half as many cycles; the clock is what multiply-adds between registers reach (bench/ceilings.py: one such
instruction a cycle).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from si_verify.bench.ceilings import ceilings
from si_verify.bench.clock import clock_of
from si_verify.bench.mixtures import interpolant
from si_verify.bench.path_peers import Walk
from si_verify.bench.workloads.paths import EPSILON, SHAPES, STEPS
from si_verify.kernels.numba_walk import plan

_REPEATS = 60
_METHODS = (("euler", EPSILON), ("euler", 0.0), ("rk4", 0.0))
_HEAD = ("K", "D", "dtype", "SDE step", "its drift", "its noise", "noise, from its instructions", "RK4 step")


def _seconds(runs: list[Callable[[], object]]) -> list[float]:
    """The shortest of each, taken in turns."""
    _, clock = clock_of("cpu")
    best = [float("inf")] * len(runs)
    for repeat in range(-1, _REPEATS):
        for i, run in enumerate(runs):
            start = clock()
            run()
            if repeat >= 0:
                best[i] = min(best[i], clock() - start)
    return best


def instructions(dtype: str, coordinates: int) -> int:
    """Vector instructions that make so many coordinates' noise, of one block, for two registers of particles at two
    steps.
    """
    from numba import njit

    from si_verify.kernels import numba_noise
    from si_verify.kernels.numba_lanes import width_of

    draw = numba_noise.draw_two if coordinates <= 2 else numba_noise.draw

    @njit(error_model="numpy", boundscheck=False)
    def several(out: Any, later: Any, count: int, step: int, stream: int, seed: int) -> None:
        w = width_of(out)
        for block in range(count):
            draw(out, later, 8 * block * w, out[0], later[0], 0, step, block, stream, seed)

    several(np.zeros(4096, dtype), np.zeros(4096, dtype), 2, 1, 0, np.uint64(1))
    lines = several.inspect_asm(several.signatures[0]).split("\n")
    label: dict[str, int] = {}
    longest = 0
    for i, line in enumerate(lines):
        if place := re.match(r"(\.LBB\w+):", line):
            label[place[1]] = i
        back = re.match(r"\s+j\w+\s+(\.LBB\w+)", line)
        if back and back[1] in label:
            loop = lines[label[back[1]] : i]
            longest = max(longest, sum(bool(re.match(r"\s+v\w+\s.*[xyz]mm", one)) for one in loop))
    return longest


def rows() -> list[tuple[str, ...]]:
    """One a shape and dtype; times in ns a particle and step."""
    found = []
    for dtype in ("float64", "float32"):
        real = getattr(torch, dtype)
        bits = torch.finfo(real).bits
        lanes, most = 512 // bits, 2 if bits == 64 else 4
        cycle = 2.0 * lanes / ceilings("cpu", dtype).flops_per_s
        for shape in SHAPES:
            x0 = torch.randn(shape.n, shape.dim, dtype=real)
            times, law = Walk(shape, STEPS, EPSILON, dtype).times, interpolant(shape)

            paths = [plan(law, times, method, eps, real) for method, eps in _METHODS]
            runs = [lambda path=path, x0=x0: path(x0, 1) for path in paths]
            whole, drift, flow = (1e9 * s / (shape.n * STEPS) for s in _seconds(runs))
            coordinates = min(most, shape.dim)
            count, blocks = instructions(dtype, coordinates), -(-shape.dim // coordinates)
            floor = 1e9 * blocks * 0.5 * count * cycle / (4 * lanes)
            found.append(
                (str(shape.k), str(shape.dim), dtype, f"{whole:.2f}", f"{drift:.2f}", f"{whole - drift:.2f}",
                 f"{floor:.2f} ({count} for {4 * lanes} particle-steps, {coordinates} coordinates)", f"{flow:.2f}")
            )  # fmt: skip
    return found


if __name__ == "__main__":
    print("| " + " | ".join(_HEAD) + " |")
    print("| " + " | ".join("---" for _ in _HEAD) + " |")
    for row in rows():
        print("| " + " | ".join(row) + " |")
