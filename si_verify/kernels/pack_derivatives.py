"""What derivatives need beside the packed law, and the way from a kernel that gives them to a subject of kind field.

A kernel answers in one pass, by name (N,) or (N, D):

    always        log_density, score, velocity, divergence, laplacian_log_density
    with a probe  velocity_jvp ∇b v, score_jvp ∇s v, divergence_estimate vᵀ∇b v, laplacian_estimate vᵀ∇s v

The trace of B_k = A_k C_k⁻¹ does not depend on x, so that the exact divergence costs what one probe costs: Hutchinson's
estimate is there to be compared with, row by row and probe by probe, not because it saves anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from analytic import Interpolant
from si_verify.fields.derivatives import ESTIMATES, PRODUCTS, SCALARS
from si_verify.kernels.pack import Packed, pack
from si_verify.kernels.probes import Rademacher

FIELDS = ("log_density", "score", "velocity")
_ROWS = ("score", "velocity", *PRODUCTS)
_KEPT_TIMES = 64

L = TypeVar("L")
Probe = Tensor | Rademacher | None
Evaluate = Callable[[L, Tensor, Probe], dict[str, Tensor]]


def traces(law: Packed) -> np.ndarray:
    """(K, 2): tr ∇s_k = −tr C_k⁻¹, tr ∇u_k = tr A_k C_k⁻¹."""
    if law.kind == "full":
        inverse = np.square(law.whiten).sum((-2, -1))
    else:
        inverse = law.dim * law.precision if law.kind == "isotropic" else law.precision.sum(-1)
    return np.stack([-inverse, law.divergence], axis=-1)


def probed(probe: Probe, x: Tensor) -> tuple[Tensor | None, Rademacher]:
    """(v (N, D) or None if it is to be drawn inside, the counter); ValueError for a v that is not like x."""
    if isinstance(probe, Tensor):
        if probe.shape != x.shape or probe.dtype != x.dtype or probe.device != x.device:
            raise ValueError(
                f"probe: expected shape {tuple(x.shape)} of {x.dtype} on {x.device}, "
                f"got {tuple(probe.shape)} of {probe.dtype} on {probe.device}"
            )
        return probe.contiguous(), Rademacher(0)
    draw = probe or Rademacher(0)
    if draw.first_row + len(x) > 2**32:
        raise ValueError(f"probe.first_row: expected a counter of 32 bits for {len(x)} rows, got {draw.first_row}")
    return None, draw


def derivatives_by(
    evaluate: Evaluate[L],
    prepare: Callable[[Packed, torch.dtype, torch.device], L],
    admit: Callable[[torch.device], Any] = lambda device: None,
) -> Callable[[Interpolant, torch.dtype, torch.device], dict[str, Callable[..., Tensor]]]:
    """``build`` around a kernel: f(t, x); f(t, x, v) for products; f(t, x, seed) for estimates (probes.Rademacher).

    prepare, admit: as in pack_fields.fields_by. evaluate(law, x, probe): the answers above.
    """

    def build(interpolant: Interpolant, dtype: torch.dtype, device: torch.device) -> dict[str, Callable[..., Tensor]]:
        admit(device)

        @lru_cache(maxsize=_KEPT_TIMES)
        def law(t: float) -> L:
            return prepare(pack(interpolant, t), dtype, device)

        def field(name: str) -> Callable[..., Tensor]:
            def at(t: float | Tensor, x: Tensor, *more: Any) -> Tensor:
                probe: Probe = None
                if name in PRODUCTS:
                    (probe,) = more
                elif name in ESTIMATES:
                    probe = Rademacher(int(more[0]))
                if not isinstance(t, Tensor) or t.ndim == 0:
                    return evaluate(law(float(t)), x, probe)[name]
                if isinstance(probe, Rademacher):
                    probe = probe.like(x)  # rows of one time need not be neighbours
                answer = torch.empty(x.shape if name in _ROWS else x.shape[:1], dtype=dtype, device=device)
                times, which = torch.unique(t, return_inverse=True)
                for i, s in enumerate(times.tolist()):
                    rows = which == i
                    part = probe[rows] if isinstance(probe, Tensor) else None
                    answer[rows] = evaluate(law(s), x[rows], part)[name]
                return answer

            return at

        return {name: field(name) for name in (*FIELDS, *SCALARS, *PRODUCTS, *ESTIMATES)}

    return build
