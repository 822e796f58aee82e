"""First derivatives of the mixture fields in eager torch: the closed form, and forward-mode differentiation of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.fields.derivatives import DERIVATIVES, ESTIMATES, PRODUCTS, derivatives_of
from si_verify.fields.formula import Mixture, fields_of, inputs_at, mixture_at
from si_verify.kernels.probes import Rademacher
from si_verify.subject import Claims, ExpectedFailure, Subject

FIELDS = ("log_density", "score", "velocity")
_ELEMENTS = 2_000_000  # of the (N, K, D) temporaries
_UNCENTRED = (
    "forward mode through a softmax forms Σ r_k u_k (g_k·v − s·v), centred in one factor only: far from the modes "
    "that leaves eps·distance², 115 to 555 units of eps·K' where 100 are allowed"
)

Rows = Callable[[Mixture, str, Tensor, Tensor], Tensor]


def _closed(m: Mixture, name: str, x: Tensor, v: Tensor) -> Tensor:
    return derivatives_of(m, x, v, v)[name]


def along(m: Mixture, name: str, x: Tensor, v: Tensor) -> Tensor:
    """∇b v or ∇s v by forward-mode differentiation of the dense field."""
    field = "velocity" if name in (PRODUCTS[0], ESTIMATES[0], "divergence") else "score"
    product: Tensor = torch.func.jvp(lambda y: fields_of(m, y)[field], (x,), (v,))[1]
    return product


def _differentiated(m: Mixture, name: str, x: Tensor, v: Tensor) -> Tensor:
    if name in PRODUCTS:
        return along(m, name, x, v)
    if name in ESTIMATES:
        return (v * along(m, name, x, v)).sum(1)
    # The trace, one coordinate at a time.
    units = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return torch.stack([along(m, name, x, e.expand_as(x))[:, i] for i, e in enumerate(units)]).sum(0)


def build_with(rows: Rows) -> Callable[[Interpolant, torch.dtype, torch.device], dict[str, Callable[..., Tensor]]]:
    """``build``; f(t, x), with v (N, D) for products and a seed for estimates; points in chunks."""

    def build(interpolant: Interpolant, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
        chunk = max(1, _ELEMENTS // (interpolant.coupling.n_components * interpolant.dim))

        @lru_cache(maxsize=64)
        def mixture(t: float) -> Mixture:
            return mixture_at(inputs_at(interpolant, t, dtype, device))

        def at(name: str, t: float, x: Tensor, v: Tensor) -> Tensor:
            if name in FIELDS:
                return torch.cat([fields_of(mixture(t), part)[name] for part in x.split(chunk)])
            parts = zip(x.split(chunk), v.split(chunk), strict=True)
            return torch.cat([rows(mixture(t), name, part, w) for part, w in parts])

        def field(name: str) -> Callable[..., Tensor]:
            def evaluate(t: float | Tensor, x: Tensor, *more: Any) -> Tensor:
                v = more[0] if name in PRODUCTS else Rademacher(int(more[0])).like(x) if name in ESTIMATES else x
                if not isinstance(t, Tensor) or t.ndim == 0:
                    return at(name, float(t), x, v)
                return torch.cat([at(name, float(s), x[i : i + 1], v[i : i + 1]) for i, s in enumerate(t)])

            return evaluate

        return {name: field(name) for name in (*FIELDS, *DERIVATIVES)}

    return build


def _subject(name: str, rows: Rows, summary: str, *short: ExpectedFailure) -> Subject:
    return Subject(
        name=name,
        kind="field",
        load=lambda: build_with(rows),
        claims=Claims(extra={"derivatives": DERIVATIVES}),
        tags=frozenset({"torch", "eager", "derivatives"}),
        modules=("si_verify.fields.derivatives", "si_verify.fields.formula"),
        dtypes=("float64", "float32"),
        expected_failures=short,
        summary=summary,
    )


SUBJECTS = (
    _subject("torch/derivatives", _closed, "divergences and products with a vector, dense closed form in eager torch"),
    _subject(
        "torch/derivatives-forward-mode", _differentiated, "the same by torch.func.jvp of the dense fields",
        ExpectedFailure("field-derivatives", _UNCENTRED, "docs/kernels.md#derivatives", strict=False),
    ),
)  # fmt: skip
