"""Condition numbers of the fields: how far rounding the inputs by one unit moves the answer.

With p all numbers an implementation is given (x, weights, means, covariance blocks, the schedule's values),

    K(t, x) = max( |f|, max over random signs δ of |d/dε f(p (1 + ε δ))| at ε = 0 )

so that an answer within c·eps·K is the exact answer to inputs that differ by about c units in the last place. The
derivative is exact (forward-mode differentiation), and the maximum over few sign patterns is an estimate from below:
it can only make a check stricter. Over the weights of many components random signs cancel, and the terms of a sum that
is rounded as it grows are perturbed as weights are: for them the worst pattern of every coordinate is taken.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.fields.formula import Inputs, fields_of, inputs_at, mixture_at, tangents, weight_slopes

_PATTERNS = 8
_ELEMENTS = 4_000_000  # operations times patterns: large mixtures get fewer patterns, at least two


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return 2.0 * torch.randint(0, 2, like.shape, generator=generator).to(like) - 1.0


def sensitivity(interpolant: Interpolant, t: float, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """K by quantity, (N,), for log_density, score and velocity at one time; x (N, D) is taken in float64."""
    x64 = x.detach().cpu().to(torch.float64)
    p = inputs_at(interpolant, t, torch.float64, torch.device("cpu"))
    m = mixture_at(p)
    by_weights = weight_slopes(m, x64)
    norms = {name: torch.maximum(_norm(value), by_weights[name]) for name, value in fields_of(m, x64).items()}
    size = x64.shape[0] * p.mean0.numel() * (x64.shape[1] if p.cov00.ndim == 3 else 1)
    for _ in range(max(2, min(_PATTERNS, _ELEMENTS // size))):
        signs: Inputs = p.map(lambda value: _signs(value, generator))
        slope = tangents(p, signs).tensors()
        at, along = (x64, *p.tensors()), (x64 * _signs(x64, generator), *slope)
        slopes = torch.func.jvp(_fields, at, along)[1]
        norms = {name: torch.maximum(norms[name], _norm(slopes[name])) for name in norms}
    return norms


def _fields(x: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
    return fields_of(mixture_at(Inputs(*inputs)), x)


def _norm(value: Tensor) -> Tensor:
    return value.abs() if value.ndim == 1 else torch.linalg.vector_norm(value, dim=-1)
