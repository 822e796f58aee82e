"""The mixture fields in eager torch: one dense softmax over components, as most code bases have it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch

from analytic import Interpolant
from si_verify.fields.formula import Mixture, fields_of, inputs_at, mixture_at
from si_verify.subject import Claims, Subject

QUANTITIES = ("log_density", "score", "velocity")
_ELEMENTS = 4_000_000  # of the (N, K, D) temporary


def build(interpolant: Interpolant, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., torch.Tensor]]:
    """The three fields; points are taken in chunks that bound the (N, K, D) temporary."""
    chunk = max(1, _ELEMENTS // (interpolant.coupling.n_components * interpolant.dim))

    @lru_cache(maxsize=256)
    def mixture(t: float) -> Mixture:
        return mixture_at(inputs_at(interpolant, t, dtype, device))

    def at(quantity: str, t: float, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([fields_of(mixture(t), part)[quantity] for part in x.split(chunk)])

    def field(quantity: str) -> Callable[..., torch.Tensor]:
        def evaluate(t: float | torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            if not isinstance(t, torch.Tensor) or t.ndim == 0:
                return at(quantity, float(t), x)
            return torch.cat([at(quantity, float(s), x[i : i + 1]) for i, s in enumerate(t)])

        return evaluate

    return {quantity: field(quantity) for quantity in QUANTITIES}


SUBJECT = Subject(
    name="torch/fields",
    kind="field",
    load=lambda: build,
    claims=Claims(quantities=QUANTITIES),
    tags=frozenset({"torch", "eager"}),
    modules=("si_verify.fields.formula",),
    dtypes=("float64", "float32"),
    summary="log-density, score and velocity in dense eager torch",
)
