"""Fused paths, replayed: every step against the yardstick with the same noise; cut and spread, to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from analytic.problems.problem import Problem
from si_verify.check import Check, Context
from si_verify.checks.field_pointwise import UNITS
from si_verify.kernels.philox import normals
from si_verify.measurement import Measurement, Outcome
from si_verify.paths.replay import step
from si_verify.subject import Subject, Unavailable

_STEPS = 4
_ROWS = (1, 7, 33, 130)
_LOOKED_AT = 17  # particles replayed of each run: the first, the last and those spread between them
_LAST = 2**32  # particles have 32 bits
_WHY = "100·eps·K of the step: the fields' sensitivities to rounding, carried through the stages (paths/replay.py)"
_BITS = "noise belongs to particle and step by number: the same numbers whoever computes them"
_OTHERS = "a bit of the seed, another stream or other steps: other noise for every particle"

Run = Callable[..., Tensor]


def _applies(subject: Subject, problem: Problem) -> bool:
    return bool(subject.claims.extra.get("methods"))


@dataclass
class _Replay:
    context: Context
    worst: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, rows: Tensor) -> None:
        self.counts[name] = self.counts.get(name, 0) + int(rows.sum())

    def plan(self, times: np.ndarray, method: str, epsilon: float) -> Run:
        c = self.context
        return c.implementation(c.problem.interpolant, times.tolist(), method, epsilon, c.dtype, c.device)  # type: ignore[no-any-return]

    def start(self, t: float, n: int, seed: int) -> Tensor:
        x = torch.as_tensor(self.context.problem.interpolant.sample(t, n, np.random.default_rng([seed, n])))
        return x.to(self.context.device, self.context.dtype)

    def steps(self, times: np.ndarray, method: str, epsilon: float, x: Tensor, seed: int, first: int) -> Tensor:
        """One launch a step, each held to the exact step from where it began; the last state."""
        c, name = self.context, f"{method}, ε {'> 0' if epsilon else '= 0'}, {'up' if times[-1] > times[0] else 'down'}"
        look = torch.linspace(0, len(x) - 1, min(len(x), _LOOKED_AT)).round().long()
        for i in range(len(times) - 1):
            begin = x.cpu()[look].double()
            x = self.plan(times[i : i + 2], method, epsilon)(x, seed, first_particle=first, first_step=i)
            kind = str(c.dtype).removeprefix("torch.")
            z = torch.zeros_like(begin)
            if epsilon:
                z = torch.as_tensor(
                    normals(first + look.numpy().astype(np.uint64), i, begin.shape[1], seed, dtype=kind)
                )
            t, u = float(times[i]), float(times[i + 1])
            exact, units = step(c.problem.interpolant, method, t, u, epsilon, begin, z, c.generator(i))
            gap = torch.linalg.vector_norm(x.cpu()[look].double() - exact, dim=1) / (torch.finfo(c.dtype).eps * units)
            self.worst[name] = max(self.worst.get(name, 0.0), float(gap.nan_to_num(math.inf).max()))
        return x


def _same(a: Tensor, b: Tensor) -> Tensor:
    return (a == b).all(1)


def _cases(methods: tuple[str, ...]) -> list[tuple[str, float]]:
    return [(m, e) for m in methods for e in ((0.0,) if m == "rk4" else (0.5, 0.0))]


def _measure(context: Context) -> Outcome:
    replay, (low, high) = _Replay(context), context.problem.t_span
    rng = np.random.default_rng([context.seed, 5])
    # Steps of several lengths, away from ends where fields may not exist.
    cuts = np.cumsum(rng.uniform(0.5, 1.5, _STEPS + 1))
    rising = low + (high - low) * (0.05 + 0.9 * (cuts - cuts[0]) / (cuts[-1] - cuts[0]))
    seed = (int(rng.integers(1, 2**31)) << 32) + int(rng.integers(2**32))
    refused: list[str] = []
    for j, (method, epsilon) in enumerate(_cases(tuple(context.subject.claims.extra["methods"]))):
        for times in (rising, rising[::-1].copy()):
            n = _ROWS[j % len(_ROWS)] if context.effort == 0 else _ROWS[-1]
            x0 = replay.start(float(times[0]), n, context.seed)
            try:
                run = replay.plan(times, method, epsilon)
            except Unavailable as error:
                refused.append(f"not taken: {method} ({error})")
                continue
            whole = run(x0, seed)
            replay.count(
                "rows changed by cutting at every step",
                ~_same(replay.steps(times, method, epsilon, x0, seed, 0), whole),
            )
            for rows in _ROWS if context.effort and j == 0 else ():
                some = replay.start(float(times[0]), rows, context.seed + 1)
                replay.steps(times[:2], method, epsilon, some, seed, _LAST - rows)
            cut = n // 3
            replay.steps(times[:2], method, epsilon, x0[cut:], seed, cut)
            if context.subject.claims.extra.get("to_the_bit"):
                parts = [run(x0[i:k], seed, first_particle=i) for i, k in ((0, cut), (cut, n)) if k > i]
                replay.count("rows changed by spreading particles", ~_same(torch.cat(parts), whole))
            if epsilon:
                others = (
                    run(x0, seed ^ (1 << 40)),
                    run(x0, seed ^ 1),
                    run(x0, seed, stream=1),
                    run(x0, seed, first_step=1),
                )
                for other in others:
                    replay.count("rows that other noise left alone", _same(other, whole))
    if not replay.worst:
        raise Unavailable(refused[0].removeprefix("not taken: "))
    return Outcome(
        (
            *(Measurement(n, v, UNITS, origin="rounding", why=_WHY, unit="eps·K") for n, v in replay.worst.items()),
            *(
                Measurement(n, float(v), 0.0, origin="exact", why=_OTHERS if "other" in n else _BITS)
                for n, v in replay.counts.items()
            ),
        ),
        (),
        tuple(dict.fromkeys(refused)),
    )


CHECK = Check(
    name="path-replay",
    claim="Every step of a fused path is the scheme's step with the yardstick's drift and the noise that its counter "
    "names (arXiv:2303.08797, Theorem 2.9; Salmon et al., SC 2011); a path cut, continued or spread is the same",
    scope={"standard": "product-3d, dtype=float64 and 1d-bimodal"},
    kinds=frozenset({"path"}),
    measure=_measure,
    problems={
        "quick": "1d-bimodal, correlated-mixture-2d",
        "standard": "1d-bimodal, correlated-mixture-2d, product-3d, one-sided-vp",
        "full": "order and sde-ok and not costly",
    },
    applies=_applies,
    quick_dtypes=("float64",),
    tags=frozenset({"accuracy", "kernel", "path"}),
    cost=1.5,
)
