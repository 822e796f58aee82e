"""From a kernel to a subject of kind field: the law packed once a time, rows grouped by their times."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.kernels.pack import pack

QUANTITIES = ("log_density", "score", "velocity")
_KEPT_TIMES = 64

Build = Callable[[Interpolant, torch.dtype, torch.device], dict[str, Callable[..., Tensor]]]
L = TypeVar("L")
P = TypeVar("P")


def fields_by(
    evaluate: Callable[[L, Tensor, str], Tensor],
    prepare: Callable[[P, torch.dtype, torch.device], L],
    admit: Callable[[torch.device], Any] = lambda device: None,
    gather: Callable[[Interpolant, float], P] = pack,  # type: ignore[assignment]
) -> Build:
    """``build(interpolant, dtype, device)`` around a kernel.

    prepare   from the law in float64 to whatever the kernel reads, rounded to the dtype and on the device; kept by time
    evaluate  (what prepare made, x (N, D), quantity) -> (N,) or (N, D); x comes with its strides and offset
    gather    the law at a time, and whatever else of the interpolant ``prepare`` takes
    admit     raises Unavailable for a device on which the kernel cannot run
    """

    def build(interpolant: Interpolant, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
        admit(device)

        @lru_cache(maxsize=_KEPT_TIMES)
        def law(t: float) -> L:
            return prepare(gather(interpolant, t), dtype, device)

        def field(quantity: str) -> Callable[..., Tensor]:
            def at(t: float | Tensor, x: Tensor) -> Tensor:
                if not isinstance(t, Tensor) or t.ndim == 0:
                    return evaluate(law(float(t)), x, quantity)
                answer = torch.empty(x.shape[:1] if quantity == "log_density" else x.shape, dtype=dtype, device=device)
                times, which = torch.unique(t, return_inverse=True)
                for i, s in enumerate(times.tolist()):
                    rows = which == i
                    answer[rows] = evaluate(law(s), x[rows], quantity)
                return answer

            return at

        return {quantity: field(quantity) for quantity in QUANTITIES}

    return build
