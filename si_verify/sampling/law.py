"""The exact law of a sampler's answer on Gaussian data, and how far it is from the law it should have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from si_verify.check import Inapplicable
from si_verify.sampling.probe import SamplerMap, probe_sampler
from si_verify.sampling.trial import SamplerTrial

# A random row may miss the map by the rounding of every basis row that it is a combination of.
_AFFINE = 256.0


@dataclass(eq=False)
class LawErrors:
    """Mean and covariance of the answer over numbers of steps; every count is probed once."""

    trial: SamplerTrial

    def __post_init__(self) -> None:
        if not self.trial.reference.gaussian:
            raise Inapplicable("the data are no single Gaussian: the sampler is no affine map to probe")
        self._known: dict[int, tuple[np.ndarray, np.ndarray, float]] = {}

    @cached_property
    def spread(self) -> float:
        ends = self.trial.ends(self.trial.counts(10, 20, 2)[0])
        return self.trial.reference.spread(ends.end)

    def law(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Exact mean (D,) and covariance (D, D) of the answer, started from the exact law of the first level."""
        mean, cov, _ = self._at(steps)
        return mean, cov

    def right(self, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """What they should be: the law of the last level, after the declared jump if there is one."""
        ends, reference = self.trial.ends(steps), self.trial.reference
        law = reference.law(ends.jump_from or ends.end)
        mean, cov = np.asarray(law.mean()), np.asarray(law.covariance())
        if ends.jump_from is None:
            return mean, cov
        points = np.concatenate([np.zeros((1, reference.dim)), np.eye(reference.dim)])
        image = reference.jump(points, ends.jump_from, ends.end)
        gain = (image[1:] - image[0]).T
        return image[0] + gain @ mean, gain @ cov @ gain.T

    def mean_error(self, steps: int) -> float:
        """|mean − right| over the spread, per coordinate."""
        return float(np.linalg.norm(self.law(steps)[0] - self.right(steps)[0]) / self.spread / self._root)

    def cov_error(self, steps: int) -> float:
        """|cov − right| over the norm of the right one."""
        right = self.right(steps)[1]
        return float(np.linalg.norm(self.law(steps)[1] - right) / np.linalg.norm(right))

    def floor(self, steps: int) -> float:
        """What rounding explains of either error."""
        return max(self.trial.floor(steps), 4.0 * self._at(steps)[2] / self.spread)

    @property
    def _root(self) -> float:
        return float(np.sqrt(self.trial.reference.dim))

    def _at(self, steps: int) -> tuple[np.ndarray, np.ndarray, float]:
        if steps not in self._known:
            found = self._probe(steps)
            start = self.trial.reference.law(self.trial.ends(steps).start)
            law = found.law(np.asarray(start.mean()), np.asarray(start.covariance()))
            self._known[steps] = (*law, found.floor)
        return self._known[steps]

    def _probe(self, steps: int) -> SamplerMap:
        trial, ctx = self.trial, self.trial.ctx
        sampler = trial.sampler

        def run(rows: int):  # type: ignore[no-untyped-def]
            model = trial.reference.model(sampler.clock, sampler.prediction, rows)
            return lambda x: sampler(model, x, steps, torch.Generator().manual_seed(0))

        start = trial.reference.law(trial.ends(steps).start)
        found = probe_sampler(run, start, ctx.dtype, trial.eps, ctx.generator(steps))
        if found.residual > _AFFINE:
            raise Inapplicable(f"no affine map of x and noise: a random row misses by {found.residual:.2g} roundings")
        return found
