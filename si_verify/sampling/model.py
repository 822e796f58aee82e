"""The ideal denoising model of a Gaussian mixture, as a sampler sees it: ``model(x, t)`` -> its prediction.

x = a x1 + s z with x1 ~ Σ w_k N(μ_k, Σ_k). With P_k = (a² Σ_k + s² I)⁻¹ (x − a μ_k) and responsibilities r_k,

    E[x1 | x] = Σ r_k (μ_k + a Σ_k P_k),    E[z | x] = s Σ r_k P_k,    score = −Σ r_k P_k

each computed directly and not one from another, so that none loses digits at either end (MATH.md sections 3 and 8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from si_verify.sampling.clock import Clock, Level
from si_verify.sampling.predictions import check_prediction
from si_verify.subject import SubjectError


class Posterior:
    """E[x1 | x], E[z | x] and the score of a mixture at any level; float64 inside, dtype of x outside."""

    def __init__(self, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> None:
        """weights (K,), means (K, D), covariances (K, D, D)."""
        values, vectors = np.linalg.eigh(covariances)
        diagonal = not np.any(covariances * (1.0 - np.eye(means.shape[1])))
        if diagonal:
            values = np.diagonal(covariances, axis1=-2, axis2=-1)
        self._log_weights = torch.tensor(np.log(weights))
        self._means = torch.tensor(means)[:, None, :]
        self._values = torch.tensor(np.maximum(values, 0.0))[:, None, :]
        self._vectors = None if diagonal else torch.tensor(vectors)

    def __call__(self, level: Level, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(E[x1 | x], Σ r_k P_k), each (N, D) float64."""
        a, s = level.a, level.s
        delta = x.to(torch.float64) - a * self._means
        if self._vectors is not None:
            delta = delta @ self._vectors
        variance = (a * a) * self._values + s * s
        pull = delta / variance
        own = a * self._values * pull
        if self._vectors is not None:
            pull, own = pull @ self._vectors.mT, own @ self._vectors.mT
        own = own + self._means
        if len(own) == 1:
            return own[0], pull[0]
        logits = self._log_weights[:, None] - 0.5 * ((delta * delta / variance) + variance.log()).sum(-1)
        share = torch.softmax(logits, dim=0)[..., None]
        return (share * own).sum(0), (share * pull).sum(0)


@dataclass(eq=False)
class DenoisingModel:
    """``model(x, t)``: the ideal prediction at x (N, D), t a number or a tensor of one value in the sampler's clock.

    Counts its calls and keeps their levels; whatever cannot be meant is the subject's error.
    """

    posterior: Posterior
    clock: Clock
    prediction: str
    shape: tuple[int, int]
    levels: list[Level] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_prediction(self.prediction)

    @property
    def calls(self) -> int:
        return len(self.levels)

    def __call__(self, x: torch.Tensor, t: float | torch.Tensor) -> torch.Tensor:
        if not isinstance(x, torch.Tensor) or tuple(x.shape) != self.shape:
            got = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
            raise SubjectError(f"the sampler called model(x, t) with {got} for x, expected a tensor {self.shape}")
        level = self._level(t)
        self.levels.append(level)
        data, pull = self.posterior(level, x)
        return self._predicted(level, data, pull).to(x.dtype)

    def _predicted(self, level: Level, data: torch.Tensor, pull: torch.Tensor) -> torch.Tensor:
        if self.prediction == "data":
            return data
        if self.prediction == "noise":
            return level.s * pull
        if self.prediction == "score":
            return -pull
        p, q = self.clock.velocity(level)
        return p * data + q * level.s * pull

    def _level(self, t: Any) -> Level:
        now = _one_time(t)
        try:
            return self.clock.at(now)
        except (ValueError, OverflowError) as error:
            raise SubjectError(
                f"the sampler called model(x, t) at t = {now!r}, outside its clock {self.clock.name!r}: {error}"
            ) from error


def _one_time(t: Any) -> float:
    if isinstance(t, torch.Tensor):
        if t.numel() > 1 and bool((t != t.reshape(-1)[0]).any()):
            raise SubjectError("the sampler called model(x, t) with different times in one call")
        t = t.detach().reshape(-1)[0].item()
    if not isinstance(t, (int, float, np.number)) or not math.isfinite(t):
        raise SubjectError(f"the sampler called model(x, t) with t = {t!r}, expected a finite number or tensor")
    return float(t)
