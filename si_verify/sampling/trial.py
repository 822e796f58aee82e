"""One sampler on one problem: starting points, runs of the subject, and the exact answers they are held to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from si_verify.check import Context, Inapplicable
from si_verify.sampling.clock import Level
from si_verify.sampling.interface import Ends, Sampler, as_sampler, stochastic
from si_verify.sampling.reference import SamplerReference, sampler_reference
from si_verify.stats import geometric_steps
from si_verify.subject import SubjectError

# Rounding of one answer in units of eps √n: a few operations a step, whose roundings add up like a random walk.
_ROUNDINGS = 4.0
# Trajectories that part between modes amplify what a step does many times over and meet the asymptotic law of the error
# late: those that spread more than this many times as much as the law as a whole are left out of order fits.
_PARTING = 2.0


@dataclass(frozen=True, eq=False)
class SamplerTrial:
    """What checks of samplers share. ``rows`` starting points are drawn from the exact law at the start level."""

    ctx: Context
    rows: int = 32
    _ends: dict[int, Ends] = field(default_factory=dict)

    @cached_property
    def sampler(self) -> Sampler:
        """The guarded subject; ValueError of missing claims arrives as the subject's failure."""
        try:
            return as_sampler(self.ctx.implementation, self.ctx.subject.claims)
        except ValueError as error:
            raise SubjectError(str(error)) from error

    @cached_property
    def reference(self) -> SamplerReference:
        return sampler_reference(self.ctx.problem)

    @property
    def stochastic(self) -> bool:
        return stochastic(self.ctx.subject.claims)

    @property
    def eps(self) -> float:
        """Unit of rounding of the sampler's arithmetic: that of the state, or what the subject says of its tables."""
        own = torch.float32 if self.ctx.subject.claims.extra.get("arithmetic") == "float32" else self.ctx.dtype
        return max(float(torch.finfo(own).eps), float(torch.finfo(self.ctx.dtype).eps))

    def ends(self, steps: int) -> Ends:
        """The levels of a run of so many steps, asked for once; whatever goes wrong is the subject's error."""
        if steps not in self._ends:
            try:
                self._ends[steps] = self.sampler.ends(steps)
            except Exception as error:
                raise SubjectError(f"ends({steps}) raised {type(error).__name__}: {error}") from error
        return self._ends[steps]

    def counts(self, first: int, last: int, rungs: int) -> list[int]:
        """Step counts the sampler accepts, about evenly spread in log from first to last."""
        wanted: Sequence[int] = geometric_steps(first, last, rungs)
        allowed = self.sampler.step_counts
        if allowed is None:
            return list(wanted)
        return sorted({min(allowed, key=lambda n: abs(math.log(n / w))) for w in wanted})

    def start(self, level: Level, rows: int | None = None, stream: int = 0) -> np.ndarray:
        """Exact draws at a level, (N, D); the same standard normals for every level."""
        return self.reference.sample(level, rows or self.rows, np.random.default_rng([self.ctx.seed, stream]))

    def run(self, x: np.ndarray, steps: int, seed: int = 0) -> tuple[np.ndarray, int]:
        """The subject's answer (N, D) float64 from x, and how often it asked the model."""
        model = self.reference.model(self.sampler.clock, self.sampler.prediction, len(x))
        start = torch.tensor(x, dtype=self.ctx.dtype, device=self.ctx.device)
        answer = self.sampler(model, start, steps, torch.Generator().manual_seed(seed))
        return answer.to(torch.float64).cpu().numpy(), model.calls

    def exact(self, x: np.ndarray, ends: Ends) -> np.ndarray:
        """Where the probability flow takes x, followed by the jump where one is declared; (N, D)."""
        if ends.jump_from is None:
            return self.reference.flow(x, ends.start, ends.end)
        return self.reference.jump(self.reference.flow(x, ends.start, ends.jump_from), ends.jump_from, ends.end)

    def regular(self, x: np.ndarray, ends: Ends) -> np.ndarray:
        """Which rows do not part between modes, (N,) bool: see _PARTING. At least half of them."""
        to = ends.jump_from or ends.end
        jacobian = np.asarray(self.reference.flow_map.jacobian(x / ends.start.scale, ends.start.time, to.time))
        size = np.linalg.norm(jacobian, 2, axis=(1, 2)) * to.scale / ends.start.scale
        size = size * self.reference.spread(ends.start) / self.reference.spread(to)
        limit = max(_PARTING * math.sqrt(self.reference.dim), float(np.median(size)))
        return np.asarray(size <= limit)

    def error(self, steps: int) -> float:
        """Root mean square distance from the exact answer, in units of the spread of the answer's exact law."""
        ends = self.ends(steps)
        x = self.start(ends.start)
        keep = self.regular(x, ends)
        answer, _ = self.run(x[keep], steps)
        miss = answer - self.exact(x[keep], ends)
        return math.sqrt(float(np.mean(miss**2))) / self.reference.spread(ends.end)

    def floor(self, steps: int) -> float:
        """The level of ``error`` that rounding explains."""
        law = self.reference.law(self.ends(steps).end)
        size = 1.0 + float(np.abs(np.asarray(law.mean())).max()) / self.reference.spread(self.ends(steps).end)
        own = self.ctx.subject.claims.extra.get("conditioning", 1.0)
        amplified = float(own(steps) if callable(own) else own)
        return _ROUNDINGS * self.eps * amplified * size * math.sqrt(steps)


def exact_flow_known(problem: object) -> bool:
    """Whether the flow from noise to the problem's law at t = 1 is a closed form."""
    try:
        return sampler_reference(problem).flow_map.exact
    except (ValueError, ImportError) as error:
        raise Inapplicable(str(error)) from error
