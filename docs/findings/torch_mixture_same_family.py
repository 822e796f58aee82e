"""torch.distributions.MixtureSameFamily: weights below eps, scores far from the modes. Needs torch and analytic/."""

from __future__ import annotations

import numpy as np
import torch
from torch import distributions

from analytic import GaussianMixture


def torch_mixture(weights: list[float], means: list[float], dtype: torch.dtype) -> distributions.Distribution:
    w, m = torch.tensor(weights, dtype=dtype), torch.tensor(means, dtype=dtype)
    return distributions.MixtureSameFamily(distributions.Categorical(probs=w), distributions.Normal(m, 1.0))


def exact(weights: list[float], means: list[float]) -> GaussianMixture:
    return GaussianMixture(np.array(weights), np.array(means)[:, None], np.ones((len(means), 1)))


# A mode of weight 1e-12, twenty standard deviations away: between the modes and beyond it only its weight matters.
weights, means = [1.0 - 1e-12, 1e-12], [0.0, 20.0]
x = torch.tensor([20.0])
found = float(torch_mixture(weights, means, torch.float32).log_prob(x))
right = float(exact(weights, means).log_density(np.array([[20.0]]))[0])
ratio = abs(found - right) / abs(right) / (100 * torch.finfo(torch.float32).eps * 2)
print(
    f"float32, weight 1e-12: log density {found:.4f}, exact {right:.4f}, ratio of densities {np.exp(found - right):.3g}"
)
print(f"relative error {abs(found - right) / abs(right):.2g}, {ratio:.2g} times 100 eps K")
assert 1e5 < np.exp(found - right) < 1.3e5, "the weight 1e-12 has become eps = 1.19e-7"

# Modes at (±1, 0), points (0.5, y): the first coordinate of the score is −½ + tanh ½ whatever y is.
places = distributions.Independent(distributions.Normal(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).double(), 1.0), 1)
pair = distributions.MixtureSameFamily(distributions.Categorical(probs=torch.tensor([0.5, 0.5]).double()), places)
true = -0.5 + np.tanh(0.5)
worst = {}
for far in (3.0, 30.0, 300.0, 3000.0):
    height = far * torch.linspace(1.0, 1.1, 200, dtype=torch.float64)
    point = torch.stack([torch.full_like(height, 0.5), height], dim=1).requires_grad_(True)
    score = torch.autograd.grad(pair.log_prob(point).sum(), point)[0][:, 0]
    worst[far] = float(((score - true) / true).abs().max()) / torch.finfo(torch.float64).eps
    print(f"float64, y near {far:6.0f}: |log ρ| = {0.5 * far**2:.2g}, relative error of the score {worst[far]:.2g} eps")
assert worst[3000.0] > 1000 * worst[3.0], "the autograd score loses digits in proportion to |log ρ|"
