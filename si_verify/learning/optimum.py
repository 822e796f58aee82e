"""The best linear-in-features model: the normal equations of the objective, with the exact field."""

from __future__ import annotations

from typing import Any

import torch

from si_verify.learning.batches import BatchSource
from si_verify.learning.exact import exact_field
from si_verify.learning.networks import LinearFeatures
from si_verify.learning.objectives import column

Tensor = torch.Tensor


def fit_exactly(
    model: LinearFeatures, interpolant: Any, quantity: str, rows: int = 20_000, seed: int = 0
) -> LinearFeatures:
    """Set the weights to the minimiser of ½ ∫E|f̂ − f|² over draws of (t, x_t): least squares against the exact field.

    The objective's own minimiser, its target replaced by its conditional mean. Solved with a ridge at rounding level.
    """
    generator = torch.Generator().manual_seed(seed)
    source = BatchSource(interpolant, dtype=torch.float64)
    batch = source.draw(rows, generator)
    c = interpolant.schedule.at(batch.t)
    x = column(c.alpha, batch.x0) * batch.x0 + column(c.beta, batch.x0) * batch.x1 + column(c.gamma, batch.x0) * batch.z
    with torch.no_grad():
        features = model.features(batch.t, x)
        target = exact_field(interpolant, quantity)(batch.t, x)
        gram, right = features.mT @ features / rows, features.mT @ target / rows
        ridge = float(torch.finfo(torch.float64).eps) * len(gram) * float(torch.linalg.matrix_norm(gram, 2))
        model.weight.copy_(torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=gram.dtype), right))
    return model
