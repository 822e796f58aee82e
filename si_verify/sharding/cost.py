"""What sharding costs, as a model of four numbers, and the model against two gloo processes on this machine.

    python -m si_verify.sharding.cost --json cost.json

With P processes, N rows of D coordinates, K components, w bytes a number; c the seconds that a row and component take a
process while the others are at work too, a an all-reduce's latency and B the bytes a second that one moves:

    one process    T = c N K
    rows           T = c N K / P + gather(N (1 + 2D) w)               gather only if every process wants all rows
    components     T = c N K / P + reduce(N w) + reduce(N (1 + 2D) w)
    reduce(b) = a + 2 (P − 1)/P · b / B,   gather(b) = a + (P − 1)/P · b / B          (ring algorithms)

c is measured with every process doing the whole work at once, a and B from all-reduces of two sizes; nothing is fitted
to what is predicted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial as partial_call
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from analytic import Coupling, GaussianMixture, Interpolant, Schedule
from si_verify.kernels.pack import Packed, pack
from si_verify.sharding.collective import gather, over_components, over_rows
from si_verify.sharding.posterior import partial
from si_verify.sharding.processes import run

WORLD = 2
SHAPES = ((2000, 512, 16), (20_000, 64, 2), (200, 4096, 16), (100_000, 8, 16))  # (N, K, D)
REPEATS = 5
_SMALL, _LARGE = 1_000, 4_000_000  # numbers, for latency and bandwidth


@dataclass(frozen=True)
class Costs:
    """a in seconds, B in bytes a second."""

    latency: float
    bandwidth: float

    def reduce(self, numbers: int, size: int, world: int = WORLD) -> float:
        """Seconds of an all-reduce."""
        return self.latency + 2 * (world - 1) / world * numbers * size / self.bandwidth

    def gather(self, numbers: int, size: int, world: int = WORLD) -> float:
        """Seconds of an all-gather of ``numbers`` in all."""
        return self.latency + (world - 1) / world * numbers * size / self.bandwidth

    def rows(self, alone: float, n: int, dim: int, size: int, world: int = WORLD) -> float:
        """Seconds with the rows shared out, gathered on every process."""
        return alone / world + self.gather(n * (1 + 2 * dim), size, world)

    def components(self, alone: float, n: int, dim: int, size: int, world: int = WORLD) -> float:
        """Seconds with the components shared out."""
        return alone / world + self.reduce(n, size, world) + self.reduce(n * (1 + 2 * dim), size, world)


def _least(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, taken in turn from a common start: the least of the repeats, for other work only ever adds."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(REPEATS + 1):
        for name, work in works.items():
            dist.barrier()
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: min(values[1:]) for name, values in seconds.items()}


def _case(n: int, k: int, dim: int) -> tuple[Packed, torch.Tensor]:
    rng = np.random.default_rng([n, k, dim])
    target = GaussianMixture(rng.dirichlet(np.ones(k)), 3.0 * rng.normal(size=(k, dim)), rng.uniform(0.2, 1.0, k))
    base = GaussianMixture(np.ones(1), np.zeros((1, dim)), np.ones(1))
    interpolant = Interpolant(Coupling.independent(base, target), Schedule.one_sided_linear())
    x = torch.as_tensor(interpolant.sample(0.4, n, rng)).float()
    return pack(interpolant, 0.4).to(torch.float32, x.device), x


def member() -> list[dict[str, float]]:
    """In every process: the two all-reduces, then each shape whole, over components and over rows."""
    blocks = {"small": torch.ones(_SMALL), "large": torch.ones(_LARGE)}
    found = [_least({name: partial_call(dist.all_reduce, block) for name, block in blocks.items()})]
    for shape in SHAPES:
        law, x = _case(*shape)
        works: dict[str, Callable[[], object]] = {
            "whole": partial_call(partial, law, x),
            "components": partial_call(over_components, law, x),
            "rows": partial_call(_rows_everywhere, law, x),
        }
        found.append(_least(works))
    return found


def _rows_everywhere(law: Packed, x: torch.Tensor) -> object:
    return gather(over_rows(law, x), len(x))


def measure() -> dict[str, object]:
    """Measured and predicted seconds of every shape; the slowest process counts."""
    members = run(WORLD, member)
    worst = [{name: max(m[i][name] for m in members) for name in members[0][i]} for i in range(len(members[0]))]
    reduce, shapes = worst[0], []
    moved = 2 * (WORLD - 1) / WORLD * 4 * (_LARGE - _SMALL)
    costs = Costs(reduce["small"], moved / max(reduce["large"] - reduce["small"], 1e-9))
    for (n, k, dim), seconds in zip(SHAPES, worst[1:], strict=True):
        predicted = {
            "rows predicted": costs.rows(seconds["whole"], n, dim, 4),
            "components predicted": costs.components(seconds["whole"], n, dim, 4),
        }
        shapes.append({"N": n, "K": k, "D": dim, **seconds, **predicted})
    return {"costs": asdict(costs), "load": os.getloadavg()[0], "cores": os.cpu_count(), "shapes": shapes}


def main() -> None:
    parser = argparse.ArgumentParser(description="sharding costs: the model against two gloo processes")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    arguments = parser.parse_args()
    found = measure()
    text = json.dumps(found, indent=1)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
