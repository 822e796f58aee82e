"""A packed law whose numbers by component and coordinate are bfloat16: half the memory traffic where K·D is large.

Means, offsets, diagonal precisions and slopes, whitening and slope matrices are rounded once, in float64 on the host;
log-weights and the one number a component that isotropic laws have stay float32, for they cost nothing to read and an
exponent has no digits to give away. The rounded precisions are a law of their own: log-weights get its determinants, so
that the kernel's answer is the exact field of the rounded moments, to float32. Sums are float32.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from si_verify.kernels.pack import Packed

Array = np.ndarray[Any, Any]


def to_bfloat16(values: Array) -> Array:
    """The nearest bfloat16 numbers, as float64."""
    return torch.as_tensor(np.asarray(values, dtype=np.float64)).to(torch.bfloat16).double().numpy()


def rounded(law: Packed, unit: float = 1.0) -> Packed:
    """The law in float64 with bfloat16 numbers. unit: of the logits (log₂e where they are in units of log 2)."""
    changed: dict[str, Any] = {name: to_bfloat16(getattr(law, name)) for name in ("mean", "offset")}
    log_weight = law.log_weight
    if law.kind != "isotropic":
        changed |= {name: to_bfloat16(getattr(law, name)) for name in ("precision", "slope", "whiten")}
    if law.kind == "diagonal":
        log_weight = log_weight + unit * 0.5 * np.log(changed["precision"] / law.precision).sum(-1)
    elif law.kind == "full":
        before, after = (np.diagonal(a, axis1=-2, axis2=-1) for a in (law.whiten, changed["whiten"]))
        log_weight = log_weight + unit * np.log(after / before).sum(-1)
    return replace(law, log_weight=log_weight, **changed)


def as_bfloat16(law: Packed, device: torch.device) -> Packed:
    """A ``rounded`` law as tensors: bfloat16 what was rounded, float32 what was not."""
    tensors = law.to(torch.float32, device)
    names = ("mean", "offset") if law.kind == "isotropic" else ("mean", "offset", "precision", "slope", "whiten")
    return replace(tensors, **{name: getattr(tensors, name).to(torch.bfloat16) for name in names})
