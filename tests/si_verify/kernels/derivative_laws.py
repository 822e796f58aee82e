"""The distance of a kernel's derivatives to the yardstick in the units of field-derivatives."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from analytic import Interpolant
from si_verify.checks.field_derivatives import ratio
from si_verify.fields.derivatives import DERIVATIVES, derivative_sensitivity, exact_derivatives
from tests.si_verify.kernels.laws import T, worst

FIELDS = ("log_density", "score", "velocity")


def vectors(x: torch.Tensor, seed: int = 3) -> torch.Tensor:
    """A normal vector a row."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)


def off(interpolant: Interpolant, x: torch.Tensor, v: torch.Tensor, answer: Mapping[str, torch.Tensor]) -> float:
    """Largest error of the fields in eps·K, and of the derivatives, all of them with the same v, in eps·K'."""
    plain = x.detach().cpu()
    exact = exact_derivatives(interpolant, T, plain, v, v)
    scale = derivative_sensitivity(interpolant, T, plain, v, v, torch.Generator().manual_seed(0))
    ratios = [ratio(answer[name], exact[name], scale[name]) for name in DERIVATIVES if name in answer]
    return max(*ratios, worst(interpolant, plain, {name: answer[name] for name in FIELDS}))
